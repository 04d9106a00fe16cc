"""Whole models: what an encoder and a decoder are together."""

from rnnlayers.models.encoder_decoder import Encoded, EncoderDecoder
from rnnlayers.models.endpoints import StepEndpoints

__all__ = ["Encoded", "EncoderDecoder", "StepEndpoints"]
