"""Recurrent layers of a model that say what passes through them while the model runs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import Cell
from rnnlayers.convert.accelerate import accelerate
from rnnlayers.diagnostics.probes import with_probes
from rnnlayers.layers.attentive import AttentiveDecoder
from rnnlayers.layers.masks import (
    last_output,
    repeat_at_masked_steps,
    time_major_mask,
    zero_before_first_step,
    zero_where_false,
)
from rnnlayers.layers.recurrent import Recurrent
from rnnlayers.types import Tensor


class Watched(NamedTuple):
    """One call of a recurrent layer, batch-major, steps in the order of time.

    Args:
        name: The path of the layer in the model.
        layer: The layer.
        cell: The cell that runs.
        sequences: `(batch, timesteps, features)`, zeros at masked steps.
        mask: Booleans `(timesteps, batch or 1, 1)`, or None.
        probes: For each state zeros `(timesteps, batch, size)` that were added to it, or empty.
        states: The states after each step side by side, `(batch, timesteps, sum of the sizes)`, or
            None.
        before: The states before the first step, `(batch, size)` each.
    """

    name: str
    layer: keras.Layer
    cell: Cell
    sequences: Tensor
    mask: Tensor | None
    probes: list[Tensor]
    states: Tensor | None
    before: list[Tensor]

    @property
    def valid(self) -> Tensor | None:
        """Booleans `(batch, timesteps)`, or None."""
        if self.mask is None:
            return None
        valid = ops.transpose(self.mask[..., 0], (1, 0))
        return ops.broadcast_to(valid, ops.shape(self.sequences)[:2])

    @property
    def reverse(self) -> bool:
        """Whether the last step is computed first."""
        return bool(getattr(self.layer, "go_backwards", False))


def recurrent_layers(model: keras.Model) -> dict[str, keras.Layer]:
    """Return the recurrent layers of this library in a model, also in other layers, by path.

    Raises:
        ValueError: if there is none.
    """
    found: dict[str, keras.Layer] = {}
    for path, layer in _walk(model, ""):
        if isinstance(layer, Recurrent | AttentiveDecoder):
            same = sum(name == path or name.startswith(f"{path}#") for name in found)
            found[f"{path}#{same + 1}" if same else path] = layer
    if not found:
        raise ValueError(
            f"`model` must have a recurrent layer such as `rnnlayers.LSTM`; {model.name!r} has "
            "none. Layers inside a custom layer of stock Keras layers cannot be exchanged from "
            "outside: write `rnnlayers.LSTM` for `keras.layers.LSTM` there."
        )
    return found


def with_own_layers(model: Any) -> keras.Model:
    """Return a built model whose stock recurrent layers are exchanged; see `accelerate`.

    Raises:
        ValueError: if it is no Keras model, or not built.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a `keras.Model`; received {model!r}.")
    unbuilt = [path for path, layer in _walk(model, "") if _lacks_weights(layer)]
    if not model.built or unbuilt:
        raise ValueError(
            f"`model` must be built; {model.name!r} has no weights yet"
            + (f" in {', '.join(unbuilt)}" if unbuilt else "")
            + ". Give it an input shape with `keras.Input`, or call it once."
        )
    stock = (keras.layers.RNN, keras.layers.Bidirectional)
    if any(isinstance(layer, stock) for _, layer in _walk(model, "")):
        return accelerate(model)
    return model


def _lacks_weights(layer: keras.Layer) -> bool:
    return isinstance(layer, Recurrent | AttentiveDecoder) and not layer.built


@contextmanager
def watching(
    layers: dict[str, keras.Layer], tape: tf.GradientTape | None = None, *, recorded: bool = False
) -> Iterator[list[Watched]]:
    """Let layers append each of their calls to a list.

    Args:
        layers: From `recurrent_layers`.
        tape: Watches a probe of the states of each call; None for no probes.
        recorded: Whether the states of all steps are kept. Layers with attention keep none.
    """
    calls: list[Watched] = []
    with ExitStack() as stack:
        for name, layer in layers.items():
            watch = _watched_decoder if isinstance(layer, AttentiveDecoder) else _watched
            stack.enter_context(_with(layer, call=watch(name, layer, calls, tape, recorded)))
        yield calls


@contextmanager
def keeping(model: keras.Model, layers: dict[str, keras.Layer]) -> Iterator[None]:
    """Give a model back as it was: carried states, seeds, moving averages, metrics."""
    variables = [*model.non_trainable_variables, *model.metrics_variables]
    for layer in layers.values():
        variables += getattr(layer, "states", None) or []
    kept = [(variable, variable.numpy()) for variable in variables]
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)


def _watched(
    name: str,
    layer: Recurrent,
    calls: list[Watched],
    tape: tf.GradientTape | None,
    recorded: bool,
) -> Callable[..., Any]:
    """Return a `call` of a layer that watches it and returns the same."""

    def call(
        sequences: Tensor,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
        sequences_mask: Any = None,
        in_time_order: bool = False,
    ) -> Any:
        before = list(layer._states_before(sequences, initial_state))
        mask = time_major_mask(mask if mask is not None else sequences_mask, sequences)
        cell, reverse, zeroes = layer.cell, layer.go_backwards, layer.zero_output_for_mask
        return_sequences, return_state = layer.return_sequences, layer.return_state
        sequences, valid, probes = _prepared(sequences, mask, cell, tape)
        options: dict[str, Any] = {
            "return_sequences": True,
            "return_state": True,
            "zero_output_for_mask": False,
        }
        # The compiled engine would cut a long sequence into segments, and the probes with it.
        options["remat"] = sequences.shape[1] or None
        # Nothing is compiled for one forward pass.
        if recorded or layer.truncate is not None:
            options["engine"], options["remat"] = "stepwise", None
        around = with_probes(cell, probes, valid, recorded=recorded, drops=bool(training))
        with _with(layer, cell=around, **options):
            outputs, *after = type(layer).call(
                layer, sequences, before, training=True, in_time_order=True
            )
        outputs, states = outputs[..., : cell.output_size], outputs[..., cell.output_size :]
        calls.append(
            Watched(
                name, layer, cell, sequences, mask, probes, states if recorded else None, before
            )
        )
        if mask is not None:
            outputs = ops.transpose(outputs, (1, 0, 2))
            if cell.reads:
                outputs = repeat_at_masked_steps(outputs, mask, reverse=reverse)
            zero = zero_where_false if zeroes else zero_before_first_step
            outputs = zero(outputs, mask, reverse=reverse, over_time=True)
            outputs = ops.transpose(outputs, (1, 0, 2))
        if not return_sequences:
            outputs = last_output(ops.transpose(outputs, (1, 0, 2)), reverse=reverse)
        elif reverse and not in_time_order:
            outputs = ops.flip(outputs, axis=1)
        return (outputs, *after) if return_state else outputs

    return call


def _watched_decoder(
    name: str,
    layer: AttentiveDecoder,
    calls: list[Watched],
    tape: tf.GradientTape | None,
    recorded: bool,
) -> Callable[..., Any]:
    """Return a `call` of a decoder with attention that watches it and returns the same."""

    def call(
        sequences: Tensor,
        memory: Tensor,
        initial_state: Any = None,
        mask: Any = None,
        memory_mask: Any = None,
        training: bool = False,
        sequences_mask: Any = None,
    ) -> Any:
        before = layer._states_before(sequences, initial_state)
        mask = time_major_mask(mask if mask is not None else sequences_mask, sequences)
        cell = layer._steps()
        sequences, valid, probes = _prepared(sequences, mask, cell, tape)
        around = with_probes(cell, probes, valid, recorded=False, drops=bool(training))
        with _with(layer, _steps=lambda: around):
            results = type(layer).call(
                layer, sequences, memory, before, memory_mask=memory_mask, training=True
            )
        calls.append(Watched(name, layer, cell, sequences, mask, probes, None, before))
        if mask is None:
            return results
        results, counts = keras.tree.flatten(results), ops.transpose(mask, (1, 0, 2))
        for place in {0, len(results) - 1} if layer.return_attention else {0}:
            results[place] = ops.where(counts, results[place], ops.zeros_like(results[place]))
        return tuple(results) if len(results) > 1 else results[0]

    return call


def _prepared(
    sequences: Tensor, mask: Tensor | None, cell: Cell, tape: tf.GradientTape | None
) -> tuple[Tensor, Tensor | None, list[Tensor]]:
    """Return sequences with zeros at masked steps, the mask as 0 or 1 for each row, and probes."""
    batch, time = ops.shape(sequences)[:2]
    valid, probes = None, []
    if mask is not None:
        rows = ops.transpose(mask, (1, 0, 2))
        # A product with the mask would not do: 0 * NaN is NaN, in gradients too.
        sequences = ops.where(rows, sequences, ops.zeros_like(sequences))
        valid = ops.cast(ops.broadcast_to(mask, (time, batch, 1)), sequences.dtype)
    if tape is not None:
        probes = [ops.zeros((time, batch, size), sequences.dtype) for size in cell.state_sizes]
        tape.watch(probes)
    return sequences, valid, probes


@contextmanager
def _with(thing: Any, **attributes: Any) -> Iterator[None]:
    """Set attributes for a while, unseen by Keras, which would track them as parts of a layer."""
    own = vars(thing)
    kept = {name: own[name] for name in attributes if name in own}
    own.update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            del own[name]
        own.update(kept)


def _walk(
    layer: keras.Layer, path: str, visited: set[int] | None = None
) -> Iterator[tuple[str, keras.Layer]]:
    """Yield all layers inside a layer, each once, with their paths; do not enter cells."""
    visited = {id(layer)} if visited is None else visited
    held: Sequence[Any] = (
        layer.layers if isinstance(layer, keras.Model) else keras.tree.flatten(vars(layer))
    )
    for inner in held:
        if isinstance(inner, keras.Layer) and id(inner) not in visited:
            visited.add(id(inner))
            here = f"{path}/{inner.name}" if path else inner.name
            yield here, inner
            if not isinstance(inner, Recurrent | AttentiveDecoder | Cell):
                yield from _walk(inner, here, visited)
