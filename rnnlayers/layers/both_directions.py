"""Both directions of a sequence in one call, where an engine has such a call."""

from typing import Any

import keras

from rnnlayers.engines.choose import choose_for_both, run_both_on
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
    if layers[0].go_backwards or not all(_is_plain(layer, dtype) for layer in layers):
        return None
    loops = tuple(layer._loop() for layer in layers)
    forward, backward = loops
    if backward != forward._replace(cell=backward.cell, engine=backward.engine, reverse=True):
        return None
    cells, engines = (forward.cell, backward.cell), (forward.engine, backward.engine)
    batch, time, _ = sequences.shape
    engine, _ = choose_for_both(cells, engines, batch, time, training)
    if engine is None:
        return None
    starts = tuple(
        layer._start(sequences, given) for layer, given in zip(layers, initial_states, strict=True)
    )
    mask = time_major_mask(mask, sequences)
    results = run_both_on(
        engine,
        cells,
        sequences,
        starts,
        mask=mask,
        return_sequences=forward.return_sequences,
        training=bool(training),
        truncate=forward.truncate,
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


def _is_plain(layer: keras.Layer, dtype: str) -> bool:
    """Return whether a call of a layer is that of its cell over time and nothing else."""
    return (
        getattr(layer.call, "__func__", None) is Recurrent.call  # not if it is watched
        and not layer.stateful
        and layer.activity_regularizer is None  # whose loss a call adds
        and layer.compute_dtype == dtype  # to which a call casts weights
    )
