"""`check_cell` passes every cell of the library and catches each way in which one can be broken."""

import keras
import pytest
import tensorflow as tf
from keras import ops

import rnnlayers
from rnnlayers import ElmanCell, GRUCell, LSTMCell, RecurrentCell
from rnnlayers.testing import ContractError, check_cell
from tests.cases import each_core
from tests.engines.custom_cells import LayerNormLSTMCell
from tests.numbers import refused

registered = keras.saving.register_keras_serializable("broken cells")
pytestmark = pytest.mark.usefixtures("eagerly")


@each_core
def test_the_cells_of_the_library_pass(case):
    cell = case.make_cell(dropout=0.1, kernel_regularizer="l2", name="mine")
    check_cell(cell)
    assert not cell.built


@registered
class MinimalGatedCell(RecurrentCell):
    """A cell of an outside author: an argument, a weight and a state of its own."""

    gates = ("f", "n")
    state_names = ("h", "trace")

    def __init__(self, units, decay=0.9, **kwargs):
        super().__init__(units, **kwargs)
        self.decay = decay

    def build(self, input_shape):
        super().build(input_shape)
        self.scale = self.add_weight(name="scale", shape=(self.units,), initializer="ones")

    def update(self, projected, recurrent, states):
        h_prev, trace = states
        x_f, x_n = self.split(projected)
        u_f, u_n = self.split(recurrent)
        f = ops.sigmoid(x_f + u_f)
        n = self.activation(x_n + self.scale * f * u_n)
        h = f * n + (1 - f) * h_prev
        return h, self.decay * trace + (1 - self.decay) * h

    def get_config(self):
        return {**super().get_config(), "decay": self.decay}


def test_a_cell_of_an_outside_author_passes(not_eagerly):
    check_cell(MinimalGatedCell(3, decay=0.5, use_bias=False), features=2, seed=4)


def test_units_of_a_row_may_meet():
    check_cell(LayerNormLSTMCell(4))
    check_cell(ElmanCell(4, activation="softmax"))


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
        return RecurrentCell.get_config(self)


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
    """the new states must be one tensor (batch, units) for each of ('h', 'c')"""

    def update(self, projected, recurrent, states):
        return super().update(projected, recurrent, states)[:1]


@registered
class StartsInAnotherShape(ElmanCell):
    """`get_initial_state` must be one tensor (batch, units)"""

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, 1), self.compute_dtype)]


@registered
class LosesTheDtype(ElmanCell):
    """'float16'"""

    def update(self, projected, recurrent, states):
        return (ops.cast(super().update(projected, recurrent, states)[0], "float32"),)


@registered
class ShowsSomethingElse(ElmanCell):
    """the output and the first state must be the same"""

    def call(self, inputs, states, training=False):
        output, states = super().call(inputs, states)
        return 2 * output, states


@registered
class Remembers(ElmanCell):
    """the states of two calls with the same arguments must be the same"""

    calls = 0

    def update(self, projected, recurrent, states):
        self.calls += 1
        return (super().update(projected, recurrent, states)[0] * self.calls,)


@registered
class MixesRows(ElmanCell):
    """the states of row 0 alone and in a batch must be the same; they differ by"""

    def update(self, projected, recurrent, states):
        (h,) = super().update(projected, recurrent, states)
        return (h - ops.mean(h, axis=0, keepdims=True),)


@registered
class AddsTheRowsAbove(ElmanCell):
    """the states of row 1 alone and in a batch must be the same; they differ by"""

    def update(self, projected, recurrent, states):
        (h,) = super().update(projected, recurrent, states)
        return (ops.cumsum(h, axis=0),)


@registered
class ProductMixesRows(ElmanCell):
    """Rows of a batch never meet. Compute along the last axis only."""

    def recur(self, h_prev):
        return super().recur(ops.flip(h_prev, axis=0))


@registered
class ProjectsTooLittle(ElmanCell):
    """`project` must return (batch, gates * units), here (6, 4), not (6, 1)"""

    def project(self, inputs):
        return super().project(inputs)[..., :1]


@registered
class ProjectsOverTime(ElmanCell):
    """`project` of one step and of all steps at once must be the same"""

    def project(self, inputs):
        projected = super().project(inputs)
        return projected if len(inputs.shape) == 2 else ops.cumsum(projected, axis=0)


@registered
class CallsAnotherStep(ElmanCell):
    """the states of `call` and of `step` must be the same"""

    def call(self, inputs, states, training=False):
        output, _ = super().call(inputs, states)
        return 2 * output, [2 * output]


@registered
class ChangesUnderDropout(ElmanCell):
    """`step` with a recurrent dropout mask of ones and without a mask must be the same"""

    def step(self, projected, states, recurrent_dropout_mask=None):
        if recurrent_dropout_mask is not None:
            projected = projected * 0.5
        return super().step(projected, states)


@registered
class IsNotCutInThree(GRUCell):
    """the states of `step` and of `update` with the recurrent product must be the same"""

    def step(self, projected, states, recurrent_dropout_mask=None):
        (h,) = super().step(projected, states)
        return (h + 0.1 * ops.matmul(h, self.recurrent_kernel[:, : self.units]),)

    @property
    def is_cut_in_three(self):
        return True


@registered
class CannotTakeCutGates(ElmanCell):
    """`update` of gates that `split` has cut and of gates side by side must be the same"""

    def update(self, projected, recurrent, states):
        if isinstance(projected, list):
            return states
        return (self.activation(projected + recurrent),)


@registered
class DoesNotSumGates(GRUCell):
    """with `sums_gates`, `update` of two parts and of their sum must be the same"""

    sums_gates = True


@registered
class DerivesWrongly(LSTMCell):
    """the gradients of `projected` by `pull_back` and tape must be the same"""

    update, linearize = LSTMCell.update, LSTMCell.linearize
    has_own_derivative = LSTMCell.has_own_derivative

    def pull_back(self, factors, d_states):
        (i, f, g, o), recurrent, states = super().pull_back(factors, d_states)
        return [f, i, g, o], recurrent, states


@registered
class LinearizesMoreThanItSays(GRUCell):
    """the gradients of `projected` by `pull_back` and tape must be the same; they differ by nan"""

    linearizes_states = True


@registered
class StopsTheGradient(ElmanCell):
    """the gradient of 'h' must exist"""

    def recur(self, h_prev):
        return super().recur(ops.stop_gradient(h_prev))


@registered
class HasAnIdleWeight(MinimalGatedCell):
    """the gradient of 'idle' must exist"""

    def build(self, input_shape):
        super().build(input_shape)
        self.idle = self.add_weight(name="idle", shape=(self.units,))


@registered
class HasAnInfiniteSlope(ElmanCell):
    """must be finite"""

    def update(self, projected, recurrent, states):
        (h,) = super().update(projected, recurrent, states)
        return (h + ops.sqrt(ops.relu(ops.zeros_like(h) * h)),)


@tf.custom_gradient
def doubled_gradient(x):
    return tf.identity(x), lambda upstream: 2 * upstream


@registered
class HasAWrongGradient(ElmanCell):
    """must be that of central differences"""

    def update(self, projected, recurrent, states):
        (h,) = super().update(projected, recurrent, states)
        return (doubled_gradient(h),)


@registered
class DiffersInAGraph(ElmanCell):
    """outputs and gradients on the compiled engine and in `keras.layers.RNN` must be the same"""

    def step(self, projected, states, recurrent_dropout_mask=None):
        (h,) = super().step(projected, states, recurrent_dropout_mask)
        return (h if tf.executing_eagerly() else 0.5 * h,)


BROKEN = [
    value
    for value in list(globals().values())
    if isinstance(value, type)
    and issubclass(value, RecurrentCell)
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
