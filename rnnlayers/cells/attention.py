"""Attention: weights for the places of a sequence, computed from a score for each place."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from rnnlayers.cells.base import clone
from rnnlayers.checks import check_one_of, check_positive_integer
from rnnlayers.types import Tensor

_MASKED_SCORE = -1e9  # finite: an infinite one gives NaN in a row that is masked entirely


class Memory(NamedTuple):
    """A sequence to attend to, prepared once for all steps."""

    values: Tensor  # (batch, source, features)
    keys: Tensor  # (batch, source, size), from which scores are computed
    mask: Tensor | None  # booleans (batch, 1, source), False where there is nothing


class Attention(keras.Layer):
    """The base class of attention: weights from scores, and the context.

        a_ts = exp(score(q_t, m_s)) / sum over s' of exp(score(q_t, m_s'))
        c_t = sum over s of a_ts m_s

    A subclass writes the score in two methods: `make_keys` computes, once, what depends on the
    memory alone, and `score` the rest.
    """

    def __init__(self, kernel_initializer: Any = "glorot_uniform", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True

    def make_keys(self, values: Tensor) -> Tensor:
        """Return keys `(batch, source, size)` from the memory `(batch, source, features)`."""
        raise NotImplementedError(f"{type(self).__name__} must define `make_keys`.")

    def score(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return scores `(batch, target, source)` of queries `(batch, target, units)`."""
        raise NotImplementedError(f"{type(self).__name__} must define `score`.")

    def prepare(self, values: Tensor, mask: Tensor | None = None) -> Memory:
        """Prepare a memory for all queries to come.

        Args:
            values: `(batch, source, features)`.
            mask: Booleans `(batch, source)`, False where there is nothing, or None.
        """
        if mask is not None:
            mask = ops.cast(mask, "bool")
            if len(mask.shape) != 2:
                raise ValueError(
                    "The mask of the memory must be booleans (batch, source), False where there "
                    f"is nothing to attend to; received shape {tuple(mask.shape)}."
                )
            values = hide(values, mask)
            mask = ops.expand_dims(mask, 1)
        return Memory(values, self.make_keys(values), mask)

    def attend(self, queries: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return the contexts `(batch, target, features)` and the weights, see `call`."""
        scores = self.score(queries, memory.keys)
        if scores.dtype != "float64":
            scores = ops.cast(
                scores, "float32"
            )  # in half precision the weights would not sum to one
        if memory.mask is None:
            weights = ops.softmax(scores)
        else:
            weights = ops.softmax(ops.where(memory.mask, scores, _MASKED_SCORE))
            weights = ops.where(memory.mask, weights, 0.0)  # also in a row that is masked entirely
        weights = ops.cast(weights, memory.values.dtype)
        return ops.matmul(weights, memory.values), weights

    def call(
        self,
        queries: Tensor,
        values: Tensor,
        values_mask: Tensor | None = None,
        queries_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend to `values` from each of `queries`."""
        if queries_mask is not None:
            queries = hide(queries, ops.cast(queries_mask, "bool"))
        return self.attend(queries, self.prepare(values, values_mask))

    def compute_mask(self, queries: Any, mask: Any = None) -> tuple[Any, None]:
        """Return the mask of the contexts, which is the mask of the queries."""
        return mask, None

    def compute_output_shape(
        self, queries_shape: Sequence[int | None], values_shape: Sequence[int | None]
    ) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
        """Return the shapes of the contexts and of the weights."""
        batch, target, _ = queries_shape
        return (batch, target, values_shape[-1]), (batch, target, values_shape[1])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        initializer = keras.initializers.serialize(self.kernel_initializer)
        return {**super().get_config(), "kernel_initializer": initializer}


@keras.saving.register_keras_serializable(package="rnnlayers")
class AdditiveAttention(Attention):
    """Attention whose score is a small network: Bahdanau's, and Luong's "concat".

        score(q, m) = v . tanh(W q + U m)

    The two papers write the same function differently: Luong's v . tanh(W_a [q; m]) has W and U
    side by side in W_a. They also take different queries, see `AttentionCell`. The score costs
    `batch * target * source * units` evaluations of tanh; `MultiplicativeAttention` is cheaper.

    Weights: `query_kernel` W `(query_units, units)`, `memory_kernel` U `(features, units)`,
    `score_kernel` v `(units, 1)`.

    Args:
        units: Positive integer, the size of the small network; by default that of the queries.
        kernel_initializer: Initializer of the three weights.
        **kwargs: `name`, `dtype`, `trainable` of `keras.Layer`.

    Call arguments:
        queries: `(batch, target, query_units)`.
        values: The memory to attend to, `(batch, source, features)`.
        values_mask: Booleans `(batch, source)`, False where there is nothing to attend to. By
            default the mask that comes with `values`.
        queries_mask: Booleans `(batch, target)`, False at queries to replace by zeros. By default
            the mask that comes with `queries`.

    Returns:
        The contexts `(batch, target, features)` and the weights `(batch, target, source)`, which
        sum to one. Both are zero for a row of the memory that is masked entirely or has no places.
        Values at masked places, even NaN, affect neither outputs nor gradients.

    Raises:
        ValueError: if an argument is out of its range or a shape does not fit.

    Example:

    >>> attention = rnnlayers.AdditiveAttention(4)
    >>> contexts, weights = attention(np.ones((2, 3, 5)), np.ones((2, 7, 6)))
    >>> contexts.shape, weights.shape
    (TensorShape([2, 3, 6]), TensorShape([2, 3, 7]))

    References: Bahdanau, Cho and Bengio (2015), Neural machine translation by jointly learning to
    align and translate, appendix A.1.2; Luong, Pham and Manning (2015), Effective approaches to
    attention-based neural machine translation, section 3.1.
    """

    def __init__(self, units: int | None = None, **kwargs: Any) -> None:
        check_positive_integer("units", units, "the size of the network of the score", or_none=True)
        super().__init__(**kwargs)
        self.units = units

    def build(
        self, queries_shape: Sequence[int | None], values_shape: Sequence[int | None]
    ) -> None:
        """Create the weights for queries and values of these last sizes."""
        units = self.units or queries_shape[-1]
        shapes = {"query": (queries_shape[-1], units), "memory": (values_shape[-1], units)}
        self.query_kernel, self.memory_kernel, self.score_kernel = (
            self.add_weight(
                name=f"{name}_kernel", shape=shape, initializer=clone(self.kernel_initializer)
            )
            for name, shape in {**shapes, "score": (units, 1)}.items()
        )

    def make_keys(self, values: Tensor) -> Tensor:
        """Return U m; see `Attention.make_keys`."""
        return ops.matmul(values, self.memory_kernel)

    def score(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return v . tanh(W q + U m); see `Attention.score`."""
        queries = multiply(queries, self.query_kernel)
        hidden = ops.tanh(ops.expand_dims(queries, 2) + ops.expand_dims(keys, 1))
        return ops.squeeze(multiply(hidden, self.score_kernel), -1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="rnnlayers")
class MultiplicativeAttention(Attention):
    """Attention whose score is a product: Luong's "dot" and "general".

        score(q, m) = q . m          form="dot"
        score(q, m) = q . (W m)      form="general"

    Both are matrix products for all queries at once. "dot" has no weights, and needs queries and
    memory of the same size. The paper's third score, "concat", is `AdditiveAttention`.

    Weights: `kernel` W `(query_units, features)`, for "general".

    Args:
        form: "general" or "dot".
        kernel_initializer: Initializer of `kernel`.
        **kwargs: `name`, `dtype`, `trainable` of `keras.Layer`.

    Call arguments, returns and errors are those of `AdditiveAttention`.

    Example:

    >>> attention = rnnlayers.MultiplicativeAttention("dot")
    >>> contexts, weights = attention(np.ones((2, 3, 5)), np.ones((2, 7, 5)))
    >>> contexts.shape, weights.shape
    (TensorShape([2, 3, 5]), TensorShape([2, 3, 7]))

    Reference: Luong, Pham and Manning (2015), Effective approaches to attention-based neural
    machine translation, section 3.1.
    """

    def __init__(self, form: str = "general", **kwargs: Any) -> None:
        hint = "`AdditiveAttention` is Luong's 'concat'."
        check_one_of("form", form, ("general", "dot"), hint)
        super().__init__(**kwargs)
        self.form = form

    def build(
        self, queries_shape: Sequence[int | None], values_shape: Sequence[int | None]
    ) -> None:
        """Create the weight for queries and values of these last sizes."""
        sizes = queries_shape[-1], values_shape[-1]
        if self.form == "general":
            self.kernel = self.add_weight(
                name="kernel", shape=sizes, initializer=self.kernel_initializer
            )
        elif sizes[0] != sizes[1]:
            raise ValueError(
                f"`form='dot'` needs queries and a memory of the same size; received {sizes[0]} "
                f"and {sizes[1]}. Use 'general'."
            )

    def make_keys(self, values: Tensor) -> Tensor:
        """Return W m, or the memory itself; see `Attention.make_keys`."""
        if self.form == "dot":
            return values
        return ops.matmul(values, ops.transpose(self.kernel))

    def score(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return the products; see `Attention.score`."""
        return ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "form": self.form}


def hide(sequence: Tensor, mask: Tensor) -> Tensor:
    """Return `(batch, timesteps, features)` with zeros where a mask `(batch, timesteps)` is False.

    A weight of zero is not enough: 0 * NaN is NaN.
    """
    return ops.where(ops.expand_dims(mask, -1), sequence, ops.zeros_like(sequence))


def multiply(tensor: Tensor, kernel: Tensor) -> Tensor:
    """Return the product of `(..., n)` with a kernel `(n, m)`.

    For unknown shapes `ops.matmul` makes operators whose derivative XLA cannot compile in a loop.
    """
    *shape, size = ops.shape(tensor)
    product = ops.matmul(ops.reshape(tensor, (-1, size)), kernel)
    return ops.reshape(product, (*shape, kernel.shape[-1]))
