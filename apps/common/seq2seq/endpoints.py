"""Endpoints of an encoder and a decoder for other runtimes."""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

import rnnlayers
from apps.common.other_runtimes import NumericEndpoints


def decoder_endpoints(
    model: rnnlayers.EncoderDecoder,
    name: str,
    decode: Callable,
    example: Mapping[str, tf.Tensor],
    vocabularies: Mapping[str, Sequence[str]],
) -> NumericEndpoints:
    """Return an endpoint that decodes whole sequences, and endpoints for single steps.

    Args:
        model: The model.
        name: The name of the endpoint that decodes whole sequences.
        decode: Its function, of the input of the encoder.
        example: An input of the encoder, by its name. Its batch and time may have any size.
        vocabularies: By file name, the meaning of ids 0, 1, ...
    """
    ((key, value),) = example.items()
    steps = rnnlayers.StepEndpoints(model)
    (encoder_input,) = model.encoder.inputs
    spec = tf.TensorSpec([None, *encoder_input.shape[1:]], value.dtype)
    token = tf.ones([value.shape[0]], tf.int32)
    return NumericEndpoints(
        {
            name: (decode, {key: spec}),
            "encode": (steps.encode, {key: spec}),
            "decode_step": (steps.decode_step, steps.signature(spec)),
        },
        {
            name: example,
            "encode": example,
            "decode_step": {"token": token, **steps.encode(value)},
        },
        vocabularies,
    )
