"""The native engine: the whole layer in one operator, and its gradients in another.

`src/` has the operators. Nothing is compiled while a model runs, any length costs the same, and no
intermediate result has an axis moved. The common cells run on it, in float32 on a CPU.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import Cell
from rnnlayers.cells.elman import ElmanCell
from rnnlayers.cells.gru import GRUCell
from rnnlayers.cells.lstm import LSTMCell
from rnnlayers.cells.lstm_relatives import CoupledLSTMCell
from rnnlayers.cells.lstm_variants import PeepholeLSTMCell, ProjectedLSTMCell
from rnnlayers.cells.parts import SideInputs
from rnnlayers.engines.derivatives import Tensors
from rnnlayers.engines.gradients import with_gradient
from rnnlayers.engines.graph_cache import call_with_weights, values_of
from rnnlayers.engines.native.library import Library, find, thread_count
from rnnlayers.engines.stepwise import run_stepwise
from rnnlayers.engines.target import Target, is_compiled_as_a_whole, is_saved, traced_for
from rnnlayers.types import States, Tensor

SIGMOID, TANH = keras.activations.sigmoid, keras.activations.tanh
WEIGHTS = (
    *("kernel", "recurrent_kernel", "bias", "peephole_i", "peephole_f", "peephole_o"),
    "projection_kernel",
)


def _elman(cell: Any) -> str | None:
    names = {TANH: "elman_tanh", SIGMOID: "elman_sigmoid", keras.activations.relu: "elman_relu"}
    return names.get(cell.activation)


def _gated(name: str) -> Callable[[Any], str | None]:
    def name_of(cell: Any) -> str | None:
        return name if (cell.activation, cell.recurrent_activation) == (TANH, SIGMOID) else None

    return name_of


def _with_peepholes_or_projection(cell: Any) -> str | None:
    parts = ("projected", cell.projection), ("peephole", cell.peephole)
    return _gated("_".join([*(name for name, there in parts if there), "lstm"]))(cell)


# By the class itself: a subclass may have another step.
CELLS: dict[type[Cell], Callable[[Any], str | None]] = {
    ElmanCell: _elman,
    LSTMCell: _gated("lstm"),
    GRUCell: lambda cell: _gated("gru" if cell.reset_after else "gru_reset_before")(cell),
    CoupledLSTMCell: _gated("coupled_lstm"),
    PeepholeLSTMCell: _with_peepholes_or_projection,
    ProjectedLSTMCell: _with_peepholes_or_projection,
}


def native_refuses(cell: Cell, call: Any = None) -> str | None:
    """Return the reason why the engine does not run a cell here, in words, or None."""
    if type(cell) not in CELLS:
        return f"it has no {type(cell).__name__}"
    if CELLS[type(cell)](cell) is None:
        return "it has no such activations"
    if isinstance(cell, PeepholeLSTMCell) and cell.layer_norm:
        return "it has no layer normalization"
    if (cell.compute_dtype, cell.variable_dtype) != ("float32", "float32"):
        return "it computes in float32 alone"
    library = find()
    if isinstance(library, str):
        return library
    if traced_for() is not Target.HERE or is_saved():
        return "an exported model contains standard operators alone"
    if tf.config.list_logical_devices("GPU"):
        return "it runs on CPUs, and there is a GPU"
    if is_compiled_as_a_whole():
        return "XLA compiles the function around the layer, and cannot compile this engine"
    return None


def run_native(
    cell: Cell,
    inputs: Tensor,
    initial_states: States,
    *,
    side: SideInputs | None = None,
    mask: Tensor | None = None,
    reverse: bool = False,
    return_sequences: bool = True,
    training: bool = False,
    truncate: int | None = None,
    remat: int | None = None,
    batch_major: bool = False,
) -> tuple[Tensor | None, States]:
    """Run a cell over time; see `run_stepwise`.

    With `batch_major`, inputs and outputs are `(batch, time, ...)`; the mask is time-major still.
    """
    library = find()
    if not isinstance(library, Library):
        raise ValueError(f"The native engine cannot run: {library}.")
    on_inputs, on_state = (None, None) if side is None else side.sequence
    if on_inputs is not None:
        inputs = inputs * (ops.transpose(on_inputs, (1, 0, 2)) if batch_major else on_inputs)
    variables = _variables(cell)
    weights = dict(zip(variables, values_of(list(variables.values())), strict=True))
    count = len(initial_states)
    none = tf.zeros((0,))
    options: dict[str, Any] = {
        "cell": CELLS[type(cell)](cell),
        "time_major": not batch_major,
        "reverse": reverse,
        "return_sequences": return_sequences,
        "truncate": truncate or 0,
        "remat": remat or -1,
        "threads": thread_count(),
    }

    def tensors(given: Tensors) -> dict[str, Tensor]:
        x, *others = given
        states, values = others[:count], dict(zip(variables, others[count:], strict=True))
        return {
            "inputs": x,
            "mask": tf.zeros((0,), tf.bool) if mask is None else mask,
            "dropout": none if on_state is None else on_state,
            "h": states[0],
            "c": states[1] if count > 1 else none,
            **{name: values.get(name, none) for name in WEIGHTS},
        }

    def layer(given: Tensors, keep: bool) -> tuple[Tensor, Tensors, Tensor]:
        outputs, h, c, kept = library.ops.rnnlayers_layer(**tensors(given), keep=keep, **options)
        after = [h, c][:count]
        for tensor, before in zip(after, given[1:], strict=False):
            tensor.set_shape(before.shape)
        if return_sequences:
            outputs.set_shape((*given[0].shape[:2], given[1].shape[-1]))
        return outputs, after, kept

    def forward(*given: Tensor) -> tuple[Tensors, Any]:
        outputs, after, kept = layer(given, keep=training)
        # Second derivatives, which `plain` has, must not lead a tape into the operator.
        saved = tf.stop_gradient(outputs), tf.stop_gradient(kept)
        return [outputs, *after][not return_sequences :], saved

    def backward(given: Tensors, saved: Any, upstream: Tensors) -> Tensors:
        outputs, kept = saved
        if not training:  # a call without `training` may be differentiated too
            outputs, _, kept = layer(given, keep=True)
        d_outputs, *d_after = upstream if return_sequences else (none, *upstream)
        d_inputs, d_h, d_c, *d_weights = library.ops.rnnlayers_layer_gradients(
            **tensors(given),
            outputs=outputs,
            kept=kept,
            d_outputs=d_outputs,
            d_h=d_after[0],
            d_c=d_after[1] if count > 1 else none,
            keep=True,
            **options,
        )
        by_name = dict(zip(WEIGHTS, d_weights, strict=True))
        gradients = [d_inputs, *[d_h, d_c][:count], *(by_name[name] for name in variables)]
        for gradient, tensor in zip(gradients, given, strict=True):
            gradient.set_shape(tensor.shape)
        return gradients

    def plain(*given: Tensor) -> Tensors:
        x, *others = given

        def run() -> tuple[Tensor | None, States]:
            return run_stepwise(
                cell,
                ops.transpose(x, (1, 0, 2)) if batch_major else x,
                tuple(others[:count]),
                # The dropout of the inputs is applied above.
                side=None if side is None else SideInputs(sequence=(None, on_state)),
                mask=mask,
                reverse=reverse,
                return_sequences=return_sequences,
                truncate=truncate,
            )

        outputs, after = call_with_weights(cell, list(variables.values()), others[count:], run)
        if not return_sequences:
            return after
        return (ops.transpose(outputs, (1, 0, 2)) if batch_major else outputs, *after)

    results = with_gradient(forward, backward, plain)(inputs, *initial_states, *weights.values())
    if return_sequences:
        return results[0], tuple(results[1:])
    return None, tuple(results)


def _variables(cell: Any) -> dict[str, Any]:
    """Return the weights of a cell by the names that the operators have for them."""
    return {name: weight for name in WEIGHTS if (weight := getattr(cell, name, None)) is not None}
