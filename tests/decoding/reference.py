"""A small model, and what decoding must find in it: lists, recursion and float64, no tensors.

Nothing here knows the library. A hypothesis is a list of tokens; `enumerate_all` looks at every
one that there is, and `search` is beam search as one would explain it.
"""

import itertools
from dataclasses import dataclass, field, replace

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Hypothesis:
    tokens: list
    log_prob: float
    state: np.ndarray
    attention: list  # one vector for each token
    ended: bool = False
    score: float = -np.inf


@dataclass
class Model:
    """A recurrent model of random weights, whose every logit depends on all tokens before."""

    vocabulary: int
    seed: int = 0
    batch: int = 8
    units: int = 4
    source: int = 3
    sharpness: float = 3.0
    rng: np.random.Generator = field(init=False)

    def __post_init__(self):
        self.rng = rng = np.random.default_rng(self.seed)
        self.initial = rng.normal(size=(self.batch, self.units))
        self.embedding = rng.normal(size=(self.vocabulary, self.units))
        self.recurrent = rng.normal(size=(self.units, self.units))
        self.output = self.sharpness * rng.normal(size=(self.units, self.vocabulary))
        self.attend = 2 * rng.normal(size=(self.units, self.source))
        self.source_mask = (
            np.arange(self.source) < np.array([self.source, 2, 1] * self.batch)[: self.batch, None]
        )

    def step_in_numpy(self, token, state, example):
        """Return log probabilities, the attention and the new state of one row."""
        state = np.tanh(state @ self.recurrent + self.embedding[token])
        scores = np.where(self.source_mask[example], state @ self.attend, -np.inf)
        return log_softmax(state @ self.output), np.exp(log_softmax(scores)), state

    def step(self, tokens, states):
        """The same in TensorFlow, with a tree of states: the mask of the source is one of them."""
        (state,), mask = states["memory"], states["mask"]
        weights = {
            name: tf.constant(getattr(self, name), tf.float32)
            for name in ("embedding", "recurrent", "output", "attend")
        }
        state = tf.tanh(state @ weights["recurrent"] + tf.gather(weights["embedding"], tokens))
        attention = tf.nn.softmax(tf.where(mask, state @ weights["attend"], -np.inf))
        logits = state @ weights["output"] + 7.0  # logits need not be log probabilities
        return (
            logits,
            {"memory": (state,), "mask": mask},
            {"attention": attention, "tokens": tokens},
        )

    def states(self, rows=slice(None)):
        state = tf.constant(self.initial[rows], tf.float32)
        return {"memory": (state,), "mask": tf.constant(self.source_mask[rows])}


@dataclass(frozen=True)
class Task:
    """The rules of the search; the names are those of the library."""

    stop: int
    max_length: int
    start: int = 0
    min_length: int = 0
    forbidden: tuple = ()
    forced: tuple = ()
    length_penalty: float = 0.0
    coverage_penalty: float = 0.0

    def allowed(self, time, vocabulary):
        if time < len(self.forced) and self.forced[time] >= 0:
            return [self.forced[time]]
        tokens = [token for token in range(vocabulary) if token not in self.forbidden]
        return [t for t in tokens if t != self.stop or time + 1 >= self.min_length]

    def scored(self, hypothesis, mask):
        length = ((5 + len(hypothesis.tokens)) / 6) ** self.length_penalty
        covered = np.sum(hypothesis.attention, 0)[mask]
        coverage = np.sum(np.log(np.minimum(covered, 1))) if self.coverage_penalty else 0.0
        score = hypothesis.log_prob / length + self.coverage_penalty * coverage
        return replace(hypothesis, score=score)


def log_softmax(logits):
    shifted = logits - np.max(logits)
    return shifted - np.log(np.sum(np.exp(shifted)))


def continuations(model, task, hypothesis, example):
    """Return every hypothesis of one more token."""
    token = hypothesis.tokens[-1] if hypothesis.tokens else task.start
    log_probs, attention, state = model.step_in_numpy(token, hypothesis.state, example)
    return [
        Hypothesis(
            [*hypothesis.tokens, token],
            hypothesis.log_prob + log_probs[token],
            state,
            [*hypothesis.attention, attention],
            token == task.stop,
        )
        for token in task.allowed(len(hypothesis.tokens), model.vocabulary)
    ]


def best(hypotheses, key):
    return sorted(hypotheses, key=key, reverse=True)


def results(task, ended, cut, mask):
    """Return all, scored: those that ended, best first, and then those that were cut."""
    groups = [[task.scored(h, mask) for h in group] for group in (ended, cut)]
    return list(itertools.chain(*(best(group, lambda h: h.score) for group in groups)))


def enumerate_all(model, task, example):
    """Return every hypothesis there is."""
    running, ended = [Hypothesis([], 0.0, model.initial[example], [])], []
    for _ in range(task.max_length):
        every = [c for h in running for c in continuations(model, task, h, example)]
        ended += [h for h in every if h.ended]
        running = [h for h in every if not h.ended]
    return results(task, ended, running, model.source_mask[example])


def search(model, task, example, num_beams, enough=False):
    """Return what beam search finds; it never stops early, unless enough have ended."""
    running, ended = [Hypothesis([], 0.0, model.initial[example], [])], []
    for _ in range(task.max_length):
        every = [c for h in running for c in continuations(model, task, h, example)]
        every = best(every, lambda h: h.log_prob)
        ended += [h for h in every[:num_beams] if h.ended]
        running = [h for h in every if not h.ended][:num_beams]
        if enough and len(ended) >= num_beams:
            break
    return results(task, ended, running, model.source_mask[example])


def walk(model, task, example, choose):
    """Return the one hypothesis that takes the token `choose(log_probs)` at each step."""
    hypothesis = Hypothesis([], 0.0, model.initial[example], [])
    while not hypothesis.ended and len(hypothesis.tokens) < task.max_length:
        every = continuations(model, task, hypothesis, example)
        hypothesis = choose(every)
    return hypothesis
