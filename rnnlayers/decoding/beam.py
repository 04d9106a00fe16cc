"""Beam search: the best of many hypotheses that run side by side."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from rnnlayers.checks import check_number, check_one_of, check_positive_integer
from rnnlayers.decoding.largest import largest
from rnnlayers.decoding.samplers import NONE, Choice, Finish, Moment, Sampler
from rnnlayers.types import Tensor

_STOPPING = ("optimal", "enough", "never")
_TINY = float(np.finfo("float32").tiny)


class _Search(NamedTuple):
    """The state: running hypotheses, all of one length, and the best of those that have ended.

    Log probabilities and scores come with the largest first, and are -inf for no hypothesis.
    """

    running: Tensor  # (batch, num_beams), log probabilities
    ended: Tensor  # (batch, num_return), scores
    count: Tensor  # (batch, 1), how many have ended
    done: Tensor  # (batch, 1)
    coverage: Tensor | tuple[()]  # (batch, num_beams, source), the sum of attention up to now


@dataclass(frozen=True)
class BeamSearch(Sampler):
    """The hypotheses with the highest scores that a beam of this width finds.

    At each step the `num_beams` most likely continuations of the running hypotheses are compared.
    Those that end are kept with their scores, and the most likely others run on. The score of a
    hypothesis Y for a source X is equation 14 of Wu et al. (2016),

        score = log P(Y | X) / lp(Y) + cp(X, Y)
        lp = ((5 + |Y|) / 6) ** length_penalty
        cp = coverage_penalty * sum over i of log(min(sum over j of attention_ij, 1))

    where |Y| includes the stop token, i counts the source and j the steps. Hypotheses that ended
    come before those that were cut at `max_length`, and each kind comes with the highest score
    first. If the constraints allow too few hypotheses, the missing ones have length 0 and score
    -inf.

    Args:
        num_beams: Number of hypotheses that run side by side, at most the size of the vocabulary.
        length_penalty: Not negative. 0 compares plain log probabilities, which favours short
            hypotheses; 1 compares nearly the log probability per token.
        coverage_penalty: Not negative; above 0, the step function must return the attention as its
            third item, `(rows, source)`, alone or in a dict under "attention".
        num_return: Number of hypotheses to return for each example, at most `num_beams`.
        stopping: When an example is done before `max_length`. "optimal": when no running
            hypothesis can enter the results any more, so that no result changes. "enough": when
            `num_beams` hypotheses have ended, which is sooner. "never": for comparison.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> from rnnlayers.decoding import BeamSearch, decode
    >>> chances = [[0.0, 0.6, 0.4, 0.0], [0.0, 0.3, 0.4, 0.3], [0.0, 0.0, 0.0, 1.0], [1.0, 0, 0, 0]]
    >>> def step(tokens, states):
    ...     return tf.math.log(tf.gather(chances, tokens)), states
    >>> search = BeamSearch(num_beams=3, num_return=2)
    >>> result = decode(step, (), [0], search, stop_token_id=3, max_length=4)
    >>> for tokens, score in zip(result.tokens[0].numpy(), result.scores[0].numpy()):
    ...     print(tokens.tolist(), f"{np.exp(score):.2f}")
    [2, 3, 0] 0.40
    [1, 2, 3] 0.24

    Reference: Wu et al. (2016), Google's neural machine translation system, section 7.
    """

    reorders: ClassVar[bool] = True

    num_beams: int
    length_penalty: float = 0.0
    coverage_penalty: float = 0.0
    num_return: int = 1
    stopping: str = "optimal"

    def __post_init__(self) -> None:
        meaning = "the number of hypotheses that run side by side"
        check_positive_integer("num_beams", self.num_beams, meaning)
        for name in ("length_penalty", "coverage_penalty"):
            hint = "Pass 0 for no penalty."
            check_number(name, getattr(self, name), "[0, inf)", hint=hint)
        check_positive_integer("num_return", self.num_return, "the number of hypotheses to return")
        if self.num_return > self.num_beams:
            raise ValueError(
                f"`num_return` must be at most `num_beams`, {self.num_beams}; received "
                f"{self.num_return}. Search with a wider beam."
            )
        check_one_of("stopping", self.stopping, _STOPPING)

    @property
    def width(self) -> int:
        """As many hypotheses run side by side as there are beams."""
        return self.num_beams

    def check(self, vocabulary: int) -> None:
        """Raise a ValueError if the beam is wider than the vocabulary."""
        if self.num_beams > vocabulary:
            raise ValueError(
                f"`num_beams` must be at most the size of the vocabulary, {vocabulary}; received "
                f"{self.num_beams}. Search with a narrower beam."
            )

    def start(self, moment: Moment) -> _Search:
        """Return the state before the first token: one empty hypothesis, in the first column."""
        batch = tf.shape(moment.limits)[0]
        coverage: Any = ()
        if self.coverage_penalty:
            if moment.source_mask is None:
                raise ValueError(
                    "`source_mask` must be booleans (batch, source) with a `coverage_penalty`, so "
                    "that padding need not be covered; received None."
                )
            coverage = tf.zeros((batch, self.num_beams, tf.shape(moment.source_mask)[1]))
        return _Search(
            running=tf.tile([[0.0] + [-np.inf] * (self.num_beams - 1)], (batch, 1)),
            ended=tf.fill((batch, self.num_return), -np.inf),
            count=tf.zeros((batch, 1), tf.int32),
            done=tf.zeros((batch, 1), tf.bool),
            coverage=coverage,
        )

    def choose(
        self, logits: Tensor, log_total: Tensor, state: _Search, moment: Moment
    ) -> tuple[Choice, _Search]:
        """Choose the continuations of all hypotheses of an example; see `Sampler.choose`."""
        beams, results = self.num_beams, self.num_return
        log_probs, tokens, parents = self._continue(logits, log_total, state.running)
        stops = tokens == moment.stop

        running, picked = tf.math.top_k(tf.where(stops, -np.inf, log_probs), beams)
        running = tf.where(state.done, state.running, running)
        run_on = tf.where(state.done, NONE, tf.gather(tokens, picked, batch_dims=1))
        come_from = tf.where(state.done, tf.range(beams), tf.gather(parents, picked, batch_dims=1))

        length = moment.time + 1
        coverage = self._cover(state, moment)
        first = slice(None), slice(beams)  # those that end below are too unlikely
        ends = stops[first] & (log_probs[first] > -np.inf) & ~state.done
        scores = self._score(
            log_probs[first], length, self._covered(coverage, moment.source_mask), parents[first]
        )
        scores = tf.concat([state.ended, tf.where(ends, scores, -np.inf)], -1)
        ended, best = tf.math.top_k(scores, results)
        is_old = best < results
        from_beam = tf.gather(parents, tf.maximum(best - results, 0), batch_dims=1)

        choice = Choice(
            tokens=tf.concat([run_on, tf.where(is_old, NONE, moment.stop)], -1),
            parents=tf.concat([come_from, tf.where(is_old, beams + best, from_beam)], -1),
        )
        count = state.count + tf.reduce_sum(tf.cast(ends, tf.int32), -1, keepdims=True)
        done = state.done | (length >= moment.limits)
        if self.stopping == "optimal":
            # A score grows only by the length penalty, which is largest at the limit.
            done |= running[:, :1] / self._length(moment.limits) <= ended[:, -1:]
        elif self.stopping == "enough":
            done |= (count >= beams) | (running[:, :1] == -np.inf)
        if self.coverage_penalty:
            coverage = tf.where(
                state.done[..., None],
                state.coverage,
                tf.gather(coverage, come_from, batch_dims=1),
            )
        return choice, _Search(running, ended, count, done, coverage)

    def _continue(
        self, logits: Tensor, log_total: Tensor, running: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the most likely continuations of each example's hypotheses, likeliest first.

        There are twice as many as beams: at most one continuation of each hypothesis ends it, so
        that enough remain to run on. Each has its log probability, its last token, and the column
        of the hypothesis that it continues.
        """
        # The best of all are among the best of each hypothesis.
        each = min(2 * self.num_beams, logits.shape[-1])
        every = self.num_beams * each
        found, tokens = largest(logits, each)
        log_probs = tf.reshape(found - log_total, (-1, self.num_beams, each))
        log_probs, at = tf.math.top_k(
            tf.reshape(log_probs + running[:, :, None], (-1, every)), min(2 * self.num_beams, every)
        )
        return log_probs, tf.gather(tf.reshape(tokens, (-1, every)), at, batch_dims=1), at // each

    def finish(self, state: _Search, moment: Moment) -> Finish:
        """Return the hypotheses that ended and, if these are too few, the best of those cut."""
        scores = self._score(
            state.running, moment.limits, self._covered(state.coverage, moment.source_mask)
        )
        cut, order = tf.math.top_k(scores, self.num_beams)
        rank = tf.range(self.num_return)
        ended = tf.reduce_sum(tf.cast(state.ended > -np.inf, tf.int32), -1, keepdims=True)
        behind = tf.maximum(rank - ended, 0)
        return Finish(
            columns=tf.where(
                rank < ended, self.num_beams + rank, tf.gather(order, behind, batch_dims=1)
            ),
            scores=tf.where(rank < ended, state.ended, tf.gather(cut, behind, batch_dims=1)),
        )

    def _length(self, length: Tensor) -> Tensor:
        """Return lp, the divisor of log probabilities."""
        if not self.length_penalty:
            return 1.0
        return ((5.0 + tf.cast(length, tf.float32)) / 6.0) ** self.length_penalty

    def _score(
        self, log_probs: Tensor, length: Tensor, covered: Tensor, parents: Tensor | None = None
    ) -> Tensor:
        """Return scores from log probabilities `(batch, n)` and, if used, cp of `parents`."""
        scores = log_probs / self._length(length)
        if not self.coverage_penalty:
            return scores
        return scores + (covered if parents is None else tf.gather(covered, parents, batch_dims=1))

    def _cover(self, state: _Search, moment: Moment) -> Tensor:
        """Return the coverage `(batch, num_beams, source)`, including this step."""
        if not self.coverage_penalty:
            return ()
        if moment.attention is None:
            raise ValueError(
                "`step` must return the attention (rows, source) as its third item, alone or in a "
                "dict under 'attention', with a `coverage_penalty`; received none."
            )
        attention = tf.cast(moment.attention, tf.float32)
        return state.coverage + tf.reshape(attention, tf.shape(state.coverage))

    def _covered(self, coverage: Tensor, source_mask: Tensor) -> Tensor:
        """Return cp `(batch, num_beams)`, which is never positive."""
        if not self.coverage_penalty:
            return ()
        # A place without any attention would make the score infinite.
        logs = tf.math.log(tf.clip_by_value(coverage, _TINY, 1.0))
        logs = tf.where(source_mask[:, None], logs, 0.0)
        return self.coverage_penalty * tf.reduce_sum(logs, -1)
