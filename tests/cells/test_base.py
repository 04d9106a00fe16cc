"""One step of every cell, against the NumPy equations and against the cells of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnlayers
from rnnlayers.cells.parts import by, for_step
from tests.cases import each_case, each_core, randomize, sample
from tests.engines import custom_cells
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
def test_a_call_is_prepare_step_and_read(case):
    cell = randomize(case.make_cell())
    x, states = one_step(cell, "float32")
    prepared, constants = cell.prepare(tf.constant(x[None]))
    now = for_step(prepared, lambda tensor: tensor[0])
    assert constants == ()
    assert [part.shape for part in now] == [(6, 4)] * len(cell.gates)
    states = tuple(map(tf.constant, states))
    assert_same(cell.step(now, states, by(cell.products())), cell(x, list(states))[1])


@each_case
def test_all_steps_are_prepared_as_each_alone(case):
    cell = randomize(case.make_cell())
    x = tf.constant(sample())
    (together, _), (alone, _) = cell.prepare(x), cell.prepare(x[2:3])
    assert_same(together.tensor[2:3], alone.tensor)
    assert together.parts == alone.parts == len(cell.gates)


@each_case
def test_products_are_with_the_recurrent_kernel(case):
    cell = randomize(case.make_cell())
    kernels = [np.asarray(product.kernel) for product in cell.products().values()]
    assert_same(np.concatenate(kernels, -1), cell.recurrent_kernel.numpy())


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
    cell = case.make_cell(dropout=0.5, recurrent_dropout=0.5, seed=1)
    on_inputs, on_state = cell.draw(ops.ones((5, 6, 3))).sequence
    assert (on_inputs.shape, on_state.shape) == ((1, 6, 3), (6, 4))
    for mask in (on_inputs, on_state):
        assert set(np.unique(mask)) == {0.0, 2.0}
    assert case.make_cell().draw(ops.ones((5, 6, 3))).sequence == (None, None)


@each_core
def test_a_step_in_training_drops_and_in_inference_does_not(case):
    cell = randomize(case.make_cell(dropout=0.5, recurrent_dropout=0.5, seed=1))
    plain = randomize(case.make_cell())
    x, states = one_step(cell, "float32")
    assert_same(cell(x, states), plain(x, states))
    side = case.make_cell(dropout=0.5, recurrent_dropout=0.5, seed=1).draw(tf.constant(x[None]))
    prepared, constants = plain.prepare(tf.constant(x[None]), side)
    now = for_step(prepared, lambda tensor: tensor[0])
    expected = plain.step(now, tuple(map(tf.constant, states)), by(plain.products()), constants)
    assert_same(cell(x, states, training=True)[1], expected)


@each_core
def test_the_recurrent_dropout_reaches_the_products_alone(case):
    cell = randomize(case.make_cell())
    x, states = one_step(cell, "float32")
    now, states = cell.split(cell.project(x)), tuple(map(tf.constant, states))
    multiply = by(cell.products())

    def step(product, *constants):
        return cell.step(now, states, product, constants)

    assert_same(step(multiply, tf.ones((6, 4))), step(multiply))
    without = step(lambda v, name="": multiply(tf.zeros_like(v), name))
    assert_same(step(multiply, tf.zeros((6, 4))), without)
    assert np.max(np.abs(without[0] - step(multiply)[0])) > 0.01


def test_a_cell_is_a_few_lines():
    class Leaky(rnnlayers.Cell):
        def build(self, input_shape):
            self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units))
            self.diagonal = self.add_weight(name="diagonal", shape=(self.units,))

        def prepare(self, inputs, side=None):
            return ops.matmul(inputs, self.kernel), ()

        def products(self, side=None):
            return {"": rnnlayers.Product(self.diagonal)}

        def step(self, x, states, product, constants=()):
            (h_prev,) = states
            return (0.5 * h_prev + 0.5 * ops.tanh(x + product(h_prev)),)

    cell = randomize(Leaky(4))
    x, (h_prev,) = one_step(cell, "float32")
    inner = x @ cell.kernel.numpy() + h_prev * cell.diagonal.numpy()
    output, _ = cell(x, [h_prev])
    assert_same(output, 0.5 * h_prev + 0.5 * np.tanh(inner))
    assert keras.layers.RNN(cell)(sample()).shape == (6, 4)
    assert cell.get_config()["units"] == 4


def test_sizes_of_states_and_of_outputs_are_those_that_keras_reads():
    projected, reading = custom_cells.ProjectedLSTMCell(4), custom_cells.ReadingCell(4)
    assert (projected.state_size, projected.output_size) == ([2, 4], 2)
    assert (reading.state_size, reading.output_size) == (4, 2)
    assert [state.shape for state in projected.get_initial_state(6)] == [(6, 2), (6, 4)]
    assert (projected.reads, reading.reads) == (False, True)
    for cell in (projected, reading):
        layer = keras.layers.RNN(randomize(cell), return_sequences=True)
        assert layer(sample()).shape == (6, 6, 2)


@pytest.mark.parametrize("cell", [rnnlayers.Cell, rnnlayers.GatedCell])
def test_a_cell_without_step_says_so(cell):
    with pytest.raises(NotImplementedError, match=f"{cell.__name__} must define `step`"):
        cell(4).step(None, None, None)


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
