"""What an optimizer around another one passes on."""

from collections.abc import Iterable
from typing import Any

import keras

from rnnlayers.optimizers.gradients import Gradient


class OptimizerWrapper(keras.optimizers.Optimizer):
    """An optimizer that changes gradients and lets another one apply them.

    Args:
        inner_optimizer: The other one, whose state and learning rate these are.
        name: Name of the optimizer.
    """

    def __init__(self, inner_optimizer: keras.optimizers.Optimizer, name: str | None) -> None:
        # The base class needs a rate; the inner optimizer's rate is the one in use.
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self._built_for: list[Any] | None = None

    def build(self, variables: list[Any]) -> None:
        """Create the inner optimizer's variables for `variables`."""
        if self.built:
            return
        self.inner_optimizer.build(variables)
        self._build_own(variables)
        super().build(variables)
        # Keras would track an attribute, and save the model's variables with this optimizer.
        object.__setattr__(self, "_built_for", list(variables))

    def _build_own(self, variables: list[Any]) -> None:
        """Create what a subclass needs besides."""

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Gradient | None, Any]]) -> Any:
        """Call `apply` with pairs. Return the inner optimizer's `iterations`."""
        grads, variables = zip(*grads_and_vars, strict=True)
        self.apply(grads, variables)
        return self.iterations

    @property
    def variables(self) -> list[keras.Variable]:
        """The inner optimizer's variables."""
        return self.inner_optimizer.variables

    @property
    def iterations(self) -> Any:
        """The inner optimizer's count of updates."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's learning rate."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    def exclude_from_weight_decay(
        self, var_list: list[Any] | None = None, var_names: list[str] | None = None
    ) -> None:
        """Exclude variables from the inner optimizer's weight decay, before it is built."""
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def finalize_variable_values(self, var_list: list[Any]) -> None:
        """End training as the inner optimizer does."""
        self.inner_optimizer.finalize_variable_values(var_list)
