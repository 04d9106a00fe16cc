"""A cell over time: states, masks, direction."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import Cell
from rnnlayers.checks import check_positive_integer
from rnnlayers.engines.choose import check_engine, choose, run_on
from rnnlayers.layers.masks import first_mask
from rnnlayers.layers.states import CarriedStates, read_initial_state
from rnnlayers.layers.time_loop import TimeLoop
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class Recurrent(keras.Layer):
    """A recurrent cell run over time, the twin of `keras.layers.RNN`.

    Use `Elman`, `LSTM` or `GRU` for their cells, and this class for a cell of your own. It gives
    the numbers of `keras.layers.RNN(cell)`, faster, with three differences. Dropout draws one mask
    for each sequence. The other two make sure that padding never changes a result: a mask that
    comes with the inputs also counts if `initial_state` is given, and with `go_backwards` the mask
    is passed on reversed, as the outputs are.

    Args:
        cell: A `Cell`.
        return_sequences: Whether to return the output of each step instead of the last output.
        return_state: Whether to return the final states too.
        go_backwards: Whether to begin with the last step. The outputs come in the order in which
            they are computed, as in Keras.
        stateful: Whether a batch starts from the final states of the batch before, row by row.
            Needs a fixed batch size.
        unroll: Accepted for exchange with Keras, without effect: unrolling compiles for minutes
            and runs no faster.
        zero_output_for_mask: Whether masked steps output zeros instead of repeating the output
            before them.
        engine: "auto" chooses by the cell and the shapes. "native" is the fastest engine, for the
            common cells on CPUs; "compiled" runs every cell; "stepwise" is the reference. The
            numbers are the same to float rounding. `rnnlayers.explain_engine` says what "auto"
            does. ("fused", the old name of "compiled", is still accepted.)
        truncate: Truncated backpropagation through time: stop the gradient every `truncate` steps,
            counted from the first step that is computed. None never stops it.
        remat: Rematerialisation, for long sequences: the engine saves the states every `remat`
            steps only, and computes the others again in the backward pass. It must divide
            `truncate`, and equals `truncate` by default. With neither, sequences of a known length
            below 2000 steps save all states, and longer ones those of about every 125th step.
            Linear recurrences save all states on the engines "native" and "scan".
        learn_initial_state: Whether the states before the first step are weights, `initial_h` and
            the like, `(size,)` each, that begin with zeros, instead of zeros.
        **kwargs: `name`, `dtype`, `trainable`, `activity_regularizer` of `keras.Layer`.

    Call arguments:
        sequences: `(batch, timesteps, features)`.
        initial_state: One tensor `(batch, units)` for each state of the cell, in a list, or the
            tensor alone if there is one state; a single row serves the whole batch. None starts
            from `get_initial_state`, which is zeros.
        mask: Booleans `(batch, timesteps)`, False at steps to skip, in any pattern; a single row
            serves the whole batch. By default the mask that comes with `sequences`, for example
            from `keras.layers.Embedding`.
        training: Whether dropout applies.
        sequences_mask: Keras passes the mask of `sequences` here if `initial_state` is given;
            `mask` prevails.
        in_time_order: Whether outputs stay at their steps in spite of `go_backwards`.

    Returns:
        The last output `(batch, units)`, or all outputs `(batch, timesteps, units)` with
        `return_sequences`; with `return_state` followed by the final states `(batch, units)`.

    Masking:
        A masked step keeps the states. Its output repeats the output before it, or is zero if there
        is none or with `zero_output_for_mask`. Rows may be masked entirely. Inputs at masked steps,
        even NaN, affect neither outputs nor gradients. With `return_sequences` the mask is passed
        on to the next layer.

    Raises:
        ValueError: if an argument, the rank of the inputs or the shape of a state does not fit.

    Example:

    >>> layer = Recurrent(rnnlayers.GRUCell(4), return_sequences=True)
    >>> layer(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """

    def __init__(
        self,
        cell: Cell,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        engine: str = "auto",
        truncate: int | None = None,
        remat: int | None = None,
        learn_initial_state: bool = False,
        **kwargs: Any,
    ) -> None:
        if not isinstance(cell, Cell):
            raise ValueError(
                f"`cell` must be an `rnnlayers.Cell`; received {cell!r}. "
                "`keras.layers.RNN` runs other cells."
            )
        if type(cell).call is not Cell.call:
            raise ValueError(
                "`cell` must define its equations in `step`, which engines run; received a "
                f"{type(cell).__name__}, which overrides `call`. `keras.layers.RNN` runs `call`."
            )
        engine = check_engine(engine, cell)
        for name, steps in (("truncate", truncate), ("remat", remat)):
            check_positive_integer(name, steps, "a number of steps", or_none=True)
        if truncate is not None and remat is not None and truncate % remat:
            raise ValueError(
                f"`remat` must divide `truncate`, {truncate}, so that the gradient stops between "
                f"two segments; received {remat}. By default they are equal."
            )
        if learn_initial_state and stateful:
            raise ValueError(
                "`learn_initial_state` must be False with `stateful=True`, whose states before the "
                "first step are those after the batch before; received True."
            )
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.engine = engine
        self.truncate = truncate
        self.remat = remat
        self.learn_initial_state = learn_initial_state
        # Set here, since Keras' own recurrent layers stop passing masks on in 3.16.
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self._carried = CarriedStates()

    def build(self, sequences_shape: Sequence[int | None], initial_state_shape: Any = None) -> None:
        """Create the weights for sequences of shape `(batch, timesteps, features)`."""
        if not self.cell.built:
            self.cell.build((sequences_shape[0], sequences_shape[2]))
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sequences_shape[2]})
        if self.learn_initial_state:
            self.initial_states = [
                self.add_weight(name=f"initial_{name}", shape=(size,), initializer="zeros")
                for name, size in zip(self.cell.state_names, self.cell.state_sizes, strict=True)
            ]
        if self.stateful and not self._carried.variables:
            batch = sequences_shape[0]
            if batch is None:
                raise ValueError(
                    f"`stateful=True` needs a fixed batch size in {self.name!r}; received "
                    f"sequences of shape {tuple(sequences_shape)}. Pass `batch_size` to "
                    "`keras.Input`."
                )
            self._carried.create(self.cell.get_initial_state(batch), self.variable_dtype)

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
        sequences_mask: Any = None,
        in_time_order: bool = False,
    ) -> Any:
        """Run the cell over `sequences`."""
        outputs, states = self._loop().run(
            sequences,
            self._start(sequences, initial_state),
            mask if mask is not None else sequences_mask,
            training=training,
            in_time_order=in_time_order,
        )
        if self.stateful:
            self._carried.assign(states)
        return (outputs, *states) if self.return_state else outputs

    @tf.autograph.experimental.do_not_convert  # as Keras does with `call`
    def take_step(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Take one step, for sequences that come bit by bit.

        Args:
            inputs: `(batch, features)`.
            states: One tensor `(batch, size)` for each state of the cell.
            training: Whether dropout applies.

        Returns:
            The output `(batch, units)` and the new states.
        """
        if training or not self._steps_are_native(inputs, *states):
            output, new = self.cell(inputs, list(states), training=training)
            return output, list(new)
        inputs, *states = (ops.cast(given, self.compute_dtype) for given in (inputs, *states))
        how = {"batch_major": True, "return_sequences": False}
        output, new = run_on("native", self.cell, ops.expand_dims(inputs, 1), tuple(states), **how)
        return (new[0] if output is None else output), list(new)

    def _steps_are_native(self, inputs: Tensor, *states: Tensor) -> bool:
        """Return whether the native engine takes single steps, in one operator."""
        if not self.cell.built or not all(map(tf.is_tensor, (inputs, *states))):
            return False
        return choose(self.cell, self.engine, inputs.shape[0], 1, False).engine == "native"

    def _loop(self) -> TimeLoop:
        """Return the loop over time with the settings of this moment."""
        return TimeLoop(
            self.cell,
            self.engine,
            self.return_sequences,
            reverse=self.go_backwards,
            zero_output_for_mask=self.zero_output_for_mask,
            truncate=self.truncate,
            remat=self.remat,
        )

    def _start(self, sequences: Tensor, initial_state: Any) -> States | None:
        """Return the states before the first step, None for zeros, which an engine may not need."""
        zeros = initial_state is None and self._makes_zeros
        return None if zeros else self._states_before(sequences, initial_state)

    def _states_before(self, sequences: Tensor, initial_state: Any) -> States:
        """Return the states before the first step, checked, in the compute dtype."""
        if self.stateful:
            self._carried.check_batch(sequences, self.name)
        batch = ops.shape(sequences)[0]
        if initial_state is None and self._makes_zeros:
            zeros = self.cell.get_initial_state(batch)
            return tuple(ops.cast(state, self.compute_dtype) for state in zeros)
        if initial_state is None and self.stateful:
            initial_state = [variable.value for variable in self._carried.variables]
        elif initial_state is None:
            initial_state = self.get_initial_state(batch)
        return read_initial_state(
            initial_state,
            self.cell.get_initial_state(batch),
            self.cell.state_names,
            self.compute_dtype,
            self.name,
        )

    @property
    def _makes_zeros(self) -> bool:
        """Whether a sequence begins with zeros if no initial state is given."""
        own = type(self).get_initial_state, type(self.cell).get_initial_state
        zeros = own == (Recurrent.get_initial_state, Cell.get_initial_state)
        return zeros and not self.stateful and not self.learn_initial_state

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        """Return the mask of each output: the inputs' with `return_sequences`, else None.

        With `go_backwards` it is reversed, as the outputs are.
        """
        mask = first_mask(mask) if self.return_sequences else None
        if mask is not None and self.go_backwards:
            mask = ops.flip(mask, axis=1)
        return [mask, *(None for _ in self.cell.state_names)] if self.return_state else mask

    def compute_output_shape(
        self, sequences_shape: Sequence[int | None], initial_state_shape: Any = None
    ) -> Any:
        """Return the shape of each output."""
        batch, timesteps, _ = sequences_shape
        output = (batch, self.cell.output_size)
        outputs = (batch, timesteps, self.cell.output_size) if self.return_sequences else output
        states = [(batch, size) for size in self.cell.state_sizes]
        return (outputs, *states) if self.return_state else outputs

    def get_initial_state(self, batch_size: Any) -> list[Tensor]:
        """Return the states before the first step, `(batch_size, units)` for each of the cell's."""
        if not self.learn_initial_state:
            return self.cell.get_initial_state(batch_size)
        return [
            ops.broadcast_to(ops.cast(state, self.compute_dtype), (batch_size, state.shape[0]))
            for state in self.initial_states
        ]

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Size of each state of the cell."""
        return self.cell.state_sizes

    @property
    def state_size(self) -> int | list[int]:
        """Size of the state of the cell, or the list of sizes, as in Keras."""
        return self.cell.state_size

    @property
    def single_state(self) -> bool:
        """Whether the cell has one state, as in Keras."""
        return len(self.cell.state_names) == 1

    @property
    def states(self) -> list[Tensor] | None:
        """The states carried to the next batch, or None for a layer that carries none."""
        return self._carried.variables or None

    def reset_state(self, states: Any = None) -> None:
        """Set the states of a stateful layer to zeros, or to `states`, one array for each state.

        Without `states`, a layer that carries none does nothing.
        """
        self._carried.reset(states, self.stateful, self.name)

    reset_states = reset_state  # Keras knows both names

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
            "engine": self.engine,
            "truncate": self.truncate,
            "remat": self.remat,
            "learn_initial_state": self.learn_initial_state,
            "cell": keras.saving.serialize_keras_object(self.cell),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Recurrent":
        """Create a layer from the result of `get_config`."""
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(cell, **{name: value for name, value in config.items() if name != "cell"})
