"""Whole models of an encoder and a decoder."""

from rnnlayers.models.encoded import Encoded
from rnnlayers.models.encoder_decoder import EncoderDecoder
from rnnlayers.models.endpoints import StepEndpoints
from rnnlayers.models.self_critical import SelfCritical

__all__ = ["Encoded", "EncoderDecoder", "SelfCritical", "StepEndpoints"]
