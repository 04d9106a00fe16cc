"""The contract of cells up to version 0.1, adapted to that of `Cell`. It goes in version 0.3.

A cell of that contract defined `update(projected, recurrent, states)`, or a `step` that took a
dropout mask instead of `product`.
"""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

from keras import ops

from rnnlayers.cells.parts import Fused, by
from rnnlayers.types import States, Tensor


class OldContract:
    """Adapts cells that define `update`, `recur`, or `step` without `product`."""

    gates: ClassVar[tuple[str, ...]]
    products: Callable[..., Any]
    drop: Callable[..., Tensor]
    step: Callable[..., States]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Adapt the methods that a class defines."""
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        if "activate" in own:
            raise TypeError(
                f"{cls.__name__} defines `activate`, which no step calls any more. Define `step`."
            )
        step = own.get("step")
        if step is not None and "product" not in inspect.signature(step).parameters:
            _warn(cls, "step")
            cls.step = _from_old_step(step)
        elif "update" in own or "recur" in own:
            _warn(cls, "update" if "update" in own else "recur")
            cls.step = _from_update
        elif step is not None:
            cls.step = _taking_old_arguments(step)

    def update(self, projected: Any, recurrent: Any, states: States) -> States:
        """Return the new states from the two parts of the gates, as `step` computes them."""
        steps = (vars(base).get("step") for base in type(self).__mro__)
        step = next((step for step in steps if hasattr(step, "__wrapped__")), None)
        if step is None:
            raise NotImplementedError(f"{type(self).__name__} must define `step`.")
        cut = self.split(recurrent)
        return step.__wrapped__(self, self.split(projected), states, lambda v, name="": cut)

    def recur(self, h_prev: Tensor) -> Tensor:
        """Return the part of `h_prev` `(batch, units)` in the gates, `(batch, gates * units)`."""
        return self.products()[""].of(h_prev)

    def split(self, fused: Any) -> list[Tensor]:
        """Cut `(..., gates * units)` into one tensor `(..., units)` for each of `gates`."""
        return (
            list(fused) if isinstance(fused, list | tuple) else Fused(fused, len(self.gates)).cut()
        )


def _from_update(
    self: Any, x: Any, states: States, product: Any = None, constants: tuple[Tensor, ...] = ()
) -> States:
    """Take a step by `update`."""
    if not callable(product):
        x, product, constants = _new_arguments(self, x, product, constants)
    h_prev = self.drop(states[0], constants)
    recurs = type(self).recur is not OldContract.recur
    return self.update(x, self.recur(h_prev) if recurs else product(h_prev), states)


def _from_old_step(old: Callable[..., States]) -> Callable[..., States]:
    """Return a step of today's contract from one that took a dropout mask."""

    def step(
        self: Any, x: Any, states: States, product: Any = None, constants: tuple[Tensor, ...] = ()
    ) -> States:
        mask = constants[0] if constants else None
        if not callable(product):
            mask = product
        projected = ops.concatenate(x, -1) if isinstance(x, list | tuple) else x
        return old(self, projected, states, mask)

    return step


def _taking_old_arguments(step: Callable[..., States]) -> Callable[..., States]:
    """Return a step that may also be called with gates side by side and a dropout mask."""

    @functools.wraps(step)
    def either(
        self: Any,
        x: Any,
        states: States,
        product: Any = None,
        constants: tuple[Tensor, ...] = (),
        **options: Any,
    ) -> States:
        if not callable(product):
            mask = options.pop("recurrent_dropout_mask", product)
            x, product, constants = _new_arguments(self, x, mask, constants)
        return step(self, x, states, product, constants)

    return either


def _new_arguments(
    cell: Any, projected: Any, mask: Tensor | None, constants: tuple[Tensor, ...]
) -> tuple[list[Tensor], Callable[..., Any], tuple[Tensor, ...]]:
    return cell.split(projected), by(cell.products()), constants if mask is None else (mask,)


def _warn(cls: type, name: str) -> None:
    warnings.warn(
        f"`{name}` of {cls.__name__} belongs to the contract of cells before version 0.2. It runs, "
        "without its own derivative. Define `step(x, states, product, constants)` instead, see "
        "`rnnlayers.Cell`.",
        DeprecationWarning,
        stacklevel=4,
    )
