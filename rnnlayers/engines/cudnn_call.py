"""One call of cuDNN: its operators, how it lists weights, and its gradient."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf

from rnnlayers.cells.standard import StandardForm, standard_form
from rnnlayers.engines.derivatives import Tensors
from rnnlayers.engines.gradients import with_gradient
from rnnlayers.engines.graph_cache import call_with_weights, values_of
from rnnlayers.engines.stepwise import run_stepwise
from rnnlayers.types import States, Tensor

WEIGHTS = ("kernel", "recurrent_kernel", "projection_kernel", "bias")


class Operators(NamedTuple):
    """TensorFlow's operators for cuDNN; `tests/engines/cudnn_stand_in.py` has others."""

    forward: Callable[..., Any] = tf.raw_ops.CudnnRNNV3
    backward: Callable[..., Any] = tf.raw_ops.CudnnRNNBackpropV3
    join: Callable[..., Any] = tf.raw_ops.CudnnRNNCanonicalToParamsV2
    split: Callable[..., Any] = tf.raw_ops.CudnnRNNParamsToCanonicalV2


operators = Operators()


def call_cudnn(
    cells: Sequence[Any],
    inputs: Tensor,
    starts: Sequence[States],
    lengths: Tensor,
    training: bool,
) -> tuple[Tensor, list[States]]:
    """Run one cell forwards, or two of one kind and size, the second backwards.

    Args:
        cells: The cells, one for each direction.
        inputs: `(batch, time, features)`.
        starts: The states of each cell before its first step.
        lengths: How many steps of each row count, `(batch,)`; the others stand behind them.
        training: Whether gradients will be computed.

    Returns:
        The outputs of all directions side by side, `(batch, time, directions * units)`, whatever
        behind the end of a row, and the final states of each. Of a row without a step they are
        those of its first.
    """
    form = standard_form(cells[0])
    assert form is not None  # noqa: S101  # for the type checker: other cells are refused
    names = [name for name in WEIGHTS if getattr(cells[0], name, None) is not None]
    variables = [[getattr(cell, name) for name in names] for cell in cells]
    weights = values_of([variable for each in variables for variable in each])
    directions, count = len(cells), len(starts[0])
    matrices, biases = 2 * len(form.gates) + bool(form.projection), 2 * len(form.gates)
    lengths = tf.maximum(lengths, 1)  # cuDNN wants no empty row
    shape = {
        "num_layers": 1,
        "num_units": cells[0].units,
        "input_size": inputs.shape[-1],
    }
    kind = {
        "rnn_mode": form.mode.lower(),
        "num_proj": form.projection or 0,
        "direction": "unidirectional" if directions == 1 else "bidirectional",
    }

    def side_by_side(flat: Tensors) -> list[Tensor]:
        """Return each state of all directions, `(batch, directions, size)`."""
        return [tf.stack(flat[number::count], axis=1) for number in range(count)]

    def one_by_one(states: Tensors) -> list[Tensor]:
        return [state[:, place] for place in range(directions) for state in states[:count]]

    def arguments(given: Tensors) -> dict[str, Any]:
        x, *others = given
        h, *c = side_by_side(others[: directions * count])
        listed = [
            to_canonical(form, cells[0].units, dict(zip(names, values, strict=True)))
            for values in _in_parts(others[directions * count :], len(names))
        ]
        params = operators.join(
            **shape,
            **kind,
            weights=[matrix for parts, _ in listed for matrix in parts],
            biases=[bias for _, parts in listed for bias in parts],
        )
        return {
            "input": x,
            "input_h": h,
            "input_c": c[0] if c else tf.zeros((), x.dtype),
            "params": params,
            "sequence_lengths": lengths,
            "time_major": False,
            **kind,
        }

    def forward(*given: Tensor) -> tuple[Tensors, Any]:
        results = operators.forward(**arguments(given), is_training=training)
        outputs, h, c, *_ = results
        return [outputs, *one_by_one([h, c])], tuple(results)

    def backward(given: Tensors, saved: Any, upstream: Tensors) -> Tensors:
        called = arguments(given)
        if not training:  # a call without `training` may be differentiated too
            saved = operators.forward(**called, is_training=True)
        outputs, h, c, reserve, host = saved
        d_outputs, *d_states = upstream
        d_h, d_c = (*side_by_side(d_states), tf.zeros_like(c))[:2]
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
        parts = operators.split(
            **shape,
            **kind,
            params=d_params,
            num_params_weights=directions * matrices,
            num_params_biases=directions * biases,
        )
        listed = zip(_in_parts(parts[0], matrices), _in_parts(parts[1], biases), strict=True)
        d_weights = [
            tf.reshape(named[name], getattr(cell, name).shape)
            for cell, (of_cell, of_biases) in zip(cells, listed, strict=True)
            for named in [from_canonical(form, of_cell, of_biases)]
            for name in names
        ]
        return [d_inputs, *one_by_one([d_h, d_c]), *d_weights]

    def plain(*given: Tensor) -> Tensors:
        x, *others = given
        steps = tf.transpose(x, (1, 0, 2))
        mask = tf.transpose(tf.sequence_mask(lengths, tf.shape(x)[1]))[..., None]
        before = _in_parts(others[: directions * count], count)
        values = _in_parts(others[directions * count :], len(names))
        outputs, finals = [], []
        for place, cell in enumerate(cells):
            run = partial(
                run_stepwise, cell, steps, tuple(before[place]), mask=mask, reverse=place == 1
            )
            output, after = call_with_weights(cell, variables[place], values[place], run)
            outputs.append(tf.transpose(output, (1, 0, 2)))
            finals += after
        return [tf.concat(outputs, axis=-1), *finals]

    flat = [state for start in starts for state in start]
    outputs, *states = with_gradient(forward, backward, plain)(inputs, *flat, *weights)
    return outputs, [tuple(each) for each in _in_parts(states, count)]


def _in_parts(flat: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [flat[start : start + size] for start in range(0, len(flat), size)]


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
