"""An encoder and a decoder step by step, for whoever runs the loop elsewhere."""

from typing import Any

import tensorflow as tf

from rnnlayers.cells.attention import Memory
from rnnlayers.models.encoder_decoder import EncoderDecoder
from rnnlayers.types import Tensor


class StepEndpoints(tf.Module):
    """`EncoderDecoder.encode` and `decode_step` with flat dicts, as an export takes endpoints.

    A program that is served the two can run a loop of its own: it encodes once, and then gives each
    step the token before it, what `encode` returned, and the states of the step before.

    Args:
        model: A built `EncoderDecoder`.

    Example:

    >>> cell = rnnlayers.AttentionCell(rnnlayers.GRUCell(8), units=4)
    >>> model = rnnlayers.EncoderDecoder(
    ...     encoder=rnnlayers.GRU(4, return_sequences=True),
    ...     embedding=keras.layers.ReversibleEmbedding(20, 4),
    ...     decoder=rnnlayers.AttentiveDecoder(cell),
    ...     start_token_id=2,
    ...     stop_token_id=3,
    ... )
    >>> model.build(((None, None, 5), (None, None)))
    >>> steps = rnnlayers.StepEndpoints(model)
    >>> encoded = steps.encode(tf.ones((1, 7, 5)))
    >>> sorted(encoded)
    ['keys', 'state_0', 'values']
    >>> steps.decode_step(tf.constant([2]), **encoded)["log_probability"].shape
    TensorShape([1, 20])
    >>> spec = tf.TensorSpec([None, None, 5], tf.float32)
    >>> endpoints = {
    ...     "encode": (steps.encode, {"sources": spec}),
    ...     "decode_step": (steps.decode_step, steps.signature(spec)),
    ... }
    """

    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__()
        self.model = model

    def encode(self, sources: Any) -> dict[str, Tensor]:
        """Encode sources.

        Returns:
            `state_0`, `state_1`, ...: the states before the first step, `(batch, units)`. Where the
            decoder attends: `values` and `keys`, `(batch, source, features)`, and, of an encoder
            that returns one, `mask`, booleans `(batch, source)`.
        """
        encoded = self.model.encode(sources)
        memory = self.model.prepare(encoded)
        found = {f"state_{i}": state for i, state in enumerate(tf.nest.flatten(encoded.states))}
        if memory is not None:
            found |= {"values": memory.values, "keys": memory.keys}
            found |= {} if encoded.mask is None else {"mask": encoded.mask}
        return found

    def decode_step(self, token: Tensor, **encoded: Tensor) -> dict[str, Tensor]:
        """Take one step.

        Args:
            token: `(batch,)`, int32, the token before; `start_token_id` at first.
            **encoded: What `encode` returned, with the states of the step before.

        Returns:
            `log_probability` of the tokens to follow, `(batch, vocabulary)`; the states after the
            step; and, where the decoder attends, `attention`, `(batch, source)`.
        """
        names = sorted(
            (name for name in encoded if name.startswith("state_")),
            key=lambda name: int(name.removeprefix("state_")),
        )
        flat = iter([encoded[name] for name in names])
        before = [[next(flat) for _ in range(count)] for count in self.model.state_counts]
        memory = None
        if "values" in encoded:
            mask = encoded.get("mask")
            mask = None if mask is None else mask[:, None]
            memory = Memory(encoded["values"], encoded["keys"], mask)
        logits, after, attention = self.model.decode_step(token, before, memory)
        found = dict(zip(names, tf.nest.flatten(after), strict=True))
        found["log_probability"] = tf.nn.log_softmax(logits)
        return found if attention is None else {**found, "attention": attention}

    def signature(self, sources: tf.TensorSpec) -> dict[str, tf.TensorSpec]:
        """Return the inputs of `decode_step`, for sources like these."""
        encode = tf.function(self.encode, autograph=False, input_signature=[sources])
        encoded = encode.get_concrete_function().structured_outputs
        steps = {}
        for name, tensor in encoded.items():
            shape = [None, tensor.shape[-1]] if name.startswith("state_") else [None, None]
            shape += [tensor.shape[-1]] if name in ("values", "keys") else []
            steps[name] = tf.TensorSpec(shape, tensor.dtype)
        return {"token": tf.TensorSpec([None], tf.int32), **steps}
