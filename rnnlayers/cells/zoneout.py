"""Zoneout: units that keep their state now and then."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import Multiply, Product, SideInputs
from rnnlayers.cells.wrappers import CellWrapper
from rnnlayers.checks import check_rate
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class ZoneoutCell(CellWrapper):
    """A cell whose units keep their state now and then while training: zoneout.

        s = k * s_prev + (1 - k) * s_new

    for each state s that has a rate. While training, k is 1 with the probability `rate` and else 0,
    drawn for each unit, row and step; in inference k is the rate itself. Dropout would cut the
    path of the gradient through time; zoneout keeps it open.

    Args:
        cell: A `Cell`.
        rate: The probability of keeping a state, in [0, 1). A number applies to the states named h
            and c. A dictionary gives each state its own: `{"h": 0.05, "c": 0.5}`.
        seed: Seed of the masks.
        **kwargs: As for `CellWrapper`.

    Call arguments and returns are those of `Cell`.

    Raises:
        ValueError: if a rate is out of its range, or the cell has no state of a name.

    Example:

    >>> cell = rnnlayers.ZoneoutCell(rnnlayers.LSTMCell(4), {"h": 0.05, "c": 0.5})
    >>> rnnlayers.Recurrent(cell)(np.ones((2, 5, 3))).shape
    TensorShape([2, 4])

    Reference: Krueger et al. (2017), Zoneout: regularizing RNNs by randomly preserving hidden
    activations, equations 2 and 6.
    """

    def __init__(
        self,
        cell: Cell,
        rate: float | Mapping[str, float] = 0.1,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cell, **kwargs)
        names = cell.state_names
        rates = rate if isinstance(rate, Mapping) else {n: rate for n in names if n in ("h", "c")}
        if not rates or not set(rates) <= set(names):
            raise ValueError(
                f"`rate` must be a number for the states h and c, or a dictionary with names of "
                f"the states of {type(cell).__name__}, {', '.join(names)}; received {rate!r}."
            )
        for name, value in rates.items():
            check_rate("rate" if rates is not rate else f"rate[{name!r}]", value)
        self.rate = dict(rate) if isinstance(rate, Mapping) else float(rate)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._rates = [float(rates.get(name, 0.0)) for name in names]

    def draw(self, inputs: Tensor) -> SideInputs:
        """Return what the cell draws, and k for each state with a rate, `(time, batch, size)`."""
        steps, sequence = self.cell.draw(inputs)
        time, batch = ops.shape(inputs)[:2]
        kept = tuple(
            ops.cast(
                keras.random.uniform((time, batch, size), seed=self.seed_generator) < rate,
                self.compute_dtype,
            )
            for rate, size in zip(self._rates, self.state_sizes, strict=True)
            if rate
        )
        return SideInputs((*steps, *kept), sequence)

    def prepare(
        self, inputs: Tensor, side: SideInputs | None = None
    ) -> tuple[Any, tuple[Tensor, ...]]:
        """Return what a step reads, in training with k; see `Cell.prepare`."""
        inner, kept = self._split(side)
        x, constants = self.cell.prepare(inputs, inner)
        return (x, *kept), constants

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices of the cell."""
        return self.cell.products(self._split(side)[0])

    def _split(self, side: SideInputs | None) -> tuple[SideInputs | None, tuple[Tensor, ...]]:
        """Return the side inputs of the cell, and k for each state with a rate."""
        count = sum(rate > 0 for rate in self._rates)
        if side is None or len(side.steps) < count:  # the memory of a decoder alone
            return side, ()
        cut = len(side.steps) - count
        return side._replace(steps=side.steps[:cut]), side.steps[cut:]

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        x, *drawn = x
        new, left = self.cell.step(x, states, product, constants), iter(drawn)
        mixed = []
        for rate, before, after in zip(self._rates, states, new, strict=True):
            if not rate:
                mixed.append(after)
            elif drawn:
                k = ops.stop_gradient(next(left))
                mixed.append(k * before + (1 - k) * after)
            else:
                mixed.append(rate * before + (1 - rate) * after)
        return tuple(mixed)

    def read(
        self, x: Any, states: States, previous: States, constants: tuple[Tensor, ...] = ()
    ) -> Tensor:
        """Return the outputs of all steps; see `Cell.read`."""
        return self.cell.read(x[0], states, previous, constants)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
