"""Cells of the contract up to version 0.1, each the twin of one in custom_cells.py."""

from keras import ops

from rnnlayers.cells import ElmanCell, GRUCell, LSTMCell, RecurrentCell


class PeepholeCell(RecurrentCell):
    """It defines `update`, which reads a weight."""

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
    """It extends a `step` of the library, and multiplies with the recurrent kernel itself."""

    def step(self, projected, states, recurrent_dropout_mask=None):
        (h,) = super().step(projected, states, recurrent_dropout_mask)
        return (h + ops.tanh(ops.matmul(h, self.recurrent_kernel)),)


class LazyCell(GRUCell):
    """It extends the `step` of the library that has the most products."""

    def step(self, projected, states, recurrent_dropout_mask=None):
        (h,) = super().step(projected, states=states, recurrent_dropout_mask=recurrent_dropout_mask)
        return (0.5 * (h + states[0]),)


class DampedCell(ElmanCell):
    """It extends `recur`, and inherits the rest."""

    def recur(self, h_prev):
        return 0.5 * ops.tanh(super().recur(h_prev))


class CoupledCell(LSTMCell):
    """It extends `update` of the library."""

    def update(self, projected, recurrent, states):
        h, c = super().update(projected, recurrent, states)
        return h, 0.5 * (c + states[1])


class ShiftedCell(ElmanCell):
    """It brings a derivative of that contract, which is no longer read; this one is wrong."""

    sums_gates = linearizes_states = has_own_derivative = True

    def update(self, projected, recurrent, states):
        (x,), (u,) = self.split(projected), self.split(recurrent)
        return (self.activation(x + 2 * u) + u,)

    def linearize(self, projected, recurrent, previous, states):
        raise AssertionError("no engine calls this")

    pull_back = linearize
