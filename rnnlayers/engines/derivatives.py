"""The derivative of a cell's step: the cell's own if it has one, otherwise automatic.

A derivative has two parts, so that the loop back through time computes as little as possible:

- `linearize` computes, for all steps at once, every factor that does not depend on the incoming
  gradient;
- `pull_back` computes, from the gradients of one step's new states, those of its arguments.
"""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from rnnlayers.cells.base import RecurrentCell
from rnnlayers.engines.graph_cache import call_with_weights
from rnnlayers.types import States, Tensor

Tensors = Sequence[Tensor]


class StepGradients(NamedTuple):
    """Gradients with respect to the arguments of one step, each `(batch, units)`."""

    projected: Tensors
    recurrent: Tensors
    states: States
    weights: Tensors  # of the weights that the step reads, in their own shapes


class OwnDerivative:
    """The derivative of `update` that is written in the cell."""

    def __init__(self, cell: RecurrentCell) -> None:
        self.cell = cell
        self.needs_products = not declares(cell, "linearizes_states")

    def linearize(
        self, projected: Tensors, recurrent: Tensors, previous: States, states: States
    ) -> Tensors:
        """Return the cell's factors for all steps, each `(time, batch, units)`."""
        return self.cell.linearize(projected, recurrent, previous, states)

    def pull_back(
        self, factors: Tensors, d_states: States, weights: Tensors, dropout_mask: Tensor | None
    ) -> StepGradients:
        """Return the gradients of one step, from those of its new states."""
        return StepGradients(*self.cell.pull_back(factors, d_states), weights=())


class AutomaticDerivative:
    """The derivative of `update`, or of a whole `step`, by a tape at each step of the loop back.

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
    ) -> StepGradients:
        """Return the gradients of one step, from those of its new states."""
        cut, second = self.lengths[0], sum(self.lengths)
        arguments = (factors[:cut], factors[cut:second], tuple(factors[second:]), tuple(weights))
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            states = advance(
                self.cell, self.variables, self.whole_step, *arguments, dropout_mask=dropout_mask
            )
        return StepGradients(
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
    """Return the new states, computed with `weights` in place of the cell's `variables`.

    A function with a gradient written by hand must get its weights as arguments, while a cell
    reads its own attributes. `keras.StatelessScope` connects the two.
    """

    def step() -> States:
        if whole_step:
            return cell.step(projected[0], states, dropout_mask)
        return cell.update(projected, recurrent, states)

    return call_with_weights(cell, variables, weights, step) if variables else step()


def derivative_of(
    cell: RecurrentCell, variables: Sequence[keras.Variable], whole_step: bool
) -> OwnDerivative | AutomaticDerivative:
    """Return the cell's own derivative if it has one for its `update`."""
    written = (
        cell.has_own_derivative and declares(cell, "linearize") and declares(cell, "pull_back")
    )
    if written and not variables and not whole_step:
        return OwnDerivative(cell)
    return AutomaticDerivative(cell, variables, whole_step)


def declares(cell: RecurrentCell, claim: str) -> bool:
    """Return whether a cell declares something about its own `update`.

    A subclass that changes `update`, or another method of the class that `update` may call,
    inherits declarations about another function. They do not count.

    Args:
        cell: The cell.
        claim: Name of the class attribute that declares it. False declares nothing.
    """
    classes = type(cell).__mro__
    place = next(index for index, base in enumerate(classes) if claim in vars(base))
    changed = {name for base in classes[:place] for name in vars(base)}
    equations = {"update"} | {
        name for name in vars(classes[place]) if not name.startswith("__") and name != "get_config"
    }
    return bool(getattr(cell, claim)) and not changed & equations
