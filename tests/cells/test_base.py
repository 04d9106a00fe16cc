"""One step of every cell, against the NumPy equations and against the cells of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnlayers
from tests.cases import each_case, each_core, randomize, sample
from tests.numbers import assert_same, refused


def one_step(cell, dtype="float64"):
    """Return inputs `(batch, features)` and states `(batch, units)`."""
    rng = np.random.default_rng(2)
    states = [rng.normal(size=(6, 4)).astype(dtype) for _ in cell.state_names]
    return sample(dtype=dtype)[:, 0], states


@each_case
def test_a_step_equals_the_equations(case):
    cell = randomize(case.make_cell(dtype="float64"))
    x, states = one_step(cell)
    output, new = cell(x, states)
    rows = [case.step(cell)(*row) for row in zip(x, zip(*states, strict=True), strict=True)]
    expected = [np.stack(state) for state in zip(*rows, strict=True)]
    assert_same([output, *new], [expected[0], *expected], "float64")


@each_case
def test_a_step_is_projection_product_and_update(case):
    cell = randomize(case.make_cell())
    x, states = one_step(cell, "float32")
    _, expected = cell(x, states)
    states = tuple(map(tf.constant, states))
    assert_same(cell.step(cell.project(x), states), expected)
    if cell.is_cut_in_three:
        assert_same(cell.update(cell.project(x), cell.recur(states[0]), states), expected)


@each_case
def test_the_projection_of_all_steps_is_that_of_each(case):
    cell = randomize(case.make_cell())
    x = tf.constant(sample())
    assert_same(cell.project(x)[:, 2], cell.project(x[:, 2]))
    assert cell.project(x).shape == (6, 6, 4 * len(cell.gates))


@each_case
def test_one_state_may_come_alone_as_keras_sends_it(case):
    cell = randomize(case.make_cell())
    x, states = one_step(cell, "float32")
    output, new = cell(x, states)
    assert isinstance(new, list)
    assert [state.shape for state in cell.get_initial_state(6)] == [state.shape for state in new]
    if len(states) == 1:
        assert cell.state_size == cell.output_size == 4
        alone, state = cell(x, states[0])
        assert_same([alone, state], [output, new[0]])
    else:
        assert cell.state_size == [4] * len(states)


@each_case
def test_each_gate_has_its_own_columns_of_the_kernels(case):
    cell = randomize(case.make_cell())
    assert cell.kernel.shape == (3, 4 * len(cell.gates))
    assert cell.recurrent_kernel.shape == (4, 4 * len(cell.gates))
    parts = cell.split(tf.constant(cell.kernel.numpy()))
    assert_same(np.concatenate(parts, -1), cell.kernel.numpy())
    assert len(parts) == len(cell.gates) == len(set(cell.gates))


@each_core
def test_dropped_inputs_are_the_same_at_each_step_of_a_sequence(case):
    cell = case.make_cell(dropout=0.5, seed=1)
    dropped = cell.drop_inputs(ops.ones((5, 6, 3)))
    assert_same(list(dropped), [dropped[0]] * 5)
    assert 0 < np.count_nonzero(dropped[0]) < 18
    plain = case.make_cell()
    assert_same(plain.drop_inputs(ops.ones((6, 3))), np.ones((6, 3)))
    assert plain.draw_recurrent_dropout_mask(ops.ones((6, 4))) is None


@each_core
def test_a_step_in_training_drops_and_in_inference_does_not(case):
    cell = randomize(case.make_cell(dropout=0.5, recurrent_dropout=0.5, seed=1))
    plain = randomize(case.make_cell())
    x, states = one_step(cell, "float32")
    assert_same(cell(x, states), plain(x, states))
    twin = case.make_cell(dropout=0.5, recurrent_dropout=0.5, seed=1)
    dropped = twin.drop_inputs(tf.constant(x))
    mask = twin.draw_recurrent_dropout_mask(tf.constant(states[0]))
    expected = plain.step(plain.project(dropped), tuple(map(tf.constant, states)), mask)
    assert_same(cell(x, states, training=True)[1], expected)


@each_core
def test_a_recurrent_dropout_mask_of_ones_changes_nothing(case):
    cell = randomize(case.make_cell())
    x, states = one_step(cell, "float32")
    projected, states = cell.project(x), tuple(map(tf.constant, states))
    assert_same(cell.step(projected, states, tf.ones((6, 4))), cell.step(projected, states))
    dropped = cell.step(projected, states, tf.zeros((6, 4)))
    if cell.is_cut_in_three:
        assert_same(dropped, cell.update(projected, cell.recur(tf.zeros((6, 4))), states))
    assert np.max(np.abs(dropped[0] - cell.step(projected, states)[0])) > 0.01


def test_a_cell_is_a_few_lines():
    class Leaky(rnnlayers.RecurrentCell):
        gates = ("h",)

        def update(self, projected, recurrent, states):
            (h_prev,) = states
            return (0.5 * h_prev + 0.5 * self.activation(projected + recurrent),)

    cell = randomize(Leaky(4))
    x, (h_prev,) = one_step(cell, "float32")
    inner = x @ cell.kernel.numpy() + h_prev @ cell.recurrent_kernel.numpy() + cell.bias.numpy()
    output, _ = cell(x, [h_prev])
    assert_same(output, 0.5 * h_prev + 0.5 * np.tanh(inner))
    assert keras.layers.RNN(cell)(sample()).shape == (6, 4)


def test_a_cell_without_update_says_so():
    cell = rnnlayers.RecurrentCell(4)
    with pytest.raises(NotImplementedError, match="RecurrentCell must define `update`"):
        cell.update(None, None, None)


@pytest.mark.parametrize(
    ("arguments", "named", "received"),
    [
        ({"units": 0}, "`units`", "0"),
        ({"units": 2.5}, "`units`", "2.5"),
        ({"dropout": 1.5}, "`dropout`", "1.5"),
        ({"recurrent_dropout": -1}, "`recurrent_dropout`", "-1"),
    ],
)
@each_core
def test_an_argument_out_of_its_range_is_refused(case, arguments, named, received):
    with refused(named, received):
        case.make_cell(**arguments)


@each_core
def test_features_must_be_known(case):
    with refused("features", "(None, None)", "cell"):
        case.make_cell(name="cell").build((None, None))
