"""GRU-D, a GRU for series with missing values."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.cells.parts import Fused, Multiply, Product, SideInputs, add
from rnnlayers.cells.phased import without_time
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class GRUDCell(SigmoidGatedCell):
    """A GRU for series with missing values, which are NaN in the inputs: GRU-D.

    A value that is missing decays from the last one that was observed to the mean of its feature,
    the longer ago the more, and so does the state. The gates see what is missing.

        s = 1 where x is observed, 0 where it is NaN
        delta = time since the last observation, of each feature
        gamma_x = exp(-max(0, v * delta + a))                   decay of the inputs
        gamma_h = exp(-max(0, G delta + g))                     decay of the state
        x = s * x + (1 - s) * (gamma_x * x_last + (1 - gamma_x) * mean)
        h_prev = gamma_h * h_prev
        z = recurrent_activation(W_z x + V_z s + b_z + U_z h_prev)      update gate
        r = recurrent_activation(W_r x + V_r s + b_r + U_r h_prev)      reset gate
        n = activation(W_n x + V_n s + b_n + U_n (r * h_prev))          candidate
        h = z * h_prev + (1 - z) * n

    In the paper 1 - z stands for z. Steps are one unit of time apart, or with `time_feature=True`
    the last feature of the inputs is the time of the step; it must not be NaN. A feature that was
    not observed yet has its mean. `layer.adapt(data)` computes the means of the features.

    Weights, cut in the order z, r, n: `kernel` W and `mask_kernel` V `(features, 3 * units)`,
    `recurrent_kernel` U `(units, 3 * units)`, `bias` b `(3 * units,)`; `input_decay` v and
    `input_decay_bias` a `(features,)`, `state_decay` G `(features, units)` and `state_decay_bias` g
    `(units,)`; `means` `(features,)`, which are not trained. The time is no feature here. States:
    h, e `(batch, features)`, the last value observed, less its mean, d `(batch, features)`, the
    time since it was observed, and clock `(batch, 2)`, whether there was a step, and its time. The
    last three have sizes once the cell has weights.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the candidate.
        recurrent_activation: Function of the two gates.
        time_feature: Whether the last feature of the inputs is the time.
        means: The means of the features, numbers `(features,)`. None begins with zeros, which are
            the means of standardized features.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments and returns are those of `GatedCell`.

    Raises:
        ValueError: if an argument is out of its range, there is no feature but the time, or
            `means` are not one for each feature.

    Example:

    >>> layer = rnnlayers.GRUD(4)
    >>> layer(np.array([[[1.0, np.nan], [np.nan, np.nan], [2.0, 3.0]]])).shape
    TensorShape([1, 4])

    Reference: Che et al. (2018), Recurrent neural networks for multivariate time series with
    missing values, equations 3 and 8 to 15 of the preprint.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "r", "n")
    state_names: ClassVar[tuple[str, ...]] = ("h", "e", "d", "clock")
    fixed_by_weights: ClassVar[tuple[str, ...]] = (
        *SigmoidGatedCell.fixed_by_weights,
        *("time_feature", "means"),
    )

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        time_feature: bool = False,
        means: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.time_feature = time_feature
        self.means = None if means is None else tuple(map(float, means))

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h, e, d and clock."""
        if not self.built:
            raise ValueError(
                f"The sizes of the states of {self.name!r} depend on the number of features, and "
                "it has no weights yet. Call the layer first, or `build`."
            )
        features = self.kernel.shape[0]
        return (self.units, features, features, 2)

    @property
    def output_size(self) -> int:
        """Size of the output."""
        return self.units

    @property
    def recurrent_shape(self) -> tuple[int, ...]:
        """Shape of `recurrent_kernel`."""
        return (self.units, 3 * self.units)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        if self.time_feature:
            input_shape = without_time(input_shape, self.name)
        super().build(input_shape)
        features = input_shape[-1]
        self.mask_kernel = self.add_input_kernel("mask_kernel", (features, 3 * self.units))
        # Above zero, where the decay has a gradient.
        begin = keras.initializers.RandomUniform(0.0, 0.1, self.seed)
        self.input_decay, self.state_decay = (
            self.add_weight(name=f"{name}_decay", shape=shape, initializer=begin)
            for name, shape in (("input", (features,)), ("state", (features, self.units)))
        )
        self.input_decay_bias, self.state_decay_bias = (
            self.add_weight(name=f"{name}_decay_bias", shape=(size,), initializer="zeros")
            for name, size in (("input", features), ("state", self.units))
        )
        self.mean = self.add_weight(
            name="means", shape=(features,), initializer="zeros", trainable=False
        )
        if self.means is not None:
            self._set_means(self.means)

    def adapt(self, data: Any) -> None:
        """Set `means` to those of the observed values.

        Args:
            data: Array `(..., features)`, for example the sequences to train with, NaN where a
                value is missing. With `time_feature` the last feature is the time.

        Raises:
            ValueError: if the cell was built for another number of features, or no value of a
                feature is observed.
        """
        data = np.asarray(data, "float64")
        if not self.built:
            self.build(data.shape)
        values = data[..., :-1] if self.time_feature else data
        values = values.reshape(-1, values.shape[-1])
        missing = np.flatnonzero(np.isnan(values).all(0))
        if missing.size:
            raise ValueError(
                f"`data` must have an observed value of each feature; it has none of {missing}. "
                "Leave these features out."
            )
        self._set_means(np.nanmean(values, 0))

    def _set_means(self, means: Any) -> None:
        if len(means) != self.mean.shape[0]:
            raise ValueError(
                f"`means` must be one number for each of {self.mean.shape[0]} features; received "
                f"{len(means)}."
            )
        self.mean.assign(means)

    def draw(self, inputs: Tensor) -> SideInputs:
        """Return the dropout masks of inputs `(time, batch, features)`."""
        return super().draw(inputs[..., :-1] if self.time_feature else inputs)

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return values less means, which are observed, what the gates have of that, and times."""
        on_inputs, on_state = (None, None) if side is None else side.sequence
        times = (inputs[..., -1:],) if self.time_feature else ()
        inputs = inputs[..., :-1] if times else inputs
        observed = ops.logical_not(ops.isnan(inputs))
        mean = ops.convert_to_tensor(self.mean)
        values = ops.where(observed, inputs - mean, ops.zeros_like(inputs))
        seen = ops.cast(observed, inputs.dtype)
        kept = ops.ones((1, 1, mean.shape[0]), inputs.dtype) if on_inputs is None else on_inputs
        gates = ops.matmul(seen, self.mask_kernel) + ops.matmul(kept * mean, self.kernel)
        gates = gates if self.bias is None else gates + self.bias
        constants = (kept[0],) if on_state is None else (kept[0], on_state)
        return (values, seen, Fused(gates, 3), *times), constants

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices of inputs and decay, and that of the state before and after r."""
        zr, n = ops.split(ops.convert_to_tensor(self.recurrent_kernel), [2 * self.units], axis=-1)
        return {
            "decay": Product(self.state_decay, self.state_decay_bias),
            "x": Product(self.kernel, parts=3),
            "": Product(zr, parts=2),
            "n": Product(n),
        }

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        values, seen, x_gates, *times = x
        h_prev, e_prev, d_prev, clock = states
        kept, *mask = constants
        started, before = clock[:, :1], clock[:, 1:]
        now = times[0] if times else before + 1
        delta = d_prev + started * (now - before)
        gamma_x = ops.exp(-ops.relu(self.input_decay * delta + self.input_decay_bias))
        gamma_h = ops.exp(-ops.relu(product(delta, "decay")))
        shown = values + (1 - seen) * gamma_x * e_prev
        h_prev = gamma_h * h_prev
        h_masked = self.drop(h_prev, tuple(mask))
        x_z, x_r, x_n = add(x_gates, product(shown * kept, "x"))
        u_z, u_r = product(h_masked)
        z, r = map(self.recurrent_activation, (x_z + u_z, x_r + u_r))
        n = self.activation(x_n + product(r * h_masked, "n"))
        e = values + (1 - seen) * e_prev
        after = ops.concatenate([ops.ones_like(started), now], -1)
        return z * h_prev + (1 - z) * n, e, (1 - seen) * delta, after

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "time_feature": self.time_feature, "means": self.means}
