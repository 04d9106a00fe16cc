"""The contract of a cell, on which the engines and the layers rely."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import RecurrentCell
from rnnlayers.engines.choose import ENGINES
from rnnlayers.engines.derivatives import OwnDerivative, declares, derivative_of
from rnnlayers.layers.recurrent import Recurrent
from rnnlayers.testing.contract import (
    PRECISIONS,
    ContractError,
    check_configuration,
    check_gradients,
    expect_same,
    flat,
    random_copy_of,
)
from rnnlayers.testing.numbers import BATCH, EVERY_PATTERN, TIMESTEPS
from rnnlayers.types import States, Tensor


def check_cell(cell: RecurrentCell, features: int = 3, seed: int = 0) -> None:
    """Check that a cell does what the engines and the layers rely on.

    It makes copies of the cell from its configuration, gives them random weights, and leaves
    `cell` as it is. It checks the configuration, shapes and dtypes; that rows of a batch never
    meet, and that a step depends on nothing but its arguments; that `call`, `step` and the three
    parts of a step agree, for all steps at once too; that gradients, also those written by hand,
    are those of central differences; and that `keras.layers.RNN` and every engine give the same
    numbers. The units of a row may meet: a step may normalize them or take their softmax.

    Args:
        cell: A `RecurrentCell`. Give arguments other than the defaults, so that one forgotten in
            `get_config` shows.
        features: Number of input features.
        seed: Seed of the random weights and inputs.

    Raises:
        ContractError: if the cell breaks the contract.
        ValueError: if `cell` is not a `RecurrentCell`.

    Example:

    >>> from rnnlayers.testing import check_cell
    >>> check_cell(rnnlayers.ElmanCell(4, activation="relu"))
    """
    if not isinstance(cell, RecurrentCell):
        raise ValueError(f"`cell` must be an `rnnlayers.RecurrentCell`; received {cell!r}.")
    name = type(cell).__name__
    for attribute in ("gates", "state_names"):
        names = getattr(cell, attribute)
        if not names or len(set(names)) != len(names):
            raise ContractError(f"{name}: `{attribute}` must be distinct names, not {names!r}.")
    check_configuration(cell)
    rng = np.random.default_rng(seed)
    for dtype in PRECISIONS:
        copy = random_copy_of(cell, dtype, (None, features), rng)
        inputs, *states = (
            ops.cast(rng.normal(size=(BATCH, size)), copy.compute_dtype)
            for size in (features, *[cell.units] * len(cell.state_names))
        )
        _check_step(name, copy, inputs, tuple(states))
    # The last copy is in float64, where rounding hides nothing: it is checked in detail.
    _check_parts(name, copy, inputs, tuple(states))
    if copy.is_cut_in_three:
        _check_update(name, copy, inputs, tuple(states), rng)
    check_gradients(
        f"{name}.call",
        lambda inputs, *states: copy(inputs, list(states))[1],
        {"inputs": inputs, **dict(zip(cell.state_names, states, strict=True))},
        copy.trainable_variables,
        rng,
    )
    _check_engines(name, copy, features, rng)


def _check_step(name: str, cell: RecurrentCell, inputs: Tensor, states: States) -> None:
    """Check one step: shapes, dtypes, that rows never meet, and that nothing is left behind."""
    output, new = cell(inputs, list(states))
    expected = [((BATCH, cell.units), cell.compute_dtype)] * len(cell.state_names)
    for what, tensors in (
        ("the new states", new),
        ("`get_initial_state`", cell.get_initial_state(BATCH)),
    ):
        received = [(tuple(tensor.shape), tensor.dtype.name) for tensor in tensors]
        if received != expected:
            raise ContractError(
                f"{name}: {what} must be one tensor (batch, units) for each of "
                f"{cell.state_names}, here {expected}, not {received}."
            )
    again = cell(inputs, list(states))[1]
    for what, ours, theirs in (
        ("the output and the first state", output, new[0]),
        ("the states of two calls with the same arguments", again, new),
    ):
        expect_same(f"{name}: {what}", ours, theirs, cell.compute_dtype)
    for row in range(BATCH):
        one = slice(row, row + 1)
        expect_same(
            f"{name}: the states of row {row} alone and in a batch",
            cell(inputs[one], [state[one] for state in states])[1],
            [state[one] for state in new],
            cell.compute_dtype,
            hint="Rows of a batch never meet. Compute along the last axis only.",
        )


def _check_parts(name: str, cell: RecurrentCell, inputs: Tensor, states: States) -> None:
    """Check that `project`, `recur`, `update`, `step` and `call` agree."""
    projected = cell.project(inputs)
    width = (BATCH, len(cell.gates) * cell.units)
    if tuple(projected.shape) != width:
        raise ContractError(
            f"{name}: `project` must return (batch, gates * units), here {width}, not "
            f"{tuple(projected.shape)}."
        )
    expect_same(
        f"{name}: `project` of one step and of all steps at once",
        [projected, cell.project(inputs[::-1])],
        ops.unstack(cell.project(ops.stack([inputs, inputs[::-1]]))),
    )
    new = cell.step(projected, states)
    expect_same(f"{name}: the states of `call` and of `step`", cell(inputs, list(states))[1], new)
    expect_same(
        f"{name}: the states of `step` with a recurrent dropout mask of ones and without a mask",
        cell.step(projected, states, ops.ones_like(states[0])),
        new,
    )
    if cell.is_cut_in_three:
        recurrent = ops.matmul(states[0], cell.recurrent_kernel)
        if cell.recurrent_bias is not None:
            recurrent = recurrent + cell.recurrent_bias
        expect_same(
            f"{name}: the states of `step` and of `update` with the recurrent product",
            cell.update(projected, recurrent, states),
            new,
            hint="Engines compute that product themselves. If a step needs more, "
            "`is_cut_in_three` must be False.",
        )


def _check_update(
    name: str, cell: RecurrentCell, inputs: Tensor, states: States, rng: np.random.Generator
) -> None:
    """Check that `update` takes gates cut and uncut, and what the cell declares of it."""
    projected, recurrent = cell.project(inputs), cell.recur(states[0])
    new = cell.update(projected, recurrent, states)
    expect_same(
        f"{name}: `update` of gates that `split` has cut and of gates side by side",
        cell.update(cell.split(projected), cell.split(recurrent), states),
        new,
    )
    if declares(cell, "sums_gates"):
        expect_same(
            f"{name}: with `sums_gates`, `update` of two parts and of their sum",
            cell.update(projected + recurrent, ops.zeros_like(recurrent), states),
            new,
        )
    if isinstance(derivative_of(cell, (), whole_step=False), OwnDerivative):
        _check_own_derivative(name, cell, projected, recurrent, states, rng)


def _check_own_derivative(
    name: str,
    cell: RecurrentCell,
    projected: Tensor,
    recurrent: Tensor,
    states: States,
    rng: np.random.Generator,
) -> None:
    """Check `linearize` and `pull_back` against the automatic derivative."""
    given = (projected, recurrent, states)
    upstream = tuple(tf.constant(rng.normal(size=state.shape)) for state in states)
    with tf.GradientTape() as tape:
        tape.watch(given)
        new = cell.update(*given)
    expected = tape.gradient(new, given, upstream, unconnected_gradients="zero")
    if declares(cell, "linearizes_states"):  # then it must not read the gates: it gets NaN
        projected, recurrent = (ops.full_like(gates, np.nan) for gates in given[:2])
    steps = tf.nest.map_structure(lambda one: one[None], (projected, recurrent, states, new))
    factors = cell.linearize(*steps)
    d_projected, d_recurrent, d_states = cell.pull_back([f[0] for f in factors], upstream)
    received = (ops.concatenate(d_projected, -1), ops.concatenate(d_recurrent, -1), d_states)
    arguments = ("projected", "recurrent", "states")
    for argument, ours, theirs in zip(arguments, received, expected, strict=True):
        expect_same(f"{name}: the gradients of `{argument}` by `pull_back` and tape", ours, theirs)


def _check_engines(name: str, cell: RecurrentCell, features: int, rng: np.random.Generator) -> None:
    """Check that `keras.layers.RNN` and every engine give the same outputs and gradients."""
    sequences = tf.constant(rng.normal(size=(BATCH, TIMESTEPS, features)))

    def results(layer: keras.Layer) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(sequences)
            outputs = flat(layer(sequences, mask=tf.constant(EVERY_PATTERN)))
            total = sum(tf.reduce_sum(output**2) for output in outputs)
        weights = [weight.value for weight in cell.trainable_variables]
        return outputs, tape.gradient(total, [sequences, *weights])

    options: dict[str, Any] = {"return_sequences": True, "return_state": True, "dtype": "float64"}
    expected = results(keras.layers.RNN(cell, **options))
    for engine in ENGINES:
        expect_same(
            f"{name}: outputs and gradients on the {engine} engine and in `keras.layers.RNN`",
            results(Recurrent(cell, engine=engine, **options)),
            expected,
        )
