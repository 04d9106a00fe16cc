"""Decoding: greedy, sampling and beam search. It needs a step function, never a model."""

from rnnlayers.decoding.beam import BeamSearch
from rnnlayers.decoding.loop import Decoded, decode
from rnnlayers.decoding.samplers import (
    Choice,
    Finish,
    Greedy,
    Independent,
    Moment,
    Sampler,
    Sampling,
)

__all__ = [
    "BeamSearch",
    "Choice",
    "Decoded",
    "Finish",
    "Greedy",
    "Independent",
    "Moment",
    "Sampler",
    "Sampling",
    "decode",
]
