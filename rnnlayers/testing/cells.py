"""The contract of a cell, on which the engines and the layers rely."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import by, for_step, multiply, tensors_of, transposed
from rnnlayers.engines.choose import ENGINES, Call
from rnnlayers.engines.derivatives import AutomaticDerivative, OwnDerivative, Step
from rnnlayers.engines.plan import make_plan
from rnnlayers.layers.recurrent import Recurrent
from rnnlayers.testing.contract import (
    PRECISIONS,
    ContractError,
    check_configuration,
    check_gradients,
    expect_same,
    random_copy_of,
)
from rnnlayers.testing.numbers import BATCH, EVERY_PATTERN, TIMESTEPS
from rnnlayers.types import States, Tensor


def check_cell(cell: Cell, features: int = 3, seed: int = 0) -> None:
    """Check that a cell does what the engines and the layers rely on.

    It makes copies of the cell from its configuration, gives them random weights, and leaves
    `cell` as it is. It checks the configuration, shapes and dtypes; that rows of a batch never
    meet, and that a step depends on nothing but its arguments; that `call` and the parts of a step
    agree, for all steps at once too; that gradients, also those written by hand, are those of
    central differences; and that `keras.layers.RNN` and every engine give the same numbers. The
    units of a row may meet: a step may normalize them or take their softmax.

    Args:
        cell: A `Cell`. Give arguments other than the defaults, so that one forgotten in
            `get_config` shows.
        features: Number of input features.
        seed: Seed of the random weights and inputs.

    Raises:
        ContractError: if the cell breaks the contract.
        ValueError: if `cell` is not a `Cell`.

    Example:

    >>> from rnnlayers.testing import check_cell
    >>> check_cell(rnnlayers.ElmanCell(4, activation="relu"))
    """
    if not isinstance(cell, Cell):
        raise ValueError(f"`cell` must be an `rnnlayers.Cell`; received {cell!r}.")
    name = type(cell).__name__
    for attribute in ("gates", "state_names"):
        names = getattr(cell, attribute, None)
        if names is not None and (not names or len(set(names)) != len(names)):
            raise ContractError(f"{name}: `{attribute}` must be distinct names, not {names!r}.")
    check_configuration(cell)
    rng = np.random.default_rng(seed)
    for dtype in PRECISIONS:
        copy = random_copy_of(cell, dtype, (None, features), rng)
        inputs, *states = (
            ops.cast(rng.normal(size=(BATCH, size)), copy.compute_dtype)
            for size in (features, *copy.state_sizes)
        )
        _check_prepared(name, copy, inputs)
        _check_step(name, copy, inputs, tuple(states))
    # The last copy is in float64, where rounding hides nothing: it is checked in detail.
    _check_parts(name, copy, inputs, tuple(states))
    _check_own_derivative(name, copy, inputs, tuple(states), rng)
    check_gradients(
        f"{name}.call",
        lambda inputs, *states: tf.nest.flatten(copy(inputs, list(states))),
        {"inputs": inputs, **dict(zip(cell.state_names, states, strict=True))},
        copy.trainable_variables,
        rng,
    )
    _check_engines(name, copy, features, rng)


def _check_step(name: str, cell: Cell, inputs: Tensor, states: States) -> None:
    """Check one step: shapes, dtypes, that rows never meet, and that nothing is left behind."""
    output, new = cell(inputs, list(states))
    expected = [((BATCH, size), cell.compute_dtype) for size in cell.state_sizes]
    for what, tensors, shapes in (
        ("the new states", new, expected),
        ("`get_initial_state`", cell.get_initial_state(BATCH), expected),
        ("the output", [output], [((BATCH, cell.output_size), cell.compute_dtype)]),
    ):
        received = [(tuple(tensor.shape), tensor.dtype.name) for tensor in tensors]
        if received != shapes:
            raise ContractError(
                f"{name}: {what} must be (batch, size), with the sizes `state_sizes` of "
                f"{cell.state_names} and `output_size`, here {shapes}, not {received}."
            )
    again = cell(inputs, list(states))
    expect_same(
        f"{name}: two calls with the same arguments",
        tf.nest.flatten(again),
        tf.nest.flatten((output, new)),
        cell.compute_dtype,
    )
    if not cell.reads:
        what = "the output and the first state, unless the cell overrides `read`"
        expect_same(f"{name}: {what}", output, new[0], cell.compute_dtype)
    for row in range(BATCH):
        one = slice(row, row + 1)
        expect_same(
            f"{name}: the output and states of row {row} alone and in a batch",
            tf.nest.flatten(cell(inputs[one], [state[one] for state in states])),
            [tensor[one] for tensor in tf.nest.flatten((output, new))],
            cell.compute_dtype,
            hint="Rows of a batch never meet. Compute along the last axis only.",
        )


def _check_prepared(name: str, cell: Cell, inputs: Tensor) -> None:
    """Check the shapes of what `prepare` returns."""
    for tensor in tensors_of(cell.prepare(inputs[None])[0]):
        shape = tuple(tensor.shape)
        if shape[:2] != (1, BATCH):
            raise ContractError(
                f"{name}: `prepare` must return tensors (time, batch, ...), here {(1, BATCH)}, and "
                f"then constants; received shape {shape}."
            )


def _check_parts(name: str, cell: Cell, inputs: Tensor, states: States) -> None:
    """Check that `prepare`, `step` and `call` agree, for one step and for all at once."""
    one = cell.prepare(inputs[None])[0]
    both, constants = cell.prepare(ops.stack([inputs, inputs[::-1]]))
    for number, expected in enumerate((one, cell.prepare(inputs[::-1][None])[0])):
        expect_same(
            f"{name}: `prepare` of one step and of all steps at once",
            [tensor[number] for tensor in tf.nest.flatten(for_step(both))],
            [tensor[0] for tensor in tf.nest.flatten(for_step(expected))],
            hint="A step that depends on the inputs before it keeps them in a state.",
        )
    now = for_step(one, lambda tensor: tensor[0])
    expect_same(
        f"{name}: the states of `call` and of `step`",
        cell(inputs, list(states))[1],
        cell.step(now, states, by(cell.products()), constants),
    )


def _check_own_derivative(
    name: str, cell: Cell, inputs: Tensor, states: States, rng: np.random.Generator
) -> None:
    """Check a derivative written by hand against the automatic derivative."""
    x, constants = cell.prepare(inputs[None])
    products = cell.products()
    derivative = make_plan(cell, x, states, products, constants).derivative
    if not isinstance(derivative, OwnDerivative):
        return
    results: list[tuple[Any, Any]] = []  # what each product is, and what was multiplied
    compute = by(products)

    def product(v: Tensor, name: str = "") -> Any:
        results.append((compute(v, name), name))
        return results[-1][0]

    now = for_step(x, lambda tensor: tensor[0])
    new = tuple(cell.step(now, states, product, constants))
    upstream = tuple(tf.constant(rng.normal(size=state.shape)) for state in states)
    found = []
    for one in (derivative, AutomaticDerivative(cell, ())):
        d_products: list[Any] = [None] * len(results)

        def back(number: int, d: Any, d_products: list[Any] = d_products) -> Tensor:
            d_products[number] = d = tf.concat(d, -1) if isinstance(d, list) else d
            return multiply(d, transposed(products[results[number][1]].kernel))

        known = [result for result, _ in results]
        if not one.needs_products:  # then it must not read them: it gets NaN
            known = tf.nest.map_structure(lambda tensor: tensor * np.nan, known)
        given = Step(now, states, known, constants, ())
        steps = given._replace(
            x=tf.nest.map_structure(lambda t: t[None], now),
            states=tuple(state[None] for state in states),
            products=tf.nest.map_structure(lambda t: t[None], known),
        )
        factors = one.linearize(steps, tuple(state[None] for state in new))
        factors = tf.nest.map_structure(lambda factor: factor[0], factors)
        pulled = one.pull_back(factors, given, upstream, back)
        found.append((tf.nest.flatten(pulled.x), d_products, list(pulled.states)))
    for what, ours, theirs in zip(("x", "the products", "the states"), *found, strict=True):
        expect_same(f"{name}: the gradients of {what} written by hand and by tape", ours, theirs)


def _check_engines(name: str, cell: Cell, features: int, rng: np.random.Generator) -> None:
    """Check that `keras.layers.RNN` and every engine give the same outputs and gradients."""
    sequences = tf.constant(rng.normal(size=(BATCH, TIMESTEPS, features)))

    def results(layer: keras.Layer) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(sequences)
            outputs = tf.nest.flatten(layer(sequences, mask=tf.constant(EVERY_PATTERN)))
            total = sum(tf.reduce_sum(output**2) for output in outputs)
        weights = [weight.value for weight in cell.trainable_variables]
        return outputs, tape.gradient(total, [sequences, *weights])

    options: dict[str, Any] = {"return_sequences": True, "return_state": True, "dtype": "float64"}
    expected = results(keras.layers.RNN(cell, **options))
    call = Call(BATCH, TIMESTEPS, training=True, asked=True)
    for engine in ENGINES:
        if ENGINES[engine].refuses(cell, call):
            continue
        expect_same(
            f"{name}: outputs and gradients on the {engine} engine and in `keras.layers.RNN`",
            results(Recurrent(cell, engine=engine, **options)),
            expected,
        )
