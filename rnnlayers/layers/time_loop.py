"""The loop over time of a layer: the engine, the layout of the sequences, and masked outputs."""

from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import SideInputs
from rnnlayers.engines.choose import choose, is_one_operator, run_on
from rnnlayers.engines.inference import run_inference
from rnnlayers.layers.masks import (
    last_output,
    repeat_at_masked_steps,
    time_major_mask,
    zero_before_first_step,
    zero_where_false,
)
from rnnlayers.types import States, Tensor


class TimeLoop(NamedTuple):
    """A cell, and how it runs over time.

    Args:
        cell: A built cell.
        engine: The `engine` of the layer.
        return_sequences: Whether the outputs of all steps are returned.
        reverse: Whether the last step is computed first.
        zero_output_for_mask: As for `Recurrent`.
        truncate: As for `Recurrent`.
        remat: As for `Recurrent`.
    """

    cell: Cell
    engine: str
    return_sequences: bool
    reverse: bool = False
    zero_output_for_mask: bool = False
    truncate: int | None = None
    remat: int | None = None

    def run(
        self,
        sequences: Tensor,
        states: States | None,
        mask: Any = None,
        *,
        training: bool = False,
        memory: tuple[Tensor, ...] = (),
        in_time_order: bool = False,
    ) -> tuple[Tensor, States]:
        """Return the outputs and the final states, from states before the first step.

        Args:
            sequences: `(batch, timesteps, features)`.
            states: One tensor `(batch, size)` for each state of the cell; None for zeros.
            mask: As for the call of a `Recurrent` layer.
            training: Whether dropout applies.
            memory: Tensors that come first in `side.sequence` of the cell.
            in_time_order: Whether outputs stay at their steps in spite of `reverse`.
        """
        mask = time_major_mask(mask, sequences)
        batch, time, _ = sequences.shape
        choice = choose(self.cell, self.engine, batch, time, training)
        starts_at_zero = states is None
        if states is None and not is_one_operator(choice.engine):  # which needs none
            zeros = self.cell.get_initial_state(ops.shape(sequences)[0])
            states = tuple(ops.cast(state, self.cell.compute_dtype) for state in zeros)
        through_time = partial(
            self._through_time,
            training=bool(training),
            starts_at_zero=starts_at_zero,
            in_time_order=in_time_order,
        )
        to_compile = choice.engine != "stepwise" and not is_one_operator(choice.engine)
        if to_compile and states is not None and not training and not tf.executing_eagerly():
            return run_inference(self.cell, choice, through_time, sequences, states, mask, memory)
        return through_time(choice.engine, sequences, states, mask, memory)

    def _through_time(
        self,
        engine: str,
        sequences: Tensor,
        states: States | None,
        mask: Tensor | None,
        memory: tuple[Tensor, ...],
        *,
        training: bool,
        starts_at_zero: bool,
        in_time_order: bool,
        to_differentiate: bool = False,
    ) -> tuple[Tensor, States]:
        """Return the outputs, batch-major, and the final states."""
        if is_one_operator(engine):  # which moves no axis and knows what is masked
            inputs, layout = sequences, {"batch_major": True}
        else:
            inputs, layout = ops.transpose(sequences, (1, 0, 2)), {}
            if mask is not None:
                # A product with the mask would not do: 0 * NaN is NaN, in gradients too.
                inputs = ops.where(mask, inputs, ops.zeros_like(inputs))
        side = None
        if training:
            # Cells that run in one operator draw the same for all steps.
            drawn_for = ops.transpose(inputs[:, :1], (1, 0, 2)) if layout else inputs
            side = self.cell.draw(drawn_for)
        if memory:
            drawn = SideInputs() if side is None else side
            side = SideInputs(drawn.steps, (*memory, *drawn.sequence))
        outputs, states = run_on(
            engine,
            self.cell,
            inputs,
            states,
            mask=mask,
            side=side,
            reverse=self.reverse,
            return_sequences=self.return_sequences,
            training=training or to_differentiate,
            truncate=self.truncate,
            remat=self.remat,
            **layout,
        )
        return self.finish(
            outputs,
            states,
            mask,
            starts_at_zero=starts_at_zero,
            in_time_order=in_time_order,
            batch_major=bool(layout),
        )

    def finish(
        self,
        outputs: Tensor | None,
        states: States,
        mask: Tensor | None,
        *,
        starts_at_zero: bool,
        in_time_order: bool,
        batch_major: bool,
    ) -> tuple[Tensor, States]:
        """Return the outputs of an engine as those of the layer, batch-major, and the states."""
        if self.cell.reads and not batch_major:  # else the one operator has done so
            if mask is not None:
                outputs = repeat_at_masked_steps(outputs, mask, reverse=self.reverse)
            if not self.return_sequences:
                outputs = last_output(outputs, reverse=self.reverse)
        elif not self.cell.reads and not self.return_sequences:
            outputs = states[0]
        if mask is not None:
            how = {"reverse": self.reverse, "over_time": self.return_sequences}
            how["batch_major"] = batch_major
            # A masked step repeats the output before it.
            if self.zero_output_for_mask:
                outputs = zero_where_false(outputs, mask, **how)
            elif self.cell.reads or not starts_at_zero:
                outputs = zero_before_first_step(outputs, mask, **how)
        if self.return_sequences:
            if self.reverse and not in_time_order:
                outputs = ops.flip(outputs, axis=1 if batch_major else 0)
            if not batch_major:
                outputs = ops.transpose(outputs, (1, 0, 2))
        return outputs, states
