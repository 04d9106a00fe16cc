"""Cells unlike those of the library: what the compiled engine must find out by itself."""

import keras
from keras import ops

from rnnlayers.cells import (
    Cell,
    ElmanCell,
    Fused,
    GatedCell,
    GRUCell,
    LSTMCell,
    Product,
    SideInputs,
)


class PeepholeCell(GatedCell):
    """Its `step` reads a weight, and is not of sums: the candidate sees half the past."""

    gates = ("i", "g")
    state_names = ("h", "c")

    def build(self, input_shape):
        super().build(input_shape)
        self.peephole = self.add_weight(name="peephole", shape=(self.units,), initializer="ones")

    def step(self, x, states, product, constants=()):
        h_prev, c_prev = states
        x_i, x_g = x
        u_i, u_g = product(self.drop(h_prev, constants))
        i = ops.sigmoid(x_i + u_i + self.peephole * c_prev)
        c = (1 - i) * c_prev + i * self.activation(x_g + 0.5 * u_g)
        return self.activation(c * self.peephole), c


class DeepCell(ElmanCell):
    """Its `step` takes a second product with the same matrix, of what is not yet a state."""

    def step(self, x, states, product, constants=()):
        (h,) = super().step(x, states, product, constants)
        (u,) = product(h)
        return (h + ops.tanh(u),)


class LazyCell(GRUCell):
    """It changes what comes of an inherited `step`."""

    def step(self, x, states, product, constants=()):
        (h,) = super().step(x, states, product, constants)
        return (0.5 * (h + states[0]),)


class DampedCell(ElmanCell):
    """It changes the products that an inherited `step` gets."""

    def step(self, x, states, product, constants=()):
        def damped(v):
            return [0.5 * ops.tanh(u) for u in product(v)]

        return super().step(x, states, damped, constants)


class CoupledCell(LSTMCell):
    """Its cell state moves half as far; the derivative of the LSTM no longer fits."""

    def step(self, x, states, product, constants=()):
        h, c = super().step(x, states, product, constants)
        return h, 0.5 * (c + states[1])


class ShiftedCell(ElmanCell):
    """The product counts twice, in the activation and beside it."""

    def step(self, x, states, product, constants=()):
        (x,), (u,) = x, product(self.drop(states[0], constants))
        return (self.activation(x + 2 * u) + u,)


@keras.saving.register_keras_serializable("custom cells")
class LayerNormLSTMCell(LSTMCell):
    """Its `step` normalizes the cell state over the units of a row: they meet, rows do not."""

    def build(self, input_shape):
        super().build(input_shape)
        self.scale = self.add_weight(name="scale", shape=(self.units,), initializer="ones")
        self.shift = self.add_weight(name="shift", shape=(self.units,), initializer="zeros")

    def step(self, x, states, product, constants=()):
        h_prev, c_prev = states
        u = product(self.drop(h_prev, constants))
        i, f, g, o = (a + b for a, b in zip(x, u, strict=True))
        i, f, o = map(self.recurrent_activation, (i, f, o))
        c = f * c_prev + i * self.activation(g)
        centred = c - ops.mean(c, -1, keepdims=True)
        deviation = ops.sqrt(ops.mean(centred**2, -1, keepdims=True) + 1e-3)
        return o * self.activation(self.scale * centred / deviation + self.shift), c


class RenamedCell(LSTMCell):
    """The LSTM as it is, under another name and with another start."""

    derivatives = LSTMCell.derivatives

    def __init__(self, units, **options):
        super().__init__(units, recurrent_initializer="glorot_uniform", **options)


class PlainCell(Cell):
    """A cell of `Cell` alone; `shapes` returns the shapes of its weights."""

    def shapes(self, features, units):
        raise NotImplementedError

    def build(self, input_shape):
        for name, shape in self.shapes(input_shape[-1], self.units).items():
            setattr(self, name, self.add_weight(name=name, shape=shape))


@keras.saving.register_keras_serializable("custom cells")
class ReadingCell(PlainCell):
    """Its outputs are read from inputs, states and the states before, and are smaller than they."""

    def shapes(self, features, units):
        return {
            "kernel": (features, units),
            "U": (units, units),
            "skip": (features, units // 2),
            "readout": (units, units // 2),
            "gain": (units // 2,),
        }

    @property
    def output_size(self):
        return self.units // 2

    def prepare(self, inputs, side=None):
        steps = ops.matmul(inputs, self.kernel), ops.matmul(inputs, self.skip)
        return steps, (1 + ops.convert_to_tensor(self.gain),)

    def products(self, side=None):
        return {"": Product(self.U)}

    def step(self, x, states, product, constants=()):
        return (ops.tanh(x[0] + product(states[0])),)

    def read(self, x, states, previous, constants=()):
        seen = ops.matmul(states[0] - 0.5 * previous[0], self.readout)
        return constants[0] * seen + x[1]


@keras.saving.register_keras_serializable("custom cells")
class ProjectedLSTMCell(GatedCell):
    """Its first state is a projection, half as wide as the second."""

    gates = ("i", "f", "g", "o")
    state_names = ("h", "c")

    @property
    def state_sizes(self):
        return self.units // 2, self.units

    def build(self, input_shape):
        super().build(input_shape)
        self.projection = self.add_weight(name="projection", shape=self.state_sizes[::-1])

    def products(self, side=None):
        return {**super().products(side), "projection": Product(self.projection)}

    def step(self, x, states, product, constants=()):
        h_prev, c_prev = states
        u = product(self.drop(h_prev, constants))
        i, f, g, o = (a + b for a, b in zip(x, u, strict=True))
        c = ops.sigmoid(f) * c_prev + ops.sigmoid(i) * self.activation(g)
        return product(ops.sigmoid(o) * self.activation(c), "projection"), c


@keras.saving.register_keras_serializable("custom cells")
class DiagonalCell(PlainCell):
    """Each unit sees its own past only: the kernel has one axis, and there is a bias."""

    def shapes(self, features, units):
        return {"kernel": (features, units), "diagonal": (units,), "bias": (units,)}

    def prepare(self, inputs, side=None):
        return ops.matmul(inputs, self.kernel), ()

    def products(self, side=None):
        return {"": Product(self.diagonal, self.bias)}

    def step(self, x, states, product, constants=()):
        return (ops.tanh(x + product(states[0])),)


@keras.saving.register_keras_serializable("custom cells")
class BlockCell(PlainCell):
    """Two blocks of units that never meet, two gates in each product, of the state before last."""

    state_names = ("h", "before")

    def shapes(self, features, units):
        blocks = (2, units // 2, units)
        return {"kernel": (features, units), "blocks": blocks, "bias": (2 * units,)}

    def prepare(self, inputs, side=None):
        return ops.matmul(inputs, self.kernel), ()

    def products(self, side=None):
        return {"blocks": Product(self.blocks, self.bias, parts=2)}

    def step(self, x, states, product, constants=()):
        h, before = states
        gate, candidate = product(before, "blocks")
        return h + ops.sigmoid(gate) * (ops.tanh(x + candidate) - h), h


@keras.saving.register_keras_serializable("custom cells")
class ManyPartsCell(PlainCell):
    """Its steps read tensors of several kinds, two of three parts, and constants of several."""

    def shapes(self, features, units):
        return {"kernel": (features, 12), "rate": (units,), "U": (units, units)}

    def prepare(self, inputs, side=None):
        positive = ops.cast(inputs[..., :1] > 0, inputs.dtype)
        parts = Fused(ops.matmul(inputs, self.kernel), 3)
        return ((parts, inputs[..., 1:2]), positive), (ops.sigmoid(self.rate), ops.arange(4))

    def products(self, side=None):
        return {"": Product(self.U)}

    def step(self, x, states, product, constants=()):
        ((x_h, _, x_g), scale), positive = x
        rate, number = constants
        (h,) = states
        new = ops.tanh(x_h + scale * product(h)) * ops.sigmoid(x_g)
        new = ops.where(ops.logical_or(positive > 0, number > 1), new, h)
        return (rate * h + (1 - rate) * new,)


class IgnoringCell(ElmanCell):
    """Its step computes a product of which nothing is used."""

    derivatives = ()

    def step(self, x, states, product, constants=()):
        h = self.drop(states[0], constants)
        product(2 * h)
        return (ops.tanh(x[0] + product(h)[0]),)


class NoisyCell(DiagonalCell):
    """Other noise at each step, and one mask for all of them."""

    def __init__(self, units, **options):
        super().__init__(units, **options)
        self.seed_generator = keras.random.SeedGenerator(3)

    def draw(self, inputs):
        size = (*ops.shape(inputs)[:2], self.units)
        noise = keras.random.normal(size, dtype=self.compute_dtype, seed=self.seed_generator)
        once = keras.random.normal(size[1:], dtype=self.compute_dtype, seed=self.seed_generator)
        return SideInputs(steps=(noise,), sequence=(None, once))

    def prepare(self, inputs, side=None):
        x, _ = super().prepare(inputs)
        if side is None:
            return (x, ops.zeros_like(x)), (ops.zeros_like(x[0]),)
        return (x, side.steps[0]), side.sequence[1:]

    def step(self, x, states, product, constants=()):
        return super().step(x[0] + x[1] * constants[0], states, product)


class TwiceDerivative:
    """The derivative of `TwiceCell.step`."""

    needs_products = False

    def __init__(self, cell):
        self.cell = cell

    @staticmethod
    def fits(cell):
        return True

    def linearize(self, x, products, previous, states):
        (h_prev,), (h,) = previous, states
        return (1 - (h - 0.5 * h_prev) ** 2,)

    def pull_back(self, factors, d_states, back, constants):
        (slope,), (d_h,) = factors, d_states
        d_z = d_h * slope
        return d_z, (0.5 * d_h + back(back(d_z)),)


@keras.saving.register_keras_serializable("custom cells")
class TwiceCell(DiagonalCell):
    """A product of a product, and a derivative written by hand."""

    derivatives = (TwiceDerivative,)

    def step(self, x, states, product, constants=()):
        (h,) = states
        return (0.5 * h + ops.tanh(x + product(product(h))),)
