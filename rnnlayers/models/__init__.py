"""Whole models: what an encoder and a decoder are together."""

from rnnlayers.models.encoder_decoder import Encoded, EncoderDecoder
from rnnlayers.models.endpoints import StepEndpoints
from rnnlayers.models.self_critical import SelfCritical

__all__ = ["Encoded", "EncoderDecoder", "SelfCritical", "StepEndpoints"]
