"""A recurrent decoder with attention to a memory, over a whole target sequence."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from rnnlayers.cells.attention_steps import AttentionSteps, memory_of
from rnnlayers.cells.attentive import AttentionCell
from rnnlayers.engines.choose import check_engine
from rnnlayers.layers.time_loop import TimeLoop
from rnnlayers.types import Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class AttentiveDecoder(keras.Layer):
    """An `AttentionCell` over a known target sequence: teacher forcing.

    It gives the numbers that the cell gives step by step. The recurrence runs like that of any
    `Recurrent` layer, and all attention that is not fed back is computed for all steps in one
    product. To produce a sequence instead,
    pass steps of `cell` to `rnnlayers.decoding.decode`.

    Args:
        cell: An `AttentionCell`.
        return_state: Whether to return the final states too.
        return_attention: Whether to return the weights of the attention too.
        engine: How the recurrence runs, see `Recurrent`.
        **kwargs: `name`, `dtype`, `trainable` of `keras.Layer`.

    Call arguments:
        sequences: `(batch, target, features)`.
        memory: `(batch, source, features)`, such as the outputs of an encoder.
        initial_state: One tensor `(batch, units)` for each of `cell.state_names`. With input
            feeding the last one, the output that is fed back, may be left out: it is zero then.
            None starts from zeros.
        mask: Booleans `(batch, target)`, False at steps to skip, in any pattern. By default the
            mask that comes with `sequences`.
        memory_mask: Booleans `(batch, source)`, False where there is nothing to attend to. By
            default the mask that comes with `memory`.
        training: Whether dropout applies.
        sequences_mask: Keras passes the mask of `sequences` here; `mask` prevails.

    Returns:
        The outputs `(batch, target, units)`; with `return_state` then the final states; with
        `return_attention` then the weights `(batch, target, source)`.

    Masking:
        A masked step keeps the states; its output and its weights are zero. A row of the memory may
        be masked entirely: its contexts and weights are zero. The mask of the sequences is passed
        on to the next layer.

    Raises:
        ValueError: if an argument or the shape of an input does not fit.

    Example:

    >>> cell = rnnlayers.AttentionCell(rnnlayers.GRUCell(4), "additive", attend="before")
    >>> decoder = rnnlayers.AttentiveDecoder(cell, return_attention=True)
    >>> outputs, weights = decoder(np.ones((2, 5, 3)), np.ones((2, 7, 6)))
    >>> outputs.shape, weights.shape
    (TensorShape([2, 5, 4]), TensorShape([2, 5, 7]))

    References: Luong, Pham and Manning (2015); Bahdanau, Cho and Bengio (2015), see
    `AttentionCell`.
    """

    def __init__(
        self,
        cell: AttentionCell,
        return_state: bool = False,
        return_attention: bool = False,
        engine: str = "auto",
        **kwargs: Any,
    ) -> None:
        if not isinstance(cell, AttentionCell):
            raise ValueError(
                "`cell` must be an `rnnlayers.AttentionCell`, such as AttentionCell(GRUCell(512)); "
                f"received {cell!r}."
            )
        engine = check_engine(engine, cell)
        super().__init__(**kwargs)
        self.cell = cell
        self.return_state = return_state
        self.return_attention = return_attention
        self.engine = engine
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(
        self,
        sequences_shape: Sequence[int | None],
        memory_shape: Sequence[int | None],
        initial_state_shape: Any = None,
    ) -> None:
        """Create the weights for sequences and a memory, `(batch, timesteps, features)` each."""
        if len(memory_shape) != 3:
            raise ValueError(
                f"`memory` to {self.name!r} must be (batch, source, features); received shape "
                f"{tuple(memory_shape)}."
            )
        if not self.cell.built:
            self.cell.build((None, sequences_shape[-1]), (None, None, memory_shape[-1]))
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sequences_shape[-1]})

    def call(
        self,
        sequences: Tensor,
        memory: Tensor,
        initial_state: Any = None,
        mask: Any = None,
        memory_mask: Any = None,
        training: bool = False,
        sequences_mask: Any = None,
    ) -> Any:
        """Run the cell over `sequences`, attending to `memory`."""
        mask = _booleans(mask if mask is not None else sequences_mask, sequences)
        states = self._states_before(sequences, initial_state)
        prepared = self.cell.prepare(memory, memory_mask)
        loop = TimeLoop(self._steps(), self.engine, return_sequences=True)
        found, after = loop.run(
            sequences, tuple(states), mask, training=training, memory=memory_of(prepared)
        )
        queries, h = found[..., : self.cell.state_sizes[0]], found[..., self.cell.state_sizes[0] :]
        contexts, weights = self.cell.attention.attend(queries, prepared)
        outputs = h if self.cell.input_feeding else self.cell.combine(contexts, h)
        if mask is not None:
            valid = ops.expand_dims(mask, -1)
            outputs = ops.where(valid, outputs, ops.zeros_like(outputs))
            weights = ops.where(valid, weights, ops.zeros_like(weights))
        results = [outputs]
        results += list(after) if self.return_state else []
        results += [weights] if self.return_attention else []
        return tuple(results) if len(results) > 1 else outputs

    def _steps(self) -> AttentionSteps:
        """Return the cell as engines run it.

        Hidden from Keras, which would save the weights of the cell with it once more.
        """
        hidden: list[AttentionSteps] = self.__dict__.setdefault("_hidden", _Hidden())
        if not hidden:
            hidden.append(AttentionSteps(self.cell))
        return hidden[0]

    def _states_before(self, sequences: Tensor, initial_state: Any) -> list[Tensor]:
        """Return the states before the first step, checked, in the compute dtype."""
        expected = self.cell.get_initial_state(ops.shape(sequences)[0])
        if initial_state is None:
            return expected
        states = initial_state if isinstance(initial_state, list | tuple) else [initial_state]
        states = [ops.convert_to_tensor(state, self.compute_dtype) for state in states]
        if self.cell.input_feeding and len(states) == len(expected) - 1:
            states.append(expected[-1])
        received = [tuple(state.shape) for state in states]
        sizes = [zeros.shape[-1] for zeros in expected]
        if [len(shape) for shape in received] != [2] * len(sizes) or any(
            shape[-1] != size for shape, size in zip(received, sizes, strict=True)
        ):
            raise ValueError(
                f"`initial_state` of {self.name!r} must be one tensor (batch, units) for each of "
                f"the states {', '.join(self.cell.state_names)}, of {sizes} units; received "
                f"{received}."
            )
        return states

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        """Return the mask of each result: the sequences' for the outputs, None for the others."""
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        others = len(self.cell.state_names) * self.return_state + self.return_attention
        return [mask, *[None] * others] if others else mask

    def compute_output_shape(
        self,
        sequences_shape: Sequence[int | None],
        memory_shape: Sequence[int | None],
        initial_state_shape: Any = None,
    ) -> Any:
        """Return the shape of each output."""
        batch, target, _ = sequences_shape
        shapes: list[tuple[int | None, ...]] = [(batch, target, self.cell.units)]
        shapes += [(batch, size) for size in self.cell.state_sizes] if self.return_state else []
        shapes += [(batch, target, memory_shape[1])] if self.return_attention else []
        return tuple(shapes) if len(shapes) > 1 else shapes[0]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "return_state": self.return_state,
            "return_attention": self.return_attention,
            "engine": self.engine,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AttentiveDecoder":
        """Create a layer from the result of `get_config`."""
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**{**config, "cell": cell})


class _Hidden(list[AttentionSteps]):
    """A list that Keras does not track, and that is not copied with its layer."""

    def __deepcopy__(self, memo: Any) -> "_Hidden":
        return _Hidden()

    def __reduce__(self) -> Any:
        return _Hidden, ()


def _booleans(mask: Any, sequences: Tensor) -> Tensor | None:
    """Return a mask `(batch, target)` as booleans, checked."""
    if mask is None:
        return None
    mask = ops.cast(mask, "bool")
    expected = tuple(sequences.shape[:2])
    if len(mask.shape) != 2 or any(
        a != b for a, b in zip(mask.shape, expected, strict=True) if None not in (a, b)
    ):
        raise ValueError(
            "`mask` must be booleans (batch, target), False at steps to skip, here "
            f"{expected}; received shape {tuple(mask.shape)}."
        )
    return mask
