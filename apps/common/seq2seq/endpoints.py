"""What other runtimes are given of an encoder and a decoder."""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

import rnnlayers
from apps.common.other_runtimes import NumericEndpoints


def decoder_endpoints(
    model: rnnlayers.EncoderDecoder,
    name: str,
    answer: Callable,
    example: Mapping[str, tf.Tensor],
    vocabularies: Mapping[str, Sequence[str]],
) -> NumericEndpoints:
    """Returns the whole of an encoder and a decoder, and its steps for a loop of one's own.

    Args:
        model: The model.
        name: What the whole is called.
        answer: The whole, a function of the input of the encoder.
        example: That input, by its name; dimensions of the batch and of time are left open.
        vocabularies: What ids mean.
    """
    ((key, value),) = example.items()
    steps = rnnlayers.StepEndpoints(model)
    (encoder_input,) = model.encoder.inputs
    spec = tf.TensorSpec([None, *encoder_input.shape[1:]], value.dtype)
    token = tf.ones([value.shape[0]], tf.int32)
    return NumericEndpoints(
        {
            name: (answer, {key: spec}),
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
