"""The mass-conserving LSTM."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.cells.parts import Fused, Multiply, Product, SideInputs, add
from rnnlayers.checks import check_positive_integer
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class MassConservingLSTMCell(SigmoidGatedCell):
    """The mass-conserving LSTM: what flows in is stored or flows out, and nothing is lost.

    It is for quantities that obey a law of conservation, such as water in a catchment. The first
    `mass_features` features are masses, the others control where they go.

        q = c_prev / sum |c_prev|                               shares of the stored mass
        i = softmax(W_i a + b_i + U_i q)                        input gate, for each mass
        o = recurrent_activation(W_o a + b_o + U_o q)           output gate
        m = softmax(B) c_prev + sum of i * x over the masses x
        h = o * m                                               what flows out
        c = (1 - o) * m                                         what stays

    Both softmax are over the units that receive. All of the mass that went in is the sum of h over
    the steps and the last c.

    Weights, cut in the order i of each mass, o: `kernel` W
    `(features - mass_features, (mass_features + 1) * units)`, `recurrent_kernel` U
    `(units, (mass_features + 1) * units)`, `bias` b `((mass_features + 1) * units,)`;
    `redistribution_kernel` B `(units, units)`, from rows to columns, which begins close to leaving
    each mass where it is. States: h, which no step reads, and c.

    Args:
        units: Positive integer, the size of the output and of the store.
        recurrent_activation: Function of the output gate, with values from 0 to 1.
        mass_features: Positive integer, the number of features that are masses.
        **kwargs: All other arguments of `GatedCell`, without `activation`. Dropout spares masses.

    Call arguments and returns are those of `GatedCell`.

    Raises:
        ValueError: if an argument is out of its range, or all features are masses.

    Example:

    >>> output, states = MassConservingLSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> float(np.round(np.sum(output) + np.sum(states[1]), 4))
    2.0

    Reference: Hoedt et al. (2021), MC-LSTM: mass-conserving LSTM, the equations of its section 2,
    with a redistribution that does not depend on the inputs. (The MCLSTM of torchrecurrent is
    another cell.)
    """

    gates: ClassVar[tuple[str, ...]] = ("i", "o")
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")
    without: ClassVar[tuple[str, ...]] = ("activation",)
    fixed_by_weights: ClassVar[tuple[str, ...]] = (
        *SigmoidGatedCell.fixed_by_weights,
        "mass_features",
    )

    def __init__(
        self,
        units: int,
        recurrent_activation: Any = "sigmoid",
        mass_features: int = 1,
        **kwargs: Any,
    ) -> None:
        check_positive_integer("mass_features", mass_features, "the number of masses")
        super().__init__(units, recurrent_activation=recurrent_activation, **kwargs)
        self.mass_features = int(mass_features)

    @property
    def kernel_parts(self) -> int:
        """Number of gates in the kernel."""
        return self.mass_features + 1

    @property
    def recurrent_parts(self) -> int:
        """Number of gates in the recurrent kernel."""
        return self.mass_features + 1

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of `bias`."""
        return (self.kernel_parts * self.units,)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        features = input_shape[-1]
        if features is not None and features <= self.mass_features:
            raise ValueError(
                f"`inputs` to {self.name!r} must have more features than masses, "
                f"`mass_features={self.mass_features}`, since the others control where the mass "
                f"goes; received shape {tuple(input_shape)}."
            )
        controls = None if features is None else features - self.mass_features
        super().build((*input_shape[:-1], controls))
        self.redistribution_kernel = self.add_weight(
            name="redistribution_kernel",
            shape=(self.units, self.units),
            initializer=keras.initializers.Identity(5.0),
        )

    def draw(self, inputs: Tensor) -> SideInputs:
        """Return the dropout masks of inputs `(time, batch, features)`."""
        return super().draw(inputs[..., self.mass_features :])

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the masses, the gates' part of the other features, and the dropout mask."""
        mass, controls = ops.split(inputs, [self.mass_features], axis=-1)
        controls, constants = self.drop_all(controls, side)
        return (mass, Fused(self.project(controls), self.kernel_parts)), constants

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel and the redistribution."""
        B = ops.convert_to_tensor(self.redistribution_kernel)
        return {**super().products(side), "R": Product(ops.softmax(B, -1))}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        (mass, x_gates), (_, c_prev) = x, states
        total = ops.sum(ops.abs(c_prev), -1, keepdims=True)
        shares = c_prev / ops.where(ops.equal(total, 0), ops.ones_like(total), total)
        *i, o = add(x_gates, product(self.drop(shares, constants)))
        m = product(c_prev, "R")
        for number, gate in enumerate(i):
            m = m + ops.softmax(gate, -1) * mass[:, number : number + 1]
        o = self.recurrent_activation(o)
        return o * m, (1 - o) * m

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "mass_features": self.mass_features}
