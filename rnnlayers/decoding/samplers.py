"""How the next token is chosen: the interface of samplers, greedy choice and random sampling."""

import abc
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from rnnlayers.checks import check_number, check_positive_integer, is_integer
from rnnlayers.decoding.largest import largest
from rnnlayers.types import Tensor

NONE = -1  # the token of a hypothesis that has none at this step


class Moment(NamedTuple):
    """What a sampler may read in addition to the logits."""

    time: Tensor  # scalar, the number of tokens that were chosen before
    stop: int  # the token that ends a hypothesis
    limits: Tensor  # (batch, 1), the length at which a hypothesis is cut
    attention: Tensor | None  # (rows, source), of this step, if the step returns it
    source_mask: Tensor | None  # (batch, source), False where there is nothing to attend to


class Choice(NamedTuple):
    """The choice of a sampler at one step.

    Each column holds one hypothesis. The first `width` columns run on: the rows of the step
    function are `(batch, width)`, flat. Further columns may keep hypotheses that have ended.
    """

    tokens: Tensor  # (batch, columns), NONE in columns that do not change
    parents: Any = ()  # (batch, columns), the column each was in before; () if none ever changes


class Finish(NamedTuple):
    """The results of a sampler."""

    columns: Tensor | None  # (batch, n), the columns that hold them; None for all, in their order
    scores: Tensor  # (batch, n)


class Sampler(abc.ABC):
    """Chooses the next token of each hypothesis, and decides when the search is over.

    To write a sampler, subclass `Independent` if hypotheses do not depend on one another; it needs
    one method. Subclass `Sampler` for the rest: `start`, `choose` and `finish` take and return
    tensors only, and run in a graph. The state is a `NamedTuple` with a field `done`, booleans that
    are all True when the search is over.
    """

    reorders: ClassVar[bool] = False  # whether hypotheses change columns, so that there are parents

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """Number of hypotheses for each example that run side by side."""

    def check(self, vocabulary: int) -> None:  # noqa: B027 - any vocabulary may fit
        """Raise a ValueError if the sampler does not fit a vocabulary of this size."""

    @abc.abstractmethod
    def start(self, moment: Moment) -> Any:
        """Return the state before the first token."""

    @abc.abstractmethod
    def choose(
        self, logits: Tensor, log_total: Tensor, state: Any, moment: Moment
    ) -> tuple[Choice, Any]:
        """Choose one token for each row.

        Args:
            logits: `(rows, vocabulary)`, -inf at tokens that are not allowed.
            log_total: `(rows, 1)`, what to subtract from logits to get log probabilities, over all
                tokens, allowed or not.
            state: From `start` or from the last `choose`.
            moment: See `Moment`.

        Returns:
            The choice and the new state.
        """

    @abc.abstractmethod
    def finish(self, state: Any, moment: Moment) -> Finish:
        """Return the columns that hold the results, and their scores."""


class _Walk(NamedTuple):
    """The state of hypotheses that do not depend on one another."""

    scores: Tensor  # (batch, width), log probabilities
    done: Tensor  # (batch, width)


class Independent(Sampler):
    """A sampler whose hypotheses do not depend on one another. A subclass writes `pick`.

    `Greedy` and `Sampling` are such samplers. The base class adds up the scores, log probabilities
    under the model, and ends a hypothesis at the stop token or at its largest length. A subclass
    also sets `width`, the number of hypotheses for each example.

    A complete sampler, which draws from the tokens that are at least `min_p` times as likely as the
    likeliest one:

    >>> from rnnlayers.decoding import Independent, decode
    >>> class MinP(Independent):
    ...     width = 2
    ...
    ...     def __init__(self, min_p, seed=0):
    ...         self.min_p, self.seed = min_p, seed
    ...
    ...     def pick(self, logits, time):
    ...         least = tf.reduce_max(logits, -1, keepdims=True) + np.log(self.min_p)
    ...         logits = tf.where(logits < least, -np.inf, logits)
    ...         seed = [self.seed, time]
    ...         return tf.random.stateless_categorical(logits, 1, seed, tf.int32)[:, 0]
    >>> logits = tf.math.log([[0.5, 0.4, 0.1]] * 3)
    >>> def step(tokens, states):
    ...     return tf.gather(logits, tokens), states
    >>> result = decode(step, (), [0], MinP(0.3), stop_token_id=1, max_length=20)
    >>> result.tokens.shape[:2], bool(tf.reduce_any(result.tokens == 2))
    (TensorShape([1, 2]), False)
    """

    @abc.abstractmethod
    def pick(self, logits: Tensor, time: Tensor) -> Tensor:
        """Return a token for each row, `(rows,)`, int32.

        Args:
            logits: `(rows, vocabulary)`, float32, -inf at tokens that are not allowed. Rows are
                `(batch, width)`, flat.
            time: Scalar, the number of tokens that were chosen before.
        """

    def start(self, moment: Moment) -> _Walk:
        """Return the state before the first token."""
        shape = [tf.shape(moment.limits)[0], self.width]
        return _Walk(tf.zeros(shape), tf.zeros(shape, tf.bool))

    def choose(
        self, logits: Tensor, log_total: Tensor, state: _Walk, moment: Moment
    ) -> tuple[Choice, _Walk]:
        """Choose one token for each row; see `Sampler.choose`."""
        tokens = self.pick(logits, moment.time)
        log_probs = tf.gather(logits, tokens, batch_dims=1) - log_total[:, 0]
        tokens, log_probs = (tf.reshape(x, (-1, self.width)) for x in (tokens, log_probs))
        scores = tf.where(state.done, state.scores, state.scores + log_probs)
        ends = (tokens == moment.stop) | (moment.time + 1 >= moment.limits)
        chosen = tf.where(state.done, NONE, tokens)
        return Choice(chosen), _Walk(scores, state.done | ends)

    def finish(self, state: _Walk, moment: Moment) -> Finish:
        """Return every hypothesis."""
        return Finish(None, state.scores)


@dataclass(frozen=True)
class Greedy(Independent):
    """The most likely token at each step; of equally likely ones, the one with the lowest id.

    Example:

    >>> from rnnlayers.decoding import Greedy, decode
    >>> logits = tf.constant([[0.0, 1.0, 3.0], [0.0, 9.0, 2.0], [9.0, 0.0, 0.0]])
    >>> def step(tokens, states):
    ...     return tf.gather(logits, tokens), states
    >>> result = decode(step, (), [0, 1], Greedy(), stop_token_id=1, max_length=4)
    >>> result.tokens.numpy().tolist()
    [[[2, 0, 2, 0]], [[1, 0, 0, 0]]]
    """

    @property
    def width(self) -> int:
        """One hypothesis for each example."""
        return 1

    def pick(self, logits: Tensor, time: Tensor) -> Tensor:
        """Return the most likely token of each row."""
        return tf.argmax(logits, -1, output_type=tf.int32)


@dataclass(frozen=True, eq=False)
class Sampling(Independent):
    """Tokens drawn at random, each with its probability.

    The logits are divided by the temperature. Then only the `top_k` most likely tokens are kept,
    and of these the smallest set of most likely tokens that holds at least `top_p` of their
    probability (Holtzman et al., 2020). The draw at a step depends on the seed, the step and the
    number of rows alone, also in an exported graph. Scores are the log probabilities under the
    model, at temperature one and among all tokens.

    Args:
        temperature: Positive number; below one likely tokens become likelier.
        top_k: Number of tokens to draw from, or None for all.
        top_p: Share of the probability to draw from, in (0, 1].
        seed: Integer, or a scalar int32 tensor, so that a graph may take it as an input.
        num_return: Number of hypotheses to draw for each example; they come in no order.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> from rnnlayers.decoding import Sampling, decode
    >>> logits = tf.math.log([[0.5, 0.4, 0.1]] * 3)
    >>> def step(tokens, states):
    ...     return tf.gather(logits, tokens), states
    >>> result = decode(step, (), [0], Sampling(top_k=2, num_return=3), stop_token_id=1,
    ...     max_length=20)
    >>> result.tokens.shape[:2], bool(tf.reduce_any(result.tokens == 2))
    (TensorShape([1, 3]), False)

    Reference: Holtzman et al. (2020), The curious case of neural text degeneration, section 3.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    seed: Any = 0
    num_return: int = 1

    def __post_init__(self) -> None:
        hint = "`Greedy()` is its limit at zero."
        check_number("temperature", self.temperature, "(0, inf)", hint=hint)
        meaning = "the number of tokens to draw from"
        check_positive_integer("top_k", self.top_k, meaning, or_none=True)
        meaning, hint = "the share of the probability to draw from", "Pass 1.0 to draw from all."
        check_number("top_p", self.top_p, "(0, 1]", meaning, hint)
        in_32_bits = is_integer(self.seed) and -(2**31) <= self.seed < 2**31
        if not tf.is_tensor(self.seed) and not in_32_bits:
            raise ValueError(
                "`seed` must be an integer that fits in 32 bits, or a scalar tensor; received "
                f"{self.seed!r}."
            )
        meaning = "the number of hypotheses for each example"
        check_positive_integer("num_return", self.num_return, meaning)

    @property
    def width(self) -> int:
        """As many hypotheses for each example as are returned."""
        return self.num_return

    def check(self, vocabulary: int) -> None:
        """Raise a ValueError if there are not `top_k` tokens."""
        if self.top_k is not None and self.top_k > vocabulary:
            raise ValueError(
                f"`top_k` must be at most the size of the vocabulary, {vocabulary}; received "
                f"{self.top_k}. Pass None to draw from all."
            )

    def pick(self, logits: Tensor, time: Tensor) -> Tensor:
        """Return a token drawn for each row."""
        logits = logits / self.temperature
        seed = tf.stack([tf.cast(self.seed, tf.int32), time])
        if self.top_k is None and self.top_p == 1.0:
            return tf.random.stateless_categorical(logits, 1, seed, tf.int32)[:, 0]
        logits, tokens = largest(logits, self.top_k or logits.shape[-1])
        if self.top_p < 1.0:
            likelier = tf.cumsum(tf.nn.softmax(logits), axis=-1, exclusive=True)
            logits = tf.where(likelier < self.top_p, logits, -np.inf)
        drawn = tf.random.stateless_categorical(logits, 1, seed, tf.int32)
        return tf.gather(tokens, drawn, batch_dims=1)[:, 0]
