"""Recurrences whose steps can be computed in chunks, from the state before each chunk."""

from typing import Any, ClassVar

import keras

from rnnlayers.cells.gated import OF_RECURRENT_KERNEL, GatedCell
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class ChunkedCell(GatedCell):
    """A cell that can compute a chunk of steps at once, from the state before the chunk.

    Subclass it and write `chunk` and `step`, which must agree. The engine "scan" then runs a
    sequence chunk by chunk, with a few large matrix products in each; `step` serves single steps
    and exports. It is for states that are too large for a `LinearCell`, whose state of each step is
    kept, such as a matrix in place of each unit.

    The first state is the output of the step, which no step reads. There is no recurrent kernel.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GatedCell` whose names do not begin with `recurrent_`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> @keras.saving.register_keras_serializable(package="example")
    ... class SumCell(ChunkedCell):
    ...     gates, state_names = ("x",), ("h", "s")
    ...
    ...     def step(self, x, states, product, constants=()):
    ...         s = states[1] + x[0]
    ...         return self.activation(s), s
    ...
    ...     def chunk(self, x, states, valid, constants=()):
    ...         added = x[0] if valid is None else ops.where(valid, x[0], 0.0)
    ...         s = states[0] + ops.cumsum(added, 0)
    ...         return self.activation(s), (s[-1],)
    >>> rnnlayers.Recurrent(SumCell(4))(np.ones((2, 50, 3))).shape
    TensorShape([2, 4])
    """

    recurrent_gates: ClassVar[int | None] = 0
    without: ClassVar[tuple[str, ...]] = OF_RECURRENT_KERNEL

    def chunk(
        self,
        x: Any,
        states: States,
        valid: Tensor | None,
        constants: tuple[Tensor, ...] = (),
    ) -> tuple[Tensor, States]:
        """Return the outputs of a chunk of steps, and the states after it.

        It reads no weights: what it needs of them comes in `x` and `constants`.

        Args:
            x: What `prepare` returned for these steps, each tensor `(steps, batch, ...)`.
            states: All states but the first, `(batch, size)` each.
            valid: Booleans `(steps, batch, 1)` or `(steps, 1, 1)`, False at steps that leave the
                states as they are, or None. The outputs of such steps do not count.
            constants: From `prepare`.

        Returns:
            The outputs `(steps, batch, output_size)`, and all states but the first.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `chunk`.")
