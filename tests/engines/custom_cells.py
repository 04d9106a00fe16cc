"""Cells unlike those of the library: what the compiled engine must find out by itself."""

import keras
from keras import ops

from rnnlayers.cells import ElmanCell, GRUCell, LSTMCell, RecurrentCell


class PeepholeCell(RecurrentCell):
    """Its `update` reads a weight, and is not of sums: the candidate sees half the past."""

    gates = ("i", "g")
    state_names = ("h", "c")

    def build(self, input_shape):
        super().build(input_shape)
        self.peephole = self.add_weight(name="peephole", shape=(self.units,), initializer="ones")

    def update(self, projected, recurrent, states):
        _, c_prev = states
        x_i, x_g = self.split(projected)
        u_i, u_g = self.split(recurrent)
        i = ops.sigmoid(x_i + u_i + self.peephole * c_prev)
        c = (1 - i) * c_prev + i * self.activation(x_g + 0.5 * u_g)
        return self.activation(c * self.peephole), c


class DeepCell(ElmanCell):
    """Its `step` takes a second product."""

    def step(self, projected, states, recurrent_dropout_mask=None):
        (h,) = super().step(projected, states, recurrent_dropout_mask)
        return (h + ops.tanh(ops.matmul(h, self.recurrent_kernel)),)


class LazyCell(GRUCell):
    """Its `step` is not the one that `update` and one product make."""

    def step(self, projected, states, recurrent_dropout_mask=None):
        (h,) = super().step(projected, states, recurrent_dropout_mask)
        return (0.5 * (h + states[0]),)


class DampedCell(ElmanCell):
    """Its `recur` is more than the product."""

    def recur(self, h_prev):
        return 0.5 * ops.tanh(super().recur(h_prev))


class CoupledCell(LSTMCell):
    """It forgets as much as it takes in: `update` is overridden, the derivative is not."""

    def update(self, projected, recurrent, states):
        _, c_prev = states
        i, _, g, o = self.activate(projected, recurrent)
        c = (1 - i) * c_prev + i * g
        return o * self.activation(c), c


class HalvedCell(LSTMCell):
    """`update` is inherited, but not what it calls; and it is no longer of sums."""

    def activate(self, projected, recurrent):
        return super().activate(projected, [0.5 * u for u in self.split(recurrent)])


class ShiftedCell(ElmanCell):
    """It brings a derivative of its own, which reads what Elman's does without."""

    def update(self, projected, recurrent, states):
        (x,), (u,) = self.split(projected), self.split(recurrent)
        return (self.activation(x + 2 * u) + u,)

    def linearize(self, projected, recurrent, previous, states):
        (x,), (u,) = self.split(projected), self.split(recurrent)
        return (1 - ops.tanh(x + 2 * u) ** 2,)

    def pull_back(self, factors, d_states):
        (slope,), (d_h,) = factors, d_states
        return [d_h * slope], [d_h * (2 * slope + 1)], (ops.zeros_like(d_h),)


@keras.saving.register_keras_serializable("custom cells")
class LayerNormLSTMCell(LSTMCell):
    """Its `update` normalizes the cell state over the units of a row: they meet, rows do not."""

    def build(self, input_shape):
        super().build(input_shape)
        self.scale = self.add_weight(name="scale", shape=(self.units,), initializer="ones")
        self.shift = self.add_weight(name="shift", shape=(self.units,), initializer="zeros")

    def update(self, projected, recurrent, states):
        _, c_prev = states
        i, f, g, o = self.activate(projected, recurrent)
        c = f * c_prev + i * g
        centred = c - ops.mean(c, -1, keepdims=True)
        deviation = ops.sqrt(ops.mean(centred**2, -1, keepdims=True) + 1e-3)
        return o * self.activation(self.scale * centred / deviation + self.shift), c


class RenamedCell(LSTMCell):
    """The LSTM as it is, under another name and with another start."""

    def __init__(self, units, **options):
        super().__init__(units, recurrent_initializer="glorot_uniform", **options)

    def get_config(self):
        return super().get_config()
