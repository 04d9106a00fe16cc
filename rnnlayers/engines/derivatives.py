"""The derivative of a cell's step: written by the cell where it does so, else automatic.

A derivative has two parts, so that the loop back through time holds as little as possible:

- `linearize` computes, for all steps at once, every factor that does not depend on the incoming
  gradient;
- `pull_back` takes the gradient of one step's new states to the gradients of what they came from.
"""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from rnnlayers.cells.base import RecurrentCell
from rnnlayers.engines.kept import call_with_weights
from rnnlayers.types import States, Tensor

Tensors = Sequence[Tensor]


class Pulled(NamedTuple):
    """Gradients with respect to what one step was computed from, each `(batch, units)`."""

    projected: Tensors
    recurrent: Tensors
    states: States
    weights: Tensors  # of the weights that the step itself reads, in their own shapes


class OwnDerivative:
    """The derivative of `update` that the cell has written by hand."""

    def __init__(self, cell: RecurrentCell) -> None:
        self.cell = cell
        self.needs_products = not holds(cell, "linearizes_states")

    def linearize(
        self, projected: Tensors, recurrent: Tensors, previous: States, states: States
    ) -> Tensors:
        """Return the cell's factors for all steps, each `(time, batch, units)`."""
        return self.cell.linearize(projected, recurrent, previous, states)

    def pull_back(
        self, factors: Tensors, d_states: States, weights: Tensors, dropout_mask: Tensor | None
    ) -> Pulled:
        """Return the gradients of one step from those of its new states."""
        return Pulled(*self.cell.pull_back(factors, d_states), weights=())


class AutomaticDerivative:
    """The derivative of `update`, or of a whole `step`, taken by a tape at each step back.

    Its factors are the arguments themselves.
    """

    def __init__(
        self, cell: RecurrentCell, variables: Sequence[keras.Variable], whole_step: bool
    ) -> None:
        self.cell = cell
        self.variables = variables
        self.whole_step = whole_step
        self.needs_products = not whole_step

    def linearize(
        self, projected: Tensors, recurrent: Tensors, previous: States, states: States
    ) -> Tensors:
        """Return the arguments of all steps, each with the leading axis `time`."""
        self.lengths = len(projected), len(recurrent)
        return (*projected, *recurrent, *previous)

    def pull_back(
        self, factors: Tensors, d_states: States, weights: Tensors, dropout_mask: Tensor | None
    ) -> Pulled:
        """Return the gradients of one step from those of its new states."""
        cut, second = self.lengths[0], sum(self.lengths)
        arguments = (factors[:cut], factors[cut:second], tuple(factors[second:]), tuple(weights))
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            states = advance(
                self.cell, self.variables, self.whole_step, *arguments, dropout_mask=dropout_mask
            )
        return Pulled(
            *tape.gradient(
                states,
                arguments,
                output_gradients=d_states,
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
        )


def advance(
    cell: RecurrentCell,
    variables: Sequence[keras.Variable],
    whole_step: bool,
    projected: Tensors,
    recurrent: Tensors,
    states: States,
    weights: Tensors,
    *,
    dropout_mask: Tensor | None,
) -> States:
    """Return the new states, with `weights` read in place of the cell's `variables`.

    A function whose gradient is written by hand must get its weights as arguments; the cell
    reads its own attributes. `keras.StatelessScope` stands between the two.
    """

    def step() -> States:
        if whole_step:
            return cell.step(projected[0], states, dropout_mask)
        return cell.update(projected, recurrent, states)

    return call_with_weights(cell, variables, weights, step) if variables else step()


def derivative_of(
    cell: RecurrentCell, variables: Sequence[keras.Variable], whole_step: bool
) -> OwnDerivative | AutomaticDerivative:
    """Return the cell's own derivative where it has one for the `update` it runs."""
    written = cell.has_own_derivative and holds(cell, "linearize") and holds(cell, "pull_back")
    if written and not variables and not whole_step:
        return OwnDerivative(cell)
    return AutomaticDerivative(cell, variables, whole_step)


def holds(cell: RecurrentCell, claim: str) -> bool:
    """Return whether what a class says about its `update` is true of the cell's.

    A subclass that changes `update`, or a method beside it that `update` may call, inherits what
    was said of another function.

    Args:
        cell: Of the class, or of a subclass.
        claim: Name of the class's attribute, which is no claim where it is False.
    """
    classes = type(cell).__mro__
    place = next(index for index, base in enumerate(classes) if claim in vars(base))
    changed = {name for base in classes[:place] for name in vars(base)}
    equations = {"update"} | {
        name for name in vars(classes[place]) if not name.startswith("__") and name != "get_config"
    }
    return bool(getattr(cell, claim)) and not changed & equations
