"""`check_cell` passes every cell of the library and catches each way in which one can be broken."""

import keras
import pytest
import tensorflow as tf
from keras import ops

import rnnlayers
from rnnlayers import Cell, ElmanCell, GatedCell, GRUCell, LSTMCell
from rnnlayers.cells.lstm import LSTMDerivative
from rnnlayers.testing import ContractError, check_cell
from tests.cases import each_core
from tests.engines import custom_cells
from tests.numbers import refused

registered = keras.saving.register_keras_serializable("broken cells")
pytestmark = pytest.mark.usefixtures("eagerly")


@each_core
def test_the_cells_of_the_library_pass(case):
    cell = case.make_cell(dropout=0.1, kernel_regularizer="l2", name="mine")
    check_cell(cell)
    assert not cell.built


@registered
class MinimalGatedCell(GatedCell):
    """A cell of an outside author: an argument, a weight and a state of its own."""

    gates = ("f", "n")
    state_names = ("h", "trace")

    def __init__(self, units, decay=0.9, **kwargs):
        super().__init__(units, **kwargs)
        self.decay = decay

    def build(self, input_shape):
        super().build(input_shape)
        self.scale = self.add_weight(name="scale", shape=(self.units,), initializer="ones")

    def step(self, x, states, product, constants=()):
        h_prev, trace = states
        x_f, x_n = x
        u_f, u_n = product(self.drop(h_prev, constants))
        f = ops.sigmoid(x_f + u_f)
        n = self.activation(x_n + self.scale * f * u_n)
        h = f * n + (1 - f) * h_prev
        return h, self.decay * trace + (1 - self.decay) * h

    def get_config(self):
        return {**super().get_config(), "decay": self.decay}


def test_a_cell_of_an_outside_author_passes(not_eagerly):
    check_cell(MinimalGatedCell(3, decay=0.5, use_bias=False), features=2, seed=4)


@pytest.mark.parametrize(
    "cell",
    [custom_cells.ProjectedLSTMCell, custom_cells.ReadingCell, custom_cells.TwiceCell],
)
def test_cells_of_other_sizes_with_outputs_and_derivatives_of_their_own_pass(cell):
    check_cell(cell(4))


def test_units_of_a_row_may_meet():
    check_cell(custom_cells.LayerNormLSTMCell(4))


# Each cell below is broken in one way; its docstring is the message that must come.


class WithoutGates(ElmanCell):
    """`gates` must be distinct names, not ()."""

    gates = ()


class WithOneGateTwice(GRUCell):
    """`gates` must be distinct names, not ('z', 'z', 'n')."""

    gates = ("z", "z", "n")


class ForgetsAnArgument(MinimalGatedCell):
    """`get_config` must return the argument decay."""

    def get_config(self):
        return GatedCell.get_config(self)


class ReturnsAnObject(ElmanCell):
    """`get_config` must return plain values"""

    def get_config(self):
        return {**super().get_config(), "seed": object()}


class Unregistered(ElmanCell):
    """its class be decorated with `@keras.saving.register_keras_serializable()`"""


@registered
class ComesBackChanged(ElmanCell):
    """a layer made from `get_config` must have the same configuration; 'dropout' was 0.0"""

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "dropout": 0.5})


@registered
class ReturnsTooFewStates(LSTMCell):
    """the new states must be (batch, size), with the sizes `state_sizes` of ('h', 'c')"""

    def step(self, x, states, product, constants=()):
        return super().step(x, states, product, constants)[:1]


@registered
class StatesOfAnotherSize(LSTMCell):
    """the new states must be (batch, size), with the sizes `state_sizes` of ('h', 'c')"""

    state_sizes = (4, 3)

    def call(self, inputs, states, training=False):
        h, c = states
        return super().call(inputs, [h, ops.pad(c, [[0, 0], [0, 1]])])


@registered
class OutputOfAnotherSize(ElmanCell):
    """the output must be (batch, size), with the sizes `state_sizes` of ('h',) and `output_size`"""

    output_size = 3


@registered
class StartsInAnotherShape(ElmanCell):
    """`get_initial_state` must be (batch, size)"""

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, 1), self.compute_dtype)]


@registered
class LosesTheDtype(ElmanCell):
    """'float16'"""

    def step(self, x, states, product, constants=()):
        (h,) = super().step(x, states, product, constants)
        return (ops.cast(h, "float32"),)


@registered
class ShowsSomethingElse(ElmanCell):
    """the output and the first state, unless the cell overrides `read` must be the same"""

    def call(self, inputs, states, training=False):
        output, states = super().call(inputs, states)
        return 2 * output, states


@registered
class Remembers(ElmanCell):
    """two calls with the same arguments must be the same"""

    calls = 0

    def step(self, x, states, product, constants=()):
        self.calls += 1
        return (super().step(x, states, product, constants)[0] * self.calls,)


@registered
class MixesRows(ElmanCell):
    """the output and states of row 0 alone and in a batch must be the same; they differ by"""

    def step(self, x, states, product, constants=()):
        (h,) = super().step(x, states, product, constants)
        return (h - ops.mean(h, axis=0, keepdims=True),)


@registered
class AddsTheRowsAbove(ElmanCell):
    """the output and states of row 1 alone and in a batch must be the same; they differ by"""

    def step(self, x, states, product, constants=()):
        (h,) = super().step(x, states, product, constants)
        return (ops.cumsum(h, axis=0),)


@registered
class ProductMixesRows(ElmanCell):
    """Rows of a batch never meet. Compute along the last axis only."""

    def step(self, x, states, product, constants=()):
        return super().step(x, (ops.flip(states[0], axis=0),), product, constants)


@registered
class ReadsOtherRows(custom_cells.ReadingCell):
    """Rows of a batch never meet. Compute along the last axis only."""

    def read(self, x, states, previous, constants=()):
        return ops.flip(super().read(x, states, previous, constants), axis=1)


@registered
class PreparesOverTime(ElmanCell):
    """`prepare` of one step and of all steps at once must be the same"""

    def project(self, inputs):
        return ops.cumsum(super().project(inputs), axis=0)


@registered
class PreparesWithoutTime(custom_cells.DiagonalCell):
    """`prepare` must return tensors (time, batch, ...)"""

    def prepare(self, inputs, side=None):
        return ops.matmul(inputs[0], self.kernel), ()


@registered
class PreparesWithoutBatch(custom_cells.DiagonalCell):
    """`prepare` must return tensors (time, batch, ...)"""

    def prepare(self, inputs, side=None):
        x, _ = super().prepare(inputs)
        return (x, ops.ones_like(inputs[:, :1, :1])), ()

    def step(self, x, states, product, constants=()):
        return super().step(x[0] * x[1], states, product)


@registered
class CallsAnotherStep(ElmanCell):
    """the states of `call` and of `step` must be the same"""

    def call(self, inputs, states, training=False):
        output, _ = super().call(inputs, states)
        return 2 * output, [2 * output]


class SwapsGates(LSTMDerivative):
    def pull_back(self, factors, d_states, back, constants):
        (i, f, g, o), states = super().pull_back(factors, d_states, back, constants)
        return [f, i, g, o], states


@registered
class DerivesWrongly(LSTMCell):
    """the gradients of x written by hand and by tape must be the same"""

    derivatives = (SwapsGates,)


class SendsBackWrongly(LSTMDerivative):
    def pull_back(self, factors, d_states, back, constants):
        return super().pull_back(factors, d_states, lambda d: back(d[::-1]), constants)


@registered
class DerivesProductsWrongly(LSTMCell):
    """the gradients of the products written by hand and by tape must be the same"""

    derivatives = (SendsBackWrongly,)


class LeavesOutTheCell(LSTMDerivative):
    def pull_back(self, factors, d_states, back, constants):
        x, (d_h, d_c) = super().pull_back(factors, d_states, back, constants)
        return x, (d_h, 0 * d_c)


@registered
class DerivesStatesWrongly(LSTMCell):
    """the gradients of the states written by hand and by tape must be the same"""

    derivatives = (LeavesOutTheCell,)


class ReadsProducts(LSTMDerivative):
    needs_products = False


@registered
class LinearizesMoreThanItSays(LSTMCell):
    """the gradients of x written by hand and by tape must be the same; they differ by nan"""

    derivatives = (ReadsProducts,)


@registered
class StopsTheGradient(ElmanCell):
    """the gradient of 'h' must exist"""

    def drop(self, h, constants):
        return ops.stop_gradient(h)


@registered
class HasAnIdleWeight(MinimalGatedCell):
    """the gradient of 'idle' must exist"""

    def build(self, input_shape):
        super().build(input_shape)
        self.idle = self.add_weight(name="idle", shape=(self.units,))


@registered
class HasAnInfiniteSlope(ElmanCell):
    """must be finite"""

    def step(self, x, states, product, constants=()):
        (h,) = super().step(x, states, product, constants)
        return (h + ops.sqrt(ops.relu(ops.zeros_like(h) * h)),)


@tf.custom_gradient
def doubled_gradient(x):
    return tf.identity(x), lambda upstream: 2 * upstream


@registered
class HasAWrongGradient(ElmanCell):
    """must be that of central differences"""

    def step(self, x, states, product, constants=()):
        (h,) = super().step(x, states, product, constants)
        return (doubled_gradient(h),)


@registered
class DiffersInAGraph(ElmanCell):
    """outputs and gradients on the compiled engine and in `keras.layers.RNN` must be the same"""

    def step(self, x, states, product, constants=()):
        (h,) = super().step(x, states, product, constants)
        return (h if tf.executing_eagerly() else 0.5 * h,)


BROKEN = [
    value
    for value in list(globals().values())
    if isinstance(value, type)
    and issubclass(value, Cell)
    and value.__module__ == __name__
    and value is not MinimalGatedCell
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda cell: cell.__name__)
def test_a_broken_cell_is_caught(broken):
    tf.config.run_functions_eagerly(broken is not DiffersInAGraph)
    with pytest.raises(ContractError) as error:
        check_cell(broken(4))
    assert broken.__name__ in str(error.value)
    assert broken.__doc__ in str(error.value)


def test_what_is_no_cell_is_refused():
    with refused("`cell`", "LSTM"):
        check_cell(rnnlayers.LSTM(4))
    assert issubclass(ContractError, AssertionError)
