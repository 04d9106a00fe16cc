"""A cell over time: states, masks, direction."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import RecurrentCell
from rnnlayers.checks import check_positive_integer
from rnnlayers.engines.choose import check_engine, choose, run
from rnnlayers.engines.whole import run_whole
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class Recurrent(keras.Layer):
    """A recurrent cell run over time, the twin of `keras.layers.RNN`.

    Use `Elman`, `LSTM` or `GRU` for their cells, and this class for a cell of your own. It gives
    the numbers of `keras.layers.RNN(cell)`, faster. It differs in three places: dropout draws one
    mask a sequence for any `RecurrentCell`; and, so that padding never changes a result, a mask
    that comes with the inputs also counts where `initial_state` is given, and with `go_backwards`
    it goes on reversed, as the outputs are.

    Args:
        cell: A `RecurrentCell`.
        return_sequences: Whether to return the output of each step instead of the last one's.
        return_state: Whether to return the final states too.
        go_backwards: Whether to begin with the last step. The outputs come in the order in which
            they are computed, as in Keras.
        stateful: Whether a batch starts from the final states of the batch before, row by row.
            Needs a fixed batch size.
        unroll: Accepted, for exchange with Keras, and without effect: unrolling compiles for
            minutes and runs no faster.
        zero_output_for_mask: Whether masked steps put out zeros instead of repeating the output
            before them.
        engine: "auto" chooses how the loop runs by the shapes; "fused" is the fast engine,
            "stepwise" the reference. The numbers are the same to float rounding;
            `rnnlayers.explain_engine` says what "auto" does. "fused" has no second derivatives.
        truncate: Truncated backpropagation through time: stop the gradient at every so many
            steps, counted from where the layer begins. None lets it flow all the way.
        remat: Rematerialisation, for long sequences: the fast engine keeps the states of every so
            many steps only and computes the others anew on the way back. It must divide `truncate`,
            which it is by default. Otherwise None keeps all states of sequences of known length
            below 2000 steps, and those of every 125th step, about, of longer ones.
        **kwargs: `name`, `dtype`, `trainable`, `activity_regularizer` of `keras.Layer`.

    Call arguments:
        sequences: `(batch, timesteps, features)`.
        initial_state: One tensor `(batch, units)` for each state of the cell, in a list, or the
            tensor alone where there is one; a single row serves all of the batch. None starts from
            `get_initial_state`, which is zeros.
        mask: Booleans `(batch, timesteps)`, False at steps to skip, in any pattern; a single row
            serves all of the batch. By default the mask that comes with `sequences`, as
            `keras.layers.Embedding` sends it.
        training: Whether dropout applies.
        sequences_mask: Keras passes the mask of `sequences` here where `initial_state` is given;
            `mask` prevails.
        in_time_order: Whether outputs stay at their steps in spite of `go_backwards`.

    Returns:
        The last output `(batch, units)`, or all outputs `(batch, timesteps, units)` with
        `return_sequences`; with `return_state` followed by the final states `(batch, units)`.

    Masking:
        A masked step leaves the states as they are; its output repeats the one before, zeros if
        there is none, or is zero with `zero_output_for_mask`. Rows may be masked entirely. What
        the inputs hold at a masked step, NaN too, reaches neither outputs nor gradients. The mask
        goes on to the next layer with `return_sequences`.

    Raises:
        ValueError: if an argument, the rank of the inputs or the shape of a state does not fit.

    Example:

    >>> layer = Recurrent(rnnlayers.GRUCell(4), return_sequences=True)
    >>> layer(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """

    def __init__(
        self,
        cell: RecurrentCell,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        engine: str = "auto",
        truncate: int | None = None,
        remat: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(cell, RecurrentCell):
            raise ValueError(
                f"`cell` must be an `rnnlayers.RecurrentCell`; received {cell!r}. "
                "`keras.layers.RNN` runs other cells."
            )
        if type(cell).call is not RecurrentCell.call:
            raise ValueError(
                f"`cell` must define its step by `update` or `step`, which engines run, not by "
                f"`call`, as {type(cell).__name__} does. `keras.layers.RNN` runs `call`."
            )
        check_engine(engine)
        for name, steps in (("truncate", truncate), ("remat", remat)):
            check_positive_integer(name, steps, "a number of steps", or_none=True)
        if truncate is not None and remat is not None and truncate % remat:
            raise ValueError(
                f"`remat` must divide `truncate`, {truncate}, so that the gradient stops between "
                f"two spans; received {remat}. By default they are the same."
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
        # Not left to Keras: its own recurrent layers stop passing masks on in 3.16.
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)
        # A plain object hides the variables from Keras, as its own layers do: they depend on the
        # batch size and are no part of what is saved or exchanged.
        self._hidden = _Hidden()

    def build(self, sequences_shape: Sequence[int | None], initial_state_shape: Any = None) -> None:
        """Create the weights for sequences of shape `(batch, timesteps, features)`."""
        if not self.cell.built:
            self.cell.build((sequences_shape[0], sequences_shape[2]))
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sequences_shape[2]})
        if self.stateful and not self._hidden.states:
            batch = sequences_shape[0]
            if batch is None:
                raise ValueError(
                    f"`stateful=True` needs a fixed batch size in {self.name!r}; received "
                    f"sequences of shape {tuple(sequences_shape)}. Pass `batch_size` to "
                    "`keras.Input`."
                )
            self._hidden.states = [
                keras.Variable(zeros, trainable=False, dtype=self.variable_dtype, name="state")
                for zeros in self.cell.get_initial_state(batch)
            ]

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
        starts_at_zero = initial_state is None and self._makes_zeros
        states = self._states_before(sequences, initial_state)
        mask = _time_major_mask(mask if mask is not None else sequences_mask, sequences)
        batch, time, _ = sequences.shape
        choice = choose(self.engine, batch, time, training)
        through_time = partial(
            self._through_time,
            training=bool(training),
            starts_at_zero=starts_at_zero,
            in_time_order=in_time_order,
        )
        if choice.engine == "fused" and not training and not tf.executing_eagerly():
            outputs, states = run_whole(self.cell, choice, through_time, sequences, states, mask)
        else:
            outputs, states = through_time(choice.engine, sequences, states, mask)
        if self.stateful:
            for variable, state in zip(self._hidden.states, states, strict=True):
                variable.assign(state)
        return (outputs, *states) if self.return_state else outputs

    def _through_time(
        self,
        engine: str,
        sequences: Tensor,
        states: States,
        mask: Tensor | None,
        *,
        training: bool,
        starts_at_zero: bool,
        in_time_order: bool,
        to_differentiate: bool = False,
    ) -> tuple[Tensor, States]:
        """Return the outputs, batch-major, and the final states."""
        inputs = ops.transpose(sequences, (1, 0, 2))
        if mask is not None:
            # No value at a masked step counts, also where it is no number: 0 * NaN is NaN, in
            # gradients too.
            inputs = ops.where(mask, inputs, ops.zeros_like(inputs))
        recurrent_dropout_mask = None
        if training:
            inputs = self.cell.drop_inputs(inputs)
            recurrent_dropout_mask = self.cell.draw_recurrent_dropout_mask(states[0])
        outputs, states = run(
            engine,
            self.cell,
            inputs,
            states,
            mask=mask,
            recurrent_dropout_mask=recurrent_dropout_mask,
            reverse=self.go_backwards,
            return_sequences=self.return_sequences,
            training=training or to_differentiate,
            truncate=self.truncate,
            remat=self.remat,
        )
        if not self.return_sequences:
            outputs = states[0]
        if mask is not None:
            outputs = self._mask_outputs(outputs, mask, starts_at_zero)
        if self.return_sequences:
            if self.go_backwards and not in_time_order:
                outputs = ops.flip(outputs, axis=0)
            outputs = ops.transpose(outputs, (1, 0, 2))
        return outputs, states

    def _states_before(self, sequences: Tensor, initial_state: Any) -> States:
        """Return the states before the first step, checked, in the compute dtype."""
        batch = ops.shape(sequences)[0]
        if self.stateful and not self._hidden.states:
            raise ValueError(
                f"`stateful` of {self.name!r} must be set before the layer is built: there are no "
                "states to carry over. Make a new layer with `stateful=True` and a fixed batch "
                "size, and give it the weights of this one."
            )
        if self.stateful and not _compatible(sequences.shape[:1], self._hidden.states[0].shape[:1]):
            raise ValueError(
                f"`sequences` to the stateful {self.name!r} must have the batch size it was built "
                f"with, {self._hidden.states[0].shape[0]}; received {tuple(sequences.shape)}. To "
                "export it, make one with `stateful=False` and the same weights, which takes its "
                "states as `initial_state` and returns them with `return_state=True`."
            )
        if initial_state is not None:
            states = initial_state if isinstance(initial_state, list | tuple) else [initial_state]
        elif self.stateful:
            states = [variable.value for variable in self._hidden.states]
        else:
            states = self.get_initial_state(batch)
        # Read now: the variables of a stateful layer will have changed on the way back.
        states = tuple(
            tf.convert_to_tensor(ops.convert_to_tensor(state, self.compute_dtype))
            for state in states
        )
        expected = self.cell.get_initial_state(batch)
        fits = len(states) == len(expected) and all(
            _compatible(state.shape, zeros.shape) or tuple(state.shape) == (1, zeros.shape[-1])
            for state, zeros in zip(states, expected, strict=True)
        )
        if not fits:
            raise ValueError(
                f"`initial_state` of {self.name!r} must be one tensor (batch, units) for each of "
                f"the states {', '.join(self.cell.state_names)}: "
                f"{[tuple(zeros.shape) for zeros in expected]}; received "
                f"{[tuple(state.shape) for state in states]}."
            )
        return tuple(
            ops.broadcast_to(state, ops.shape(zeros)) if state.shape[0] == 1 else state
            for state, zeros in zip(states, expected, strict=True)
        )

    @property
    def _makes_zeros(self) -> bool:
        """Whether a sequence begins with zeros where no initial state is given."""
        own = type(self).get_initial_state, type(self.cell).get_initial_state
        return not self.stateful and own == (
            Recurrent.get_initial_state,
            RecurrentCell.get_initial_state,
        )

    def _mask_outputs(self, outputs: Tensor, mask: Tensor, starts_at_zero: bool) -> Tensor:
        """Set the outputs of masked steps, where the engine has repeated the one before."""
        if self.zero_output_for_mask:
            seen = mask
        elif starts_at_zero:
            return outputs
        else:  # before a row's first step there is no output, whatever its initial state
            seen = ops.flip(mask, 0) if self.go_backwards else mask
            seen = ops.cumsum(ops.cast(seen, "int32"), 0) > 0
            seen = ops.flip(seen, 0) if self.go_backwards else seen
        if not self.return_sequences:
            last = seen[:1] if self.go_backwards else seen[-1:]
            seen = ops.any(last, axis=0)  # False where there is no step at all
        return ops.where(seen, outputs, ops.zeros_like(outputs))

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        """Return the mask of each output: the inputs' with `return_sequences`, else None.

        With `go_backwards` it is reversed, as the outputs are.
        """
        mask = _first(mask) if self.return_sequences else None
        if mask is not None and self.go_backwards:
            mask = ops.flip(mask, axis=1)
        return [mask, *(None for _ in self.cell.state_names)] if self.return_state else mask

    def compute_output_shape(
        self, sequences_shape: Sequence[int | None], initial_state_shape: Any = None
    ) -> Any:
        """Return the shape of each output."""
        batch, timesteps, _ = sequences_shape
        state = (batch, self.cell.output_size)
        outputs = (batch, timesteps, self.cell.output_size) if self.return_sequences else state
        return (outputs, *(state for _ in self.cell.state_names)) if self.return_state else outputs

    def get_initial_state(self, batch_size: Any) -> list[Tensor]:
        """Return the states a sequence begins with, `(batch_size, units)` for each of the cell."""
        return self.cell.get_initial_state(batch_size)

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
        return self._hidden.states or None

    def reset_state(self, states: Any = None) -> None:
        """Set the states of a stateful layer to zeros, or to `states`, one array a state.

        A layer that carries no states has none to set to zeros, and does nothing.
        """
        carried = self._hidden.states
        if states is None and not carried:
            return
        if not self.stateful:
            raise ValueError(
                f"`states` needs a layer with `stateful=True`; {self.name!r} carries none over. "
                "Pass them to its call as `initial_state`."
            )
        if states is None:
            states = [ops.zeros_like(variable.value) for variable in carried]
        expected = [tuple(variable.shape) for variable in carried]
        received = [tuple(ops.shape(state)) for state in states]
        if received != expected:
            raise ValueError(
                f"`states` of {self.name!r} must be one array (batch, units) for each state, "
                f"{expected or 'none, for the layer is not built'}; received shapes {received}."
            )
        for variable, state in zip(carried, states, strict=True):
            variable.assign(state)

    reset_states = reset_state  # Keras knows both names

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that create this layer anew."""
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
            "cell": keras.saving.serialize_keras_object(self.cell),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Recurrent":
        """Create a layer from what `get_config` returned."""
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(cell, **{name: value for name, value in config.items() if name != "cell"})


class _Hidden:
    """What neither Keras nor TensorFlow is to find on a layer, save or export."""

    def __init__(self) -> None:
        self.states: list[keras.Variable] = []  # of a stateful layer


def _first(mask: Any) -> Any:
    """Return the mask of the sequences where Keras passes a list, one entry an input."""
    return mask[0] if isinstance(mask, list | tuple) else mask


def _time_major_mask(mask: Any, sequences: Tensor) -> Tensor | None:
    """Return booleans `(time, batch, 1)` from a mask `(batch, time)` or `(batch, time, 1)`."""
    mask = _first(mask)
    if mask is None:
        return None
    mask = ops.cast(mask, "bool")
    received = tuple(mask.shape)
    if len(mask.shape) == 2:
        mask = ops.expand_dims(mask, -1)
    expected = (*sequences.shape[:2], 1)
    rows, *steps = mask.shape
    if not (_compatible(mask.shape, expected) or (rows == 1 and _compatible(steps, expected[1:]))):
        raise ValueError(
            "`mask` must be booleans (batch, timesteps), False at steps to skip, here "
            f"{expected[:2]}; received shape {received}."
        )
    return ops.transpose(mask, (1, 0, 2))


def _compatible(shape: Sequence[int | None], expected: Sequence[int | None]) -> bool:
    return len(shape) == len(expected) and all(
        a == b or a is None or b is None for a, b in zip(shape, expected, strict=True)
    )
