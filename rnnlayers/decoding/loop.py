"""One loop over tokens, in the graph. It needs a step function and states, never a model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from rnnlayers.decoding.arguments import (
    check_forced,
    check_ids,
    check_lengths,
    check_mask,
    check_start,
)
from rnnlayers.decoding.constraints import Constraints
from rnnlayers.decoding.history import History
from rnnlayers.decoding.samplers import Moment, Sampler
from rnnlayers.decoding.step import TracedStep, repeat
from rnnlayers.types import Tensor

Step = Callable[..., Any]


class Decoded(NamedTuple):
    """The result of `decode`: n hypotheses for each example, the best first.

    Attributes:
        tokens: `(batch, n, time)`, int32, padded, including the stop token. A hypothesis without a
            stop token was cut at its `max_length`.
        lengths: `(batch, n)`, int32, the number of tokens including the stop token; 0 if there is
            no such hypothesis.
        scores: `(batch, n)`, float32, log probabilities, in a `BeamSearch` with its penalties;
            -inf if there is no such hypothesis.
        extras: The third items that the step function returned, in the same structure, each
            `(batch, n, time, ...)`, zeros after the end; or None.
    """

    tokens: Tensor
    lengths: Tensor
    scores: Tensor
    extras: Any


@tf.autograph.experimental.do_not_convert
def decode(
    step: Step,
    initial_states: Any,
    start_tokens: Tensor,
    sampler: Sampler,
    *,
    stop_token_id: int,
    max_length: Any,
    min_length: int = 0,
    pad_token_id: int = 0,
    forbidden_tokens: Sequence[int] = (),
    forced_tokens: Tensor | None = None,
    source_mask: Tensor | None = None,
) -> Decoded:
    """Produce tokens one by one until every example is done.

    All examples and all their hypotheses go through one `tf.while_loop`, eagerly, in a
    `tf.function` or in an exported graph. The result of an example does not depend on the others.
    XLA can compile the step function, but not the loop, whose number of steps is not known.

    Args:
        step: `step(tokens, states)` returns logits `(rows, vocabulary)` and the new states. Tokens
            are `(rows,)`, int32; states are a structure of tensors with the leading axis rows. Rows
            are `(batch, sampler.width)`, flat. What the hypotheses of an example share, such as a
            source to attend to, need not be repeated: reshape to `(batch, -1, features)`. The step
            may return a third item to be collected, a structure of tensors with the leading axis
            rows.
        initial_states: Tensors in dicts, lists and tuples, each with the leading axis batch; `()`
            for none.
        start_tokens: `(batch,)`, integers, the tokens that the first step is given.
        sampler: `Greedy`, `Sampling`, `BeamSearch`, or a `Sampler` of your own.
        stop_token_id: The token that ends a hypothesis.
        max_length: Largest number of tokens, including the stop token: an integer, or integers
            `(batch,)`, at least 1.
        min_length: Least number of tokens, including the stop token.
        pad_token_id: The token after the end. The step function is given it too.
        forbidden_tokens: Ids that are never chosen.
        forced_tokens: `(batch, positions)`, integers: the id that is forced at each position, -1
            for any, so that a prefix is a row of ids followed by -1. It prevails over
            `forbidden_tokens` and `min_length`.
        source_mask: Booleans `(batch, source)`, False where there is nothing to attend to, for a
            coverage penalty.

    Returns:
        A `Decoded`: tokens, lengths, scores, extras.

    Raises:
        ValueError: if an argument is out of range or has the wrong shape, if the sampler does not
            fit the vocabulary, or if `step` returns anything else.

    Example:

    >>> from rnnlayers.decoding import Greedy, decode
    >>> count_down = lambda tokens, states: (tf.one_hot(tokens - 1, 10), states)
    >>> result = decode(count_down, (), [3, 1], Greedy(), stop_token_id=0, max_length=5)
    >>> result.tokens.numpy().tolist(), result.lengths.numpy().tolist()
    ([[[2, 1, 0]], [[0, 0, 0]]], [[3], [1]])
    """
    start = check_start(start_tokens)
    if not isinstance(sampler, Sampler):
        raise ValueError(
            "`sampler` must be `Greedy()`, `Sampling()`, `BeamSearch(num_beams)` or another "
            f"`Sampler`; received {sampler!r}."
        )
    width, batch = sampler.width, tf.shape(start)[0]
    states = tf.nest.map_structure(lambda state: repeat(state, width), initial_states)
    model = TracedStep(step, states)
    sampler.check(model.vocabulary)
    limits = check_lengths(min_length, max_length, batch)
    for name, ids in (("stop_token_id", [stop_token_id]), ("pad_token_id", [pad_token_id])):
        check_ids(name, ids, model.vocabulary)
    check_ids("forbidden_tokens", forbidden_tokens, model.vocabulary)
    constraints = Constraints(
        model.vocabulary,
        stop_token_id,
        min_length,
        forbidden_tokens,
        check_forced(forced_tokens, width, model.vocabulary),
    )
    moment = Moment(tf.constant(0), stop_token_id, limits, None, check_mask(source_mask))
    longest = tf.maximum(tf.reduce_max(limits), 1)  # without examples it would be negative

    def go_on(time: Tensor, tokens: Tensor, states: Any, search: Any, history: Any) -> Tensor:
        # At least one step, so that the results have a shape even without examples.
        return (time == 0) | ((time < longest) & ~tf.reduce_all(search.done))

    def take_step(time: Tensor, tokens: Tensor, states: Any, search: Any, history: Any) -> Any:
        logits, states, extras = model(tokens, states)
        logits = tf.cast(logits, tf.float32)
        log_total = tf.reduce_logsumexp(logits, -1, keepdims=True)
        logits = constraints.apply(logits, time)
        now = moment._replace(time=time, attention=_attention(extras))
        choice, search = sampler.choose(logits, log_total, search, now)
        tokens = tf.reshape(choice.tokens[:, :width], (-1,))
        if sampler.reorders:
            rows = choice.parents[:, :width] + tf.range(batch)[:, None] * width
            states = [tf.gather(state, tf.reshape(rows, (-1,))) for state in states]
        history = history.write(time, History(*choice, extras))
        return time + 1, tf.where(tokens < 0, pad_token_id, tokens), states, search, history

    before = (
        tf.constant(0),
        tf.repeat(start, width),
        tf.nest.flatten(states),
        sampler.start(moment),
        History.start(sampler.reorders, model.extras),
    )
    # Not every operator keeps track of the size of the first axis, the batch.
    shapes = tf.nest.map_structure(_any_batch, before)
    *_, search, history = tf.while_loop(go_on, take_step, before, shape_invariants=shapes)
    finish = sampler.finish(search, moment)
    tokens, extras, there = history.follow(finish, width)
    return Decoded(
        tokens=tf.where(there, tokens, pad_token_id),
        lengths=tf.reduce_sum(tf.cast(there, tf.int32), -1),
        scores=finish.scores,
        extras=extras if tf.nest.flatten(extras) else None,
    )


def _any_batch(value: Any) -> tf.TensorShape:
    if isinstance(value, tf.TensorArray):
        return tf.TensorShape(None)
    return tf.TensorShape([None, *value.shape[1:]] if value.shape.rank else [])


def _attention(extras: Any) -> Tensor | None:
    """Return the attention from the extras, or None."""
    if isinstance(extras, Mapping):
        return extras.get("attention")
    return extras if tf.is_tensor(extras) else None
