"""One step of a recurrent decoder that attends to a memory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from rnnlayers.cells.attention import (
    AdditiveAttention,
    Attention,
    Memory,
    MultiplicativeAttention,
)
from rnnlayers.cells.base import Cell
from rnnlayers.cells.gated import GatedCell
from rnnlayers.cells.parts import Fused, Multiply, Product, SideInputs, add, by, for_step
from rnnlayers.checks import check_one_of, check_positive_integer
from rnnlayers.types import States, Tensor

_BY_NAME: dict[str, Callable[..., Attention]] = {
    "additive": AdditiveAttention,
    "concat": AdditiveAttention,
    "dot": lambda **kwargs: MultiplicativeAttention("dot", **kwargs),
    "general": lambda **kwargs: MultiplicativeAttention("general", **kwargs),
}


@keras.saving.register_keras_serializable(package="rnnlayers")
class AttentionCell(keras.Layer):
    """A recurrent cell that attends to a memory: one step of a decoder.

    The output of a step is Luong's attentional vector, a layer over the context c and the state h
    of the cell. There are three ways to compute them:

        h, s = cell(x, s)            c = attention(h)         attend="after", the default
        h, s = cell([x; y_prev], s)  c = attention(h)         and input_feeding=True
        c = attention(h_prev)        h, s = cell([x; c], s)   attend="before"

        y = activation(W [c; h])

    The first two are Luong's, the last is Bahdanau's. The first is by far the fastest to train: the
    context changes no state, so the recurrence runs on the compiled engine and attention is
    computed for all steps at once. `AttentiveDecoder` runs a cell over time. The cell itself takes
    the single steps of inference, for example in `rnnlayers.decoding.decode`:

        memory = cell.prepare(encoded, mask)
        outputs, states, weights = cell(inputs, states, memory)

    Each row of the memory may serve several consecutive rows, such as the hypotheses of a beam; the
    memory is not repeated.

    Weights: those of the cell and of the attention, and `kernel` W
    `(features + units of the cell, units)`.

    Args:
        cell: A `Cell`, such as `GRUCell(512)`.
        attention: "general", "dot", "additive" (or "concat", Luong's name for it), or an
            `AdditiveAttention` or `MultiplicativeAttention`.
        units: Positive integer, the size of the output y; by default the units of the cell.
        activation: Function of the output.
        attend: "after" the step of the cell, from its new output, or "before" it, from its previous
            output, so that the context enters the step.
        input_feeding: Whether the output enters the next step, which tells the cell what it
            attended to before. With attend="after" only.
        kernel_initializer: Initializer of `kernel`.
        **kwargs: `name`, `dtype`, `trainable` of `keras.Layer`.

    Call arguments:
        inputs: `(rows, features)`.
        states: One tensor `(rows, units)` for each of `state_names`: those of the cell and, with
            input feeding, the previous output y.
        memory: From `prepare`; its batch size divides the number of rows.
        training: Whether the dropout of the cell applies.

    Returns:
        The output `(rows, units)`, the list of new states, and the weights of the attention,
        `(rows, source)`.

    Raises:
        ValueError: if an argument is out of its range or a shape does not fit.

    Example:

    >>> cell = rnnlayers.AttentionCell(rnnlayers.GRUCell(4), "additive", input_feeding=True)
    >>> cell.build((None, 3), (None, None, 6))
    >>> memory = cell.prepare(np.ones((2, 7, 6)))
    >>> output, states, weights = cell(np.ones((2, 3)), cell.get_initial_state(2), memory)
    >>> output.shape, weights.shape, cell.state_names
    (TensorShape([2, 4]), TensorShape([2, 7]), ('h', 'y'))

    References: Luong, Pham and Manning (2015), Effective approaches to attention-based neural
    machine translation, equations 5 and 6 and section 3.3; Bahdanau, Cho and Bengio (2015), Neural
    machine translation by jointly learning to align and translate, section 3.1.
    """

    def __init__(
        self,
        cell: Cell,
        attention: str | Attention = "general",
        units: int | None = None,
        activation: Any = "tanh",
        attend: str = "after",
        input_feeding: bool = False,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        if not isinstance(cell, Cell):
            raise ValueError(
                f"`cell` must be an `rnnlayers.Cell`, such as GRUCell(512); received {cell!r}."
            )
        if attention not in _BY_NAME and not isinstance(attention, Attention):
            raise ValueError(
                f"`attention` must be one of {', '.join(map(repr, _BY_NAME))}, or an "
                f"`AdditiveAttention` or `MultiplicativeAttention`; received {attention!r}."
            )
        check_positive_integer("units", units, "the size of the output", or_none=True)
        check_one_of("attend", attend, ("after", "before"))
        if cell.reads:
            raise ValueError(
                "`cell` must be one whose output is its first state, such as GRUCell(512); the "
                f"output of {type(cell).__name__} is another."
            )
        if input_feeding and attend == "before":
            raise ValueError(
                "`input_feeding` must be False with attend='before', since the context enters the "
                "step anyway; received True."
            )
        super().__init__(**kwargs)
        if isinstance(attention, str):
            attention = _BY_NAME[attention](dtype=self.dtype_policy, name="attention")
        self.cell = cell
        self.attention = attention
        self.units = cell.output_size if units is None else int(units)
        self.activation = keras.activations.get(activation)
        self.attend = attend
        self.input_feeding = input_feeding
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states: those of the cell, and y, the previous output, if it is fed back."""
        return (*self.cell.state_names, "y") if self.input_feeding else self.cell.state_names

    @property
    def feeds_back(self) -> bool:
        """Whether the context or the output enters the recurrence."""
        return self.input_feeding or self.attend == "before"

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Size of each of `state_names`."""
        return (*self.cell.state_sizes, self.units)[: len(self.state_names)]

    def build(
        self,
        inputs_shape: Sequence[int | None],
        memory_shape: Sequence[int | None],
    ) -> None:
        """Create the weights for inputs `(..., features)` and a memory `(..., features)`."""
        features, size = inputs_shape[-1], memory_shape[-1]
        if features is None or size is None:
            raise ValueError(
                f"The last dimensions of the inputs and of the memory of {self.name!r} must be "
                f"known; received {tuple(inputs_shape)} and {tuple(memory_shape)}."
            )
        if not self.cell.built:
            fed = self.units if self.input_feeding else size if self.feeds_back else 0
            self.cell.build((None, features + fed))
        if not self.attention.built:
            self.attention.build((None, None, self.cell.output_size), (None, None, size))
        self.features = features
        self.fed_size = self.units if self.input_feeding else size if self.feeds_back else 0
        self.kernel = self.add_weight(
            name="kernel",
            shape=(size + self.cell.output_size, self.units),
            initializer=self.kernel_initializer,
        )

    def prepare(self, values: Tensor, mask: Tensor | None = None) -> Memory:
        """Return the memory for `call`, from `(batch, source, features)` and its mask."""
        if not self.built:
            raise ValueError(
                f"{self.name!r} has no weights yet. First call `build(inputs_shape, memory_shape)` "
                "or the `AttentiveDecoder` of this cell."
            )
        return self.attention.prepare(values, mask)

    def get_initial_state(self, batch_size: Any = None) -> list[Tensor]:
        """Return a zero state for each of `state_names`."""
        states = self.cell.get_initial_state(batch_size)
        return [*states, ops.zeros((batch_size, self.units), self.compute_dtype)][
            : len(self.state_names)
        ]

    def combine(self, contexts: Tensor, h: Tensor) -> Tensor:
        """Return the output y, from contexts `(..., features)` and outputs of the cell."""
        return self.activation(ops.matmul(ops.concatenate([contexts, h], -1), self.kernel))

    def draw(self, inputs: Tensor) -> SideInputs:
        """Return what is random in the training of inputs `(time, rows, features)`."""
        time, rows, features = ops.shape(inputs)
        fed = self.fed_size
        return self.cell.draw(ops.zeros((time, rows, features + fed), inputs.dtype))

    def prepare_inputs(
        self, inputs: Tensor, memory: Memory, side: SideInputs | None
    ) -> tuple[Any, tuple[Tensor, ...]]:
        """Return what steps read, and what is the same for all steps; see `Cell.prepare`.

        Args:
            inputs: `(time, rows, features)`.
            memory: From `prepare`.
            side: From `draw`, or None.
        """
        side = SideInputs() if side is None else side
        constants = tuple(map(_filled, (*memory, *side.sequence)))
        if not self._is_linear:  # what is fed back enters the inputs before they are prepared
            return (inputs, *side.steps), constants
        dropped = side.sequence[0] if side.sequence else None
        inputs = inputs if dropped is None else inputs * dropped[..., : self.features]
        projected = ops.matmul(inputs, self.cell.kernel[: self.features])
        bias = self.cell.input_bias
        return Fused(
            projected if bias is None else projected + bias, len(self.cell.gates)
        ), constants

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices that a step multiplies with, by name; see `Cell.products`."""
        products = dict(self.cell.products(side))
        if self.feeds_back and self._is_linear:
            fed = self.cell.kernel[self.features :]
            products["attention/fed"] = Product(fed, parts=len(self.cell.gates))
        if self.input_feeding:
            products["attention/combine"] = Product(self.kernel)
        return products

    def advance(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...]
    ) -> States:
        """Return the states after one step; see `Cell.step`."""
        inner, before = tuple(states[: len(self.cell.state_names)]), states[-1]
        values, keys, mask, *drawn = map(_none_if_empty, constants)
        memory = Memory(values, keys, mask)
        if self.attend == "before":
            before, _ = self._attend(inner[0], memory)
        if self._is_linear:
            on_inputs, on_state = drawn or (None, None)
            if self.feeds_back:
                if on_inputs is not None:
                    before = before * on_inputs[0, :, self.features :]
                x = add(x, product(before, "attention/fed"))
            of_cell = () if on_state is None else (on_state,)
        else:
            inputs, *steps = (ops.expand_dims(tensor, 0) for tensor in x)
            if self.feeds_back:
                inputs = ops.concatenate([inputs, ops.expand_dims(before, 0)], -1)
            side = SideInputs(tuple(steps), tuple(drawn)) if steps or drawn else None
            prepared, of_cell = self.cell.prepare(inputs, side)
            x = for_step(prepared, lambda tensor: tensor[0])
        inner = tuple(self.cell.step(x, inner, product, of_cell))
        if not self.input_feeding:
            return inner
        context, _ = self._attend(inner[0], memory)
        together = ops.concatenate([context, inner[0]], -1)
        return (*inner, self.activation(product(together, "attention/combine")))

    def call(
        self, inputs: Tensor, states: Any, memory: Memory, training: bool = False
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """Take one step."""
        memory, states = Memory(*memory), tuple(states)
        sequence = ops.expand_dims(inputs, 0)
        side = self.draw(sequence) if training else None
        x, constants = self.prepare_inputs(sequence, memory, side)
        now = for_step(x, lambda tensor: tensor[0])
        new = self.advance(now, states, by(self.products(side)), constants)
        queries = states[0] if self.attend == "before" else new[0]
        context, weights = self._attend(queries, memory)
        y = new[-1] if self.input_feeding else self.combine(context, new[0])
        return y, list(new), weights

    def _attend(self, h: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return the context and the weights of each row."""
        # The rows that share a memory become its queries, so that it need not be repeated.
        rows, batch = ops.shape(h)[0], ops.shape(memory.values)[0]
        at_least_one = ops.cast(ops.maximum(batch, 1), "int32")  # int64 where floats are float64
        side_by_side = (batch, rows // at_least_one, h.shape[-1])
        contexts, weights = self.attention.attend(ops.reshape(h, side_by_side), memory)
        return (
            ops.reshape(contexts, (rows, contexts.shape[-1])),
            ops.reshape(weights, (rows, ops.shape(weights)[-1])),
        )

    @property
    def _is_linear(self) -> bool:
        """Whether inputs and what is fed back can be projected separately."""
        return isinstance(self.cell, GatedCell) and all(
            getattr(type(self.cell), name) is getattr(GatedCell, name)
            for name in ("project", "prepare", "draw")
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "attention": keras.saving.serialize_keras_object(self.attention),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "attend": self.attend,
            "input_feeding": self.input_feeding,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AttentionCell":
        """Create a cell from the result of `get_config`."""
        inner = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("cell", "attention")
        }
        return cls(**{**config, **inner})


def _filled(tensor: Tensor | None) -> Tensor:
    """Return a tensor; an empty one stands for None, since engines pass on tensors alone."""
    return ops.zeros((0,)) if tensor is None else tensor


def _none_if_empty(tensor: Tensor) -> Tensor | None:
    return None if tuple(tensor.shape) == (0,) else tensor
