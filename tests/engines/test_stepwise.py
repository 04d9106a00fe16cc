"""The reference engine against NumPy: outputs by a loop, gradients by central differences."""

import numpy as np
import pytest
import tensorflow as tf

from rnnlayers.cells import SideInputs
from rnnlayers.engines.stepwise import run_stepwise
from tests import equations
from tests.cases import (
    CASES,
    CORE,
    MASKS,
    each_case,
    each_core,
    each_mask,
    in_turn,
    randomize,
    sample,
    some,
)
from tests.numbers import assert_same

pytestmark = pytest.mark.usefixtures("eagerly")


def time_major(array):
    return None if array is None else np.swapaxes(array, 0, 1)


def make(case, batch=6, timesteps=6, dtype="float64", seed=1):
    """Return a cell with random weights, sequences (batch, time, features) and states."""
    cell = randomize(case.make_cell(dtype=dtype))
    states = tuple(
        sample(batch, 1, 4, dtype, seed + 1 + index)[:, 0] for index in range(len(cell.state_names))
    )
    return cell, sample(batch, timesteps, dtype=dtype, seed=seed), states


def run(cell, sequences, states, mask=None, **options):
    """Run the engine on batch-major arrays."""
    outputs, finals = run_stepwise(
        cell,
        tf.transpose(sequences, (1, 0, 2)),
        tuple(map(tf.convert_to_tensor, states)),
        mask=None if mask is None else tf.constant(time_major(mask)[..., None]),
        **options,
    )
    return None if outputs is None else tf.transpose(outputs, (1, 0, 2)), finals


def expected(case, cell, sequences, states, mask=None, reverse=False):
    """Return what `run` must, from the equations: outputs at their steps, states that stay."""
    step = case.step(cell)
    outputs, finals = equations.over_time(step, sequences, states, mask, go_backwards=reverse)
    return outputs[:, ::-1] if reverse else outputs, finals


@each_mask
@pytest.mark.parametrize(
    ("case", "reverse"), [*in_turn(CASES, [False, True]), *in_turn(CORE, [True, False])]
)
def test_it_equals_a_loop_over_the_equations(case, mask, reverse):
    cell, sequences, states = make(case)
    outputs, finals = run(cell, sequences, states, mask, reverse=reverse)
    valid = np.ones((6, 6), bool) if mask is None else mask
    expected_outputs, expected_finals = expected(case, cell, sequences, states, mask, reverse)
    assert_same(outputs[valid], expected_outputs[valid], "float64")
    assert_same(finals, expected_finals, "float64")
    nothing, finals = run(cell, sequences, states, mask, reverse=reverse, return_sequences=False)
    assert nothing is None
    assert_same(finals, expected_finals, "float64")


@pytest.mark.parametrize(("case", "reverse"), in_turn(CASES, [False, True]))
def test_the_gradients_are_those_of_central_differences(case, reverse):
    mask = MASKS["every pattern"][[1, 3], :4]  # padded, and with a hole
    cell, sequences, states = make(case, batch=2, timesteps=4)
    parameters = [sequences, *states, *cell.get_weights()]
    rng = np.random.default_rng(6)
    cotangents = [mask[..., None] * rng.normal(size=(2, 4, 4)), *rng.normal(size=(2, 2, 4))]

    def loss(outputs, finals, total=np.sum):
        return sum(
            total(value * weight)
            for value, weight in zip((outputs, *finals), cotangents, strict=False)
        )

    def by_equations():
        cell.set_weights(parameters[1 + len(states) :])
        return loss(
            *expected(case, cell, parameters[0], parameters[1 : 1 + len(states)], mask, reverse)
        )

    sources = [*map(tf.constant, [sequences, *states])]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        value = loss(*run(cell, *unpack(sources), mask, reverse=reverse), tf.reduce_sum)
    gradients = tape.gradient(value, [*sources, *(v.value for v in cell.trainable_variables)])
    for parameter, gradient in zip(parameters, gradients, strict=True):
        np.testing.assert_allclose(gradient, differences(by_equations, parameter), atol=1e-8)


def unpack(sources):
    return sources[0], tuple(sources[1:])


def differences(function, parameter, step=1e-5):
    """Return the central differences of a function of no argument in each entry of an array."""
    gradient = np.zeros_like(parameter)
    for index in np.ndindex(parameter.shape):
        middle = parameter[index]
        parameter[index] = middle + step
        above = function()
        parameter[index] = middle - step
        gradient[index] = (above - function()) / (2 * step)
        parameter[index] = middle
    return gradient


@each_core
@pytest.mark.parametrize(("batch", "timesteps"), [(1, 1), (3, 0), (1, 0), (0, 2)])
def test_one_step_no_step_one_row_and_no_row(case, batch, timesteps):
    cell, sequences, states = make(case, batch, timesteps)
    outputs, finals = run(cell, sequences, states)
    if batch and timesteps:
        assert_same((outputs, finals), expected(case, cell, sequences, states), "float64")
    else:
        assert_same(finals, states, "float64")
    assert outputs.shape == (batch, timesteps, 4)


@each_case
def test_a_recurrent_dropout_mask_scales_the_rows_of_the_recurrent_kernel(case):
    cell, sequences, states = make(case)
    scale = np.array([0.0, 2.0, 0.5, 1.0])

    def masked(mask):
        side = SideInputs(sequence=(None, tf.constant(np.tile(mask, (6, 1)))))
        return run(cell, sequences, states, side=side)

    dropped = masked(scale)
    assert_same(masked(np.ones(4)), run(cell, sequences, states), "float64")
    cell.recurrent_kernel.assign(scale[:, None] * cell.recurrent_kernel.numpy())
    assert_same(dropped, run(cell, sequences, states), "float64")


@each_case
def test_a_dropout_mask_scales_the_rows_of_the_kernel(case):
    cell, sequences, states = make(case)
    scale = np.array([0.0, 2.0, 0.5])
    side = SideInputs(sequence=(tf.constant(np.tile(scale, (1, 6, 1))), None))
    dropped = run(cell, sequences, states, side=side)
    cell.kernel.assign(scale[:, None] * cell.kernel.numpy())
    assert_same(dropped, run(cell, sequences, states), "float64")


@pytest.mark.parametrize(("case", "jit_compile"), some(in_turn(CORE, [True, False]), 2))
def test_a_graph_with_dynamic_shapes_gives_the_same(case, jit_compile, not_eagerly):
    cell, sequences, states = make(case)

    @tf.function(
        jit_compile=jit_compile,
        input_signature=[
            tf.TensorSpec((None, None, 3), "float64"),
            [tf.TensorSpec((None, 4), "float64")] * len(states),
            tf.TensorSpec((None, None, 1), "bool"),
        ],
    )
    def in_graph(sequences, states, mask):
        inputs = tf.transpose(sequences, (1, 0, 2))
        outputs, finals = run_stepwise(cell, inputs, tuple(states), mask=mask, reverse=True)
        return tf.transpose(outputs, (1, 0, 2)), finals

    for batch, timesteps in [(6, 6), (1, 1)]:
        cut = sequences[:batch, :timesteps], [state[:batch] for state in states]
        mask = MASKS["every pattern"][:batch, :timesteps]
        outputs, finals = in_graph(*cut, time_major(mask)[..., None])
        wanted, wanted_finals = expected(case, cell, *cut, mask, reverse=True)
        assert_same(outputs[mask], wanted[mask], "float64")
        assert_same(finals, wanted_finals, "float64")


@each_core
def test_second_derivatives_are_those_of_central_differences(case):
    cell, sequences, states = make(case, batch=1, timesteps=3)
    direction = sample(1, 3, dtype="float64", seed=7)

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs, _ = run(cell, x, states)
            total = tf.reduce_sum(outputs**2)
        return tape.gradient(total, x)

    x = tf.constant(sequences)
    with tf.GradientTape() as tape:
        tape.watch(x)
        along = tf.reduce_sum(gradient(x) * direction)
    step = 1e-5 * direction
    wanted = (gradient(x + step) - gradient(x - step)) / 2e-5
    np.testing.assert_allclose(tape.gradient(along, x), wanted, atol=1e-7)
