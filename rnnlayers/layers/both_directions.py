"""Both directions of a sequence in one call, where an engine has such a call."""

from typing import Any

import keras

from rnnlayers.engines.choose import choose_for_both, engines_for_both, run_both_on
from rnnlayers.layers.masks import time_major_mask
from rnnlayers.layers.recurrent import Recurrent
from rnnlayers.types import States, Tensor


def call_both(
    layers: tuple[keras.Layer, keras.Layer],
    sequences: Tensor,
    initial_states: tuple[Any, Any],
    mask: Any,
    training: bool,
    dtype: str,
) -> list[tuple[Tensor, States]] | None:
    """Call a layer that runs forwards and one that runs backwards at once, if an engine can.

    Args:
        layers: Two built layers.
        sequences: `(batch, timesteps, features)`.
        initial_states: The `initial_state` of each call.
        mask: As for their calls.
        training: Whether dropout applies.
        dtype: The compute dtype of the layer that calls.

    Returns:
        The outputs of each layer, in time order, and its final states, or None if each is to be
        called by itself.
    """
    batch, time, _ = sequences.shape
    engine, _ = choose_for_both_layers(layers, batch, time, training, dtype)
    if engine is None:
        return None
    loops = tuple(layer._loop() for layer in layers)
    starts = tuple(
        layer._start(sequences, given) for layer, given in zip(layers, initial_states, strict=True)
    )
    mask = time_major_mask(mask, sequences)
    results = run_both_on(
        engine,
        tuple(loop.cell for loop in loops),
        sequences,
        starts,
        mask=mask,
        return_sequences=loops[0].return_sequences,
        training=bool(training),
        truncate=loops[0].truncate,
    )
    return [
        loop.finish(
            outputs,
            states,
            mask,
            starts_at_zero=start is None,
            in_time_order=True,
            batch_major=True,
        )
        for loop, start, (outputs, states) in zip(loops, starts, results, strict=True)
    ]


def choose_for_both_layers(
    layers: tuple[keras.Layer, keras.Layer],
    batch: int | None,
    time: int | None,
    training: bool,
    dtype: str,
) -> tuple[str | None, str]:
    """Choose the engine that runs two layers over the same sequences at once, see `call_both`.

    Args:
        layers: A layer that runs forwards and one that runs backwards.
        batch: Number of rows, None if it is not known yet.
        time: Number of steps, None if it is not known yet.
        training: Whether gradients will be computed.
        dtype: The compute dtype of the layer that calls.

    Returns:
        The name of the engine, or None if each layer is called by itself, and the reason. The
        reason is empty where no engine could do it.
    """
    if not engines_for_both():
        return None, ""
    for layer in layers:
        if (refusal := _call_refuses(layer, dtype)) is not None:
            return None, refusal
    forward, backward = (layer._loop() for layer in layers)
    like_forward = forward._replace(cell=backward.cell, engine=backward.engine, reverse=True)
    if forward.reverse or backward != like_forward:
        return None, "they are called in different ways"
    cells, engines = (forward.cell, backward.cell), (forward.engine, backward.engine)
    return choose_for_both(cells, engines, batch, time, training)


def _call_refuses(layer: keras.Layer, dtype: str) -> str | None:
    """Return why a call of a layer is more than that of its cell over time, or None."""
    if getattr(layer.call, "__func__", None) is not Recurrent.call:  # it is watched
        return f"{layer.name} has a call of its own"
    if layer.stateful:
        return f"{layer.name} is stateful"
    if layer.activity_regularizer is not None:  # whose loss a call adds
        return f"{layer.name} has an activity regularizer"
    if layer.compute_dtype != dtype:  # to which a call casts weights
        return f"{layer.name} computes with {layer.compute_dtype}, and not with {dtype}"
    return None
