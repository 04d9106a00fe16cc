"""Relatives of the GRU with simple gates: SGRN, SGU, DSGU, MiRU."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import GatedCell, SigmoidGatedCell
from rnnlayers.cells.parts import Multiply, Product, SideInputs, add
from rnnlayers.checks import check_number
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class SGRNCell(SigmoidGatedCell):
    """The simple gated recurrent network: one gate, which shares the product of the candidate.

        s = W x + b
        f = recurrent_activation(s + U h_prev)                  forget gate
        h = activation((1 - f) * s + f * h_prev)

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U `(units, units)`, `bias` b
    `(units,)`.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the state.
        recurrent_activation: Function of the gate.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = SGRNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: the simple gated recurrent network of load forecasting, IET Generation, Transmission
    and Distribution, doi 10.1049/gtd2.12056, as torchrecurrent has it.
    """

    gates: ClassVar[tuple[str, ...]] = ("s",)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,), (s,) = states, x
        (u,) = product(self.drop(h_prev, constants))
        f = self.recurrent_activation(s + u)
        return (self.activation((1 - f) * s + f * h_prev),)


@keras.saving.register_keras_serializable(package="rnnlayers")
class SGUCell(SigmoidGatedCell):
    """The simple gated unit: inputs multiply the state before they enter it.

        s = W_s x + b_s
        g = activation(U_g (s * h_prev))
        z = recurrent_activation(W_z x + b_z + U_z h_prev)      update gate
        h = (1 - z) * h_prev + z * output_activation(g * h_prev)

    Weights, cut in the order s, z: `kernel` W `(features, 2 * units)`, `bias` b `(2 * units,)`;
    `recurrent_kernel` U `(units, 2 * units)`, in the order g, z.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of g.
        recurrent_activation: Function of the update gate.
        output_activation: Function of the candidate.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = SGUCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Gao and Glowacka (2016), Deep gate recurrent neural network, the equations of SGU.
    The hard sigmoid of Keras 3 has the slope 1 / 6, that of the paper's time 1 / 5.
    """

    gates: ClassVar[tuple[str, ...]] = ("s", "z")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        output_activation: Any = "softplus",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.output_activation = keras.activations.get(output_activation)

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices of g and of the update gate."""
        g, z = ops.split(ops.convert_to_tensor(self.recurrent_kernel), 2, axis=-1)
        return {"g": Product(g), "z": Product(z)}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,), (s, x_z) = states, x
        h_masked = self.drop(h_prev, constants)
        g = self.activation(product(s * h_masked, "g"))
        z = self.recurrent_activation(x_z + product(h_masked, "z"))
        return ((1 - z) * h_prev + z * self.candidate(g * h_prev, product),)

    def candidate(self, gated: Tensor, product: Multiply) -> Tensor:
        """Return what enters the state, from g * h_prev."""
        return self.output_activation(gated)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        output = keras.activations.serialize(self.output_activation)
        return {**super().get_config(), "output_activation": output}


@keras.saving.register_keras_serializable(package="rnnlayers")
class DSGUCell(SGUCell):
    """The deep simple gated unit: `SGUCell` with one matrix more, and a bounded candidate.

        s, g, z as in `SGUCell`
        h = (1 - z) * h_prev + z * output_activation(V (g * h_prev))

    Weights: those of `SGUCell`, and `output_kernel` V `(units, units)`.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of g.
        recurrent_activation: Function of the update gate.
        output_activation: Function of the candidate.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = DSGUCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Gao and Glowacka (2016), see `SGUCell`, the equations of DSGU.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        output_activation: Any = "sigmoid",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, output_activation, **kwargs)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.output_kernel = self.add_recurrent("output_kernel", (self.units, self.units))

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices of g, of the update gate and of the candidate."""
        return {**super().products(side), "output": Product(self.output_kernel)}

    def candidate(self, gated: Tensor, product: Multiply) -> Tensor:
        """Return what enters the state, from g * h_prev."""
        return self.output_activation(product(gated, "output"))


@keras.saving.register_keras_serializable(package="rnnlayers")
class MiRU1Cell(SigmoidGatedCell):
    """The first minion recurrent unit: a GRU whose update gate is a constant.

        r = recurrent_activation(W_r x + b_r + U_r h_prev)      reset gate
        n = activation(W_n x + b_n + U_n (r * h_prev))          candidate
        h = update_coefficient * h_prev + (1 - update_coefficient) * n

    Weights, cut in the order r, n: `kernel` W `(features, 2 * units)`, `recurrent_kernel` U
    `(units, 2 * units)`, `bias` b `(2 * units,)`.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the candidate.
        recurrent_activation: Function of the reset gate.
        update_coefficient: The share of the state that a step keeps, in [0, 1].
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = MiRU1Cell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: the minion recurrent unit, Neurocomputing, doi 10.1016/j.neucom.2026.132847, as
    torchrecurrent has it.
    """

    gates: ClassVar[tuple[str, ...]] = ("r", "n")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        update_coefficient: float = 0.5,
        **kwargs: Any,
    ) -> None:
        check_number("update_coefficient", update_coefficient, "[0, 1]", "the share that is kept")
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.update_coefficient = float(update_coefficient)

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices of the reset gate and of the candidate."""
        r, n = ops.split(ops.convert_to_tensor(self.recurrent_kernel), 2, axis=-1)
        return {"r": Product(r), "n": Product(n)}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,), (x_r, x_n) = states, x
        h_masked = self.drop(h_prev, constants)
        r = self.recurrent_activation(x_r + product(h_masked, "r"))
        n = self.activation(x_n + product(r * h_masked, "n"))
        return (self.update_coefficient * h_prev + (1 - self.update_coefficient) * n,)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "update_coefficient": self.update_coefficient}


@keras.saving.register_keras_serializable(package="rnnlayers")
class MiRU2Cell(GatedCell):
    """The second minion recurrent unit: a GRU both of whose gates are constants.

        n = activation(W x + b + U (reset_coefficient * h_prev))
        h = update_coefficient * h_prev + (1 - update_coefficient) * n

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U `(units, units)`, `bias` b
    `(units,)`.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the candidate.
        update_coefficient: The share of the state that a step keeps, in [0, 1].
        reset_coefficient: The share of the state that the candidate sees, in [0, 1].
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = MiRU2Cell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: that of `MiRU1Cell`.
    """

    gates: ClassVar[tuple[str, ...]] = ("n",)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        update_coefficient: float = 0.5,
        reset_coefficient: float = 0.5,
        **kwargs: Any,
    ) -> None:
        check_number("update_coefficient", update_coefficient, "[0, 1]", "the share that is kept")
        check_number("reset_coefficient", reset_coefficient, "[0, 1]", "the share that is seen")
        super().__init__(units, activation, **kwargs)
        self.update_coefficient = float(update_coefficient)
        self.reset_coefficient = float(reset_coefficient)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        (s,) = add(x, product(self.reset_coefficient * self.drop(h_prev, constants)))
        n = self.activation(s)
        return (self.update_coefficient * h_prev + (1 - self.update_coefficient) * n,)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        own = {
            "update_coefficient": self.update_coefficient,
            "reset_coefficient": self.reset_coefficient,
        }
        return {**super().get_config(), **own}
