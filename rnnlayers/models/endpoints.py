"""An encoder and a decoder step by step, for programs that run the loop themselves."""

from typing import Any

import tensorflow as tf

from rnnlayers.cells.attention import Memory
from rnnlayers.models.encoder_decoder import EncoderDecoder
from rnnlayers.types import Tensor


class StepEndpoints(tf.Module):
    """`EncoderDecoder.encode` and `decode_step` with flat dicts, as endpoints of an export.

    A program can run its own loop with these two: it encodes once, and then passes to each step the
    token before it, the results of `encode`, and the states of the step before.

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
            `state_0`, `state_1`, ...: the states before the first step, `(batch, units)`. If the
            decoder attends: `values` and `keys`, `(batch, source, features)`, and `mask`, booleans
            `(batch, source)`, if the encoder returns one.
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
            token: `(batch,)`, int32, the token before; `start_token_id` at the first step.
            **encoded: The results of `encode`, with the states of the step before.

        Returns:
            `log_probability` of the next token, `(batch, vocabulary)`; the states after the step;
            and, if the decoder attends, `attention`, `(batch, source)`.
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
        """Return the signature of `decode_step`, for sources of this kind."""
        encode = tf.function(self.encode, autograph=False, input_signature=[sources])
        encoded = encode.get_concrete_function().structured_outputs
        steps = {}
        for name, tensor in encoded.items():
            shape = [None, tensor.shape[-1]] if name.startswith("state_") else [None, None]
            shape += [tensor.shape[-1]] if name in ("values", "keys") else []
            steps[name] = tf.TensorSpec(shape, tensor.dtype)
        return {"token": tf.TensorSpec([None], tf.int32), **steps}
