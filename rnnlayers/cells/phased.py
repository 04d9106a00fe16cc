"""The phased LSTM, whose units open for a part of a rhythm of their own."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from rnnlayers.cells.four_gated import FourGatedCell
from rnnlayers.cells.parts import Fused, Multiply, SideInputs, add
from rnnlayers.checks import check_number
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class PhasedLSTMCell(FourGatedCell):
    """An LSTM with a time gate: each unit opens for a part of a period, and else keeps its state.

    It is for events at irregular times, and for long sequences, of which each unit sees few steps.

        phi = ((t - shift) / period) mod 1                      phase at time t
        k = 2 phi / r                                           phi < r / 2, opening
            2 - 2 phi / r                                       r / 2 <= phi < r, closing
            leak * phi in training, else 0                      r <= phi, closed
        i, f, g, o as in `LSTMCell`, from x and h_prev
        c = k * (f * c_prev + i * g) + (1 - k) * c_prev
        h = k * (o * activation(f * c_prev + i * g)) + (1 - k) * h_prev

    with period = exp(log_period) and r = sigmoid(open_logit), the share of a period for which the
    gate is open. The time t is the number of the step, from 0, or with `time_feature=True` the last
    feature of the inputs, which does not enter the gates then. Measure it from the beginning of a
    sequence: a float32 has seven digits. Masked steps are not counted.

    Weights: `kernel` W `(features, 4 * units)`, `recurrent_kernel` U `(units, 4 * units)`, `bias` b
    `(4 * units,)`, each cut in the order i, f, g, o, and W without the time; `log_period`, `shift`
    and `open_logit` `(units,)`. Periods begin between `min_period` and `max_period`, evenly in
    their logarithm, shifts between 0 and the period. States: h, c, and t `(batch, 1)`, the number
    of the next step, or the time of the last one.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the candidate and of the cell state in the output.
        recurrent_activation: Function of the three gates of the LSTM.
        unit_forget_bias: Whether the forget gate's bias starts at one.
        time_feature: Whether the last feature of the inputs is the time.
        min_period: Positive number, the smallest period to begin with, in units of t.
        max_period: Positive number, the largest period to begin with.
        open_ratio: The share of a period for which a gate is open to begin with, in (0, 1).
        leak: What passes a closed gate in training, so that gradients reach it, in [0, 1].
        **kwargs: All other arguments of `GatedCell`.

    Call arguments and returns are those of `GatedCell`.

    Raises:
        ValueError: if an argument is out of its range, or there is no feature but the time.

    Example:

    >>> cell = PhasedLSTMCell(4, time_feature=True)
    >>> output, states = cell(np.ones((2, 3)), cell.get_initial_state(2))
    >>> output.shape, cell.kernel.shape
    (TensorShape([2, 4]), TensorShape([2, 16]))

    Reference: Neil, Pfeiffer and Liu (2016), Phased LSTM: accelerating recurrent network training
    for long or event-based sequences, equations 6 to 10, without the optional peepholes.
    """

    state_names: ClassVar[tuple[str, ...]] = ("h", "c", "t")
    fixed_by_weights: ClassVar[tuple[str, ...]] = (
        *FourGatedCell.fixed_by_weights,
        "time_feature",
    )

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        unit_forget_bias: bool = True,
        time_feature: bool = False,
        min_period: float = 1.0,
        max_period: float = 20.0,
        open_ratio: float = 0.05,
        leak: float = 0.001,
        **kwargs: Any,
    ) -> None:
        check_number("min_period", min_period, "(0, inf)", "the smallest period")
        check_number("max_period", max_period, f"[{min_period}, inf)", "the largest period")
        check_number("open_ratio", open_ratio, "(0, 1)", "the share of a period that is open")
        check_number("leak", leak, "[0, 1]", "what passes a closed gate in training")
        super().__init__(units, activation, recurrent_activation, unit_forget_bias, **kwargs)
        self.time_feature = time_feature
        self.min_period, self.max_period = float(min_period), float(max_period)
        self.open_ratio = float(open_ratio)
        self.leak = float(leak)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h, c and t."""
        return (self.units, self.units, 1)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(without_time(input_shape, self.name) if self.time_feature else input_shape)
        draw = np.random.default_rng(self.seed).uniform
        log_period = draw(np.log(self.min_period), np.log(self.max_period), self.units)
        shift = draw(0, np.exp(log_period))
        open_logit = np.full(self.units, np.log(self.open_ratio / (1 - self.open_ratio)))
        self.log_period, self.shift, self.open_logit = (
            self.add_weight(
                name=name,
                shape=(self.units,),
                initializer=lambda shape, dtype=None, start=start: ops.cast(start, dtype),
            )
            for name, start in (
                ("log_period", log_period),
                ("shift", shift),
                ("open_logit", open_logit),
            )
        )

    def draw(self, inputs: Tensor) -> SideInputs:
        """Return the dropout masks of inputs `(time, batch, features)`."""
        return super().draw(inputs[..., :-1] if self.time_feature else inputs)

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the inputs' part in the gates, the time if it is given; leak, dropout mask."""
        # Side inputs are drawn in training alone.
        leak = ops.full((1, 1), 0.0 if side is None else self.leak, inputs.dtype)
        times = (inputs[..., -1:],) if self.time_feature else ()
        inputs, constants = self.drop_all(inputs[..., :-1] if times else inputs, side)
        return (Fused(self.project(inputs), 4), *times), (leak, *constants)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        (x_gates, *times), (h_prev, c_prev, t) = x, states
        leak, *mask = constants
        (t,) = times or (t,)
        i, f, g, o = add(x_gates, product(self.drop(h_prev, tuple(mask))))
        i, f, o = map(self.recurrent_activation, (i, f, o))
        c = f * c_prev + i * self.activation(g)
        h = o * self.activation(c)
        k = self._time_gate(t, leak)
        after = t if self.time_feature else t + 1
        return k * h + (1 - k) * h_prev, k * c + (1 - k) * c_prev, after

    def _time_gate(self, t: Tensor, leak: Tensor) -> Tensor:
        """Return the openness k `(batch, units)` at times `(batch, 1)`."""
        weights = (self.log_period, self.shift, self.open_logit)
        log_period, shift, open_logit = map(ops.convert_to_tensor, weights)
        r = ops.sigmoid(open_logit)
        periods = (t - shift) * ops.exp(-log_period)
        phase = periods - ops.floor(periods)
        rising = 2 * phase / r
        return ops.where(phase < 0.5 * r, rising, ops.where(phase < r, 2 - rising, leak * phase))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        names = (
            *("time_feature", "min_period", "max_period"),
            *("open_ratio", "leak"),
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def without_time(shape: Sequence[int | None], name: str) -> tuple[int | None, ...]:
    """Return the shape of inputs without their last feature, the time.

    Raises:
        ValueError: if there is no other feature.
    """
    features = shape[-1]
    if features is not None and features < 2:
        raise ValueError(
            f"`inputs` to {name!r} must have at least two features with `time_feature=True`, the "
            f"last of which is the time; received shape {tuple(shape)}."
        )
    return (*shape[:-1], None if features is None else features - 1)
