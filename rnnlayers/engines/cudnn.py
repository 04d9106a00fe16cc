"""The cuDNN engine: NVIDIA's own kernels for the standard networks, on GPUs.

cuDNN reads sequences that are padded on the right and not empty. Any other mask is brought into
that form: the valid steps of each row move to its front, in the order of computation, and the
outputs move back. So every mask is right, in both directions.

It was written from the documentation of cuDNN and of TensorFlow's operators, and is tested against
a stand-in of these on a CPU. It has never run on a GPU, so `engine="auto"` does not choose it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import SideInputs
from rnnlayers.cells.standard import StandardForm, standard_form
from rnnlayers.engines.compiled import run_compiled
from rnnlayers.engines.derivatives import Tensors
from rnnlayers.engines.gradients import with_gradient
from rnnlayers.engines.graph_cache import call_with_weights, values_of
from rnnlayers.engines.stepwise import run_stepwise
from rnnlayers.engines.target import Target, is_compiled_as_a_whole, is_saved, traced_for
from rnnlayers.types import States, Tensor

DTYPES = ("float16", "bfloat16", "float32", "float64")
WEIGHTS = ("kernel", "recurrent_kernel", "projection_kernel", "bias")


class Operators(NamedTuple):
    """TensorFlow's operators for cuDNN; `tests/engines/cudnn_stand_in.py` has others."""

    forward: Callable[..., Any] = tf.raw_ops.CudnnRNNV3
    backward: Callable[..., Any] = tf.raw_ops.CudnnRNNBackpropV3
    join: Callable[..., Any] = tf.raw_ops.CudnnRNNCanonicalToParamsV2
    split: Callable[..., Any] = tf.raw_ops.CudnnRNNParamsToCanonicalV2


operators = Operators()


def gpu_is_there() -> bool:
    """Return whether TensorFlow sees a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))


def cudnn_refuses(cell: Cell, call: Any) -> str | None:
    """Return the reason why the engine does not run a call of a cell here, in words, or None."""
    if standard_form(cell) is None:
        return f"cuDNN has no {type(cell).__name__} with these arguments"
    if not gpu_is_there():
        return "there is no GPU"
    if cell.compute_dtype not in DTYPES:
        return f"cuDNN does not compute in {cell.compute_dtype}"
    if call.training and getattr(cell, "recurrent_dropout", 0):
        return "cuDNN has no dropout of the recurrent state"
    if call.time == 0:
        return "there is no step to run"
    if traced_for() is not Target.HERE or is_saved():
        return "an exported model contains standard operators alone"
    if is_compiled_as_a_whole():
        return "XLA compiles the function around the layer, and cannot compile cuDNN's operator"
    if not call.asked:
        return "it has never run on a GPU; try it with engine='cudnn'"
    return None


def run_cudnn(
    cell: Cell,
    inputs: Tensor,
    initial_states: States | None,
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
    Initial states that are None are zeros. Where the gradient is truncated, the compiled engine
    runs. `remat` has no effect.
    """
    if not batch_major:
        inputs = _swap(inputs)
    if side is not None and side.sequence[0] is not None:
        inputs = inputs * _swap(side.sequence[0])
    batch, time = tf.unstack(tf.shape(inputs)[:2])
    if initial_states is None:
        zeros = cell.get_initial_state(batch)
        initial_states = tuple(tf.cast(state, cell.compute_dtype) for state in zeros)
    if truncate is not None:
        outputs, states = run_compiled(
            cell,
            _swap(inputs),
            initial_states,
            mask=mask,
            reverse=reverse,
            return_sequences=return_sequences,
            training=training,
            truncate=truncate,
            remat=remat,
        )
        return (_swap(outputs) if batch_major and outputs is not None else outputs), states
    if mask is None:
        valid = tf.ones((batch, time), tf.bool)
    else:
        valid = tf.broadcast_to(_swap(mask)[..., 0], (batch, time))
    if reverse:
        inputs, valid = tf.reverse(inputs, [1]), tf.reverse(valid, [1])
    lengths = tf.reduce_sum(tf.cast(valid, tf.int32), 1)
    if mask is not None:
        order = tf.argsort(tf.cast(~valid, tf.int32), 1, stable=True)
        inputs = tf.gather(inputs, order, batch_dims=1)
    outputs, states = _run_packed(cell, inputs, initial_states, lengths, training)
    if mask is not None:
        empty = lengths[:, None] == 0
        states = tuple(
            tf.where(empty, before, after)
            for before, after in zip(initial_states, states, strict=True)
        )
        rank = tf.cumsum(tf.cast(valid, tf.int32), 1) - 1  # of the step whose output stands here
        moved = tf.gather(outputs, tf.maximum(rank, 0), batch_dims=1)
        outputs = tf.where(rank[..., None] < 0, initial_states[0][:, None], moved)
    if not return_sequences:
        return None, states
    if reverse:
        outputs = tf.reverse(outputs, [1])
    return (outputs if batch_major else _swap(outputs)), states


def _run_packed(
    cell: Any, inputs: Tensor, initial_states: States, lengths: Tensor, training: bool
) -> tuple[Tensor, States]:
    """Run sequences `(batch, time, features)` of which the first `lengths` steps are valid."""
    form = standard_form(cell)
    assert form is not None  # noqa: S101  # for the type checker: other cells are refused
    variables = {
        name: variable for name in WEIGHTS if (variable := getattr(cell, name, None)) is not None
    }
    weights = values_of([*variables.values()])
    count, lengths = len(initial_states), tf.maximum(lengths, 1)  # cuDNN wants no empty row
    shape = {
        "num_layers": 1,
        "num_units": cell.units,
        "input_size": inputs.shape[-1],
    }
    kind = {"rnn_mode": form.mode.lower(), "num_proj": form.projection or 0}

    def state(tensor: Tensor) -> Tensor:
        return tensor[:, None]  # an axis for layers and directions

    def arguments(given: Tensors) -> dict[str, Any]:
        x, h, *others = given
        named = dict(zip(variables, others[count - 1 :], strict=True))
        matrices, biases = to_canonical(form, cell.units, named)
        params = operators.join(**shape, **kind, weights=matrices, biases=biases)
        c = state(others[0]) if count > 1 else tf.zeros((), x.dtype)
        return {
            "input": x,
            "input_h": state(h),
            "input_c": c,
            "params": params,
            "sequence_lengths": lengths,
            "time_major": False,
            **kind,
        }

    def forward(*given: Tensor) -> tuple[Tensors, Any]:
        results = operators.forward(**arguments(given), is_training=training)
        outputs, h, c, *_ = results
        return [outputs, *(tensor[:, 0] for tensor in (h, c)[:count])], tuple(results)

    def backward(given: Tensors, saved: Any, upstream: Tensors) -> Tensors:
        called = arguments(given)
        if not training:  # a call without `training` may be differentiated too
            saved = operators.forward(**called, is_training=True)
        outputs, h, c, reserve, host = saved
        d_outputs, *d_states = upstream
        d_h, d_c = (*map(state, d_states), tf.zeros_like(c))[:2]
        d_inputs, d_h, d_c, d_params = operators.backward(
            **called,
            output=outputs,
            output_h=h,
            output_c=c,
            output_backprop=d_outputs,
            output_h_backprop=d_h,
            output_c_backprop=d_c,
            reserve_space=reserve,
            host_reserved=host,
        )
        gates = len(form.gates)
        parts = operators.split(
            **shape,
            **kind,
            params=d_params,
            num_params_weights=2 * gates + bool(form.projection),
            num_params_biases=2 * gates,
        )
        by_name = from_canonical(form, *parts)
        d_weights = [
            tf.reshape(by_name[name], tf.shape(value))
            for name, value in zip(variables, given[1 + count :], strict=True)
        ]
        return [d_inputs, *(tensor[:, 0] for tensor in (d_h, d_c)[:count]), *d_weights]

    def plain(*given: Tensor) -> Tensors:
        x, *others = given
        mask = tf.transpose(tf.sequence_mask(lengths, tf.shape(x)[1]))[..., None]

        def run() -> tuple[Tensor | None, States]:
            return run_stepwise(cell, _swap(x), tuple(others[:count]), mask=mask)

        outputs, after = call_with_weights(cell, list(variables.values()), others[count:], run)
        return [_swap(outputs), *after]

    outputs, *states = with_gradient(forward, backward, plain)(inputs, *initial_states, *weights)
    return outputs, tuple(states)


def to_canonical(
    form: StandardForm, units: int, weights: dict[str, Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the weights of a cell as cuDNN lists them.

    Args:
        form: The standard form of the cell.
        units: Its size.
        weights: Its weights by name: `kernel` `(features, gates * units)`, `recurrent_kernel`
            `(output, gates * units)`, and perhaps `projection_kernel` `(units, output)` and `bias`
            `(gates * units,)`, or of a GRU `(2, gates * units)`.

    Returns:
        Matrices, for each gate `(units, features)`, for each gate `(units, output)`, and perhaps
        the projection `(output, units)`; and vectors `(units,)`, for each gate that of the inputs
        and for each gate that of the state. The gates are in cuDNN's order.
    """
    order = [form.gates.index(gate) for gate in form.torch_gates]

    def cut(tensor: Tensor) -> list[Tensor]:
        parts = tf.split(tensor, len(order), axis=-1)
        return [parts[place] for place in order]

    matrices = [
        tf.transpose(part) for name in ("kernel", "recurrent_kernel") for part in cut(weights[name])
    ]
    if form.projection:
        matrices.append(tf.transpose(weights["projection_kernel"]))
    none = tf.zeros((2, len(order) * units), weights["kernel"].dtype)
    bias = weights.get("bias", none)
    rows = tf.unstack(bias) if len(bias.shape) == 2 else (bias, none[0])
    return matrices, [part for row in rows for part in cut(row)]


def from_canonical(
    form: StandardForm, matrices: Sequence[Tensor], biases: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Return weights, or their gradients, by name; the inverse of `to_canonical`.

    A cell with one row of biases gets that of the inputs: the gradients of both rows are equal.
    """
    gates = len(form.gates)

    def join(parts: Sequence[Tensor]) -> Tensor:
        return tf.concat([parts[form.torch_gates.index(gate)] for gate in form.gates], axis=-1)

    matrices = [tf.transpose(matrix) for matrix in matrices]
    of_inputs, of_state = join(biases[:gates]), join(biases[gates:])
    named = {
        "kernel": join(matrices[:gates]),
        "recurrent_kernel": join(matrices[gates : 2 * gates]),
        "bias": of_inputs if form.biases == 1 else tf.stack([of_inputs, of_state]),
    }
    if form.projection:
        named["projection_kernel"] = matrices[-1]
    return named


def _swap(tensor: Tensor) -> Tensor:
    """Return `(time, batch, ...)` as `(batch, time, ...)`, or the other way round."""
    return tf.transpose(tensor, (1, 0, 2))
