"""An encoder and a recurrent decoder of tokens, as one Keras model."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from rnnlayers.cells.attention import Memory, hide
from rnnlayers.decoding import Decoded, Greedy, Sampler, decode
from rnnlayers.models.decoder_layers import Alone, part_of
from rnnlayers.models.encoded import Encoded, ReadMask, mean_over_time
from rnnlayers.models.parts import check_decoder, check_head, check_ids, check_sampling
from rnnlayers.models.scheduled_sampling import mix_targets
from rnnlayers.types import Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class EncoderDecoder(keras.Model):
    """An encoder and a recurrent decoder. `call` is for training, `generate` for inference.

        memory = encoder(sources)                          (batch, source, features)
        s_0    = tanh(B mean(memory) + b)                  each state of the decoder
        logits = head(decoder(embedding(targets), s_0, memory))

    The mean leaves masked places out. Text, images and series differ in the encoder alone. The
    model is trained with teacher forcing: each step is given the target of the step before, so
    `targets` begin with the start token, and the labels, one step ahead, end with the stop token.
    Losses and metrics get the mask of the padded targets from Keras.

    `sampling_rate` turns on scheduled sampling: in each call, a random part of the tokens is
    replaced by predictions of the model. The model runs first with the targets, to get predictions,
    and then with the mixture (Mihaylova and Martins 2019). With as many passes as steps, the
    mixture equals that of Bengio et al. (2015), which is made step by step.

    Args:
        encoder: A layer or model that returns the memory `(batch, source, features)` for sources,
            or a pair of the memory and its mask, booleans `(batch, source)`. A memory with a mask
            of Keras, for example from `Embedding(mask_zero=True)`, needs no pair.
        embedding: A layer that returns vectors `(..., features)` for tokens `(...)`.
        decoder: A layer, or a list of successive layers: `AttentiveDecoder`, at most once,
            recurrent layers with `return_sequences=True`, and layers that treat each step alone,
            such as `Dropout` or `Dense`.
        head: A layer that returns logits `(..., vocabulary)` for the outputs of the decoder. None
            reverses the embedding, which must be a `keras.layers.ReversibleEmbedding`.
        start_token_id: The token that the first step is given.
        stop_token_id: The token that ends a sequence.
        pad_token_id: The token after the end.
        sampling_rate: The share of tokens replaced in training, from 0 to 1, or a schedule over the
            steps of the optimizer, a `keras.optimizers.schedules.LearningRateSchedule`.
        sampling_passes: The number of times that predictions are mixed in.
        seed: Seed of the mixture.
        **kwargs: `name`, `dtype`, `trainable` of `keras.Model`.

    Call arguments:
        inputs: A pair: the sources, which are the inputs of the encoder, and the targets
            `(batch, target)`, integers.
        training: Whether dropout and scheduled sampling apply.

    Returns:
        Logits `(batch, target, vocabulary)`.

    Masking:
        Padding of the targets changes nothing, nor does padding of the sources if the encoder
        returns a mask or passes one on. Losses and metrics leave padded targets out.

    Raises:
        ValueError: if an argument does not fit.

    Example:

    >>> cell = rnnlayers.AttentionCell(rnnlayers.GRUCell(8), units=4)
    >>> model = rnnlayers.EncoderDecoder(
    ...     encoder=rnnlayers.Bidirectional(rnnlayers.GRU(4, return_sequences=True)),
    ...     embedding=keras.layers.ReversibleEmbedding(20, 4),
    ...     decoder=rnnlayers.AttentiveDecoder(cell),
    ...     start_token_id=2,
    ...     stop_token_id=3,
    ... )
    >>> model((np.ones((2, 7, 5)), np.ones((2, 6)))).shape
    TensorShape([2, 6, 20])
    >>> model.generate(np.ones((2, 7, 5)), max_length=9).tokens.shape[:2]
    TensorShape([2, 1])

    References: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder;
    Bahdanau, Cho and Bengio (2015); Xu et al. (2015), Show, attend and tell, section 3.1.2 (the
    first states); Bengio et al. (2015), Scheduled sampling for sequence prediction with recurrent
    neural networks; Mihaylova and Martins (2019), Scheduled sampling for transformers.
    """

    def __init__(
        self,
        encoder: keras.Layer,
        embedding: keras.Layer,
        decoder: keras.Layer | Sequence[keras.Layer],
        head: keras.Layer | None = None,
        *,
        start_token_id: int,
        stop_token_id: int,
        pad_token_id: int = 0,
        sampling_rate: Any = 0.0,
        sampling_passes: int = 1,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        decoder = list(decoder) if isinstance(decoder, list | tuple) else [decoder]
        check_decoder(decoder)
        check_head(head, embedding)
        check_ids(start_token_id, stop_token_id, pad_token_id)
        if isinstance(sampling_rate, dict):
            sampling_rate = keras.optimizers.schedules.deserialize(sampling_rate)
        check_sampling(sampling_rate, sampling_passes)
        super().__init__(**kwargs)
        self.encoder = encoder
        self.embedding = embedding
        self.decoder = decoder
        self.head = head
        self.start_token_id = start_token_id
        self.stop_token_id = stop_token_id
        self.pad_token_id = pad_token_id
        self.sampling_rate = sampling_rate
        self.sampling_passes = sampling_passes
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.bridges = [
            [
                keras.layers.Dense(size, activation="tanh", name=f"bridge_{i}_{j}")
                for j, size in enumerate(part.bridged)
            ]
            for i, part in enumerate(self._parts)
        ]
        self.supports_masking = True

    @property
    def _parts(self) -> list[Alone]:
        """The layers of the decoder."""
        return [part_of(layer) for layer in self.decoder]

    @property
    def state_counts(self) -> list[int]:
        """The number of states of each recurrent layer of the decoder."""
        return [part.state_count for part in self._parts if part.state_count]

    def build(self, inputs_shape: Any) -> None:
        """Create the weights for sources and targets of these shapes."""
        source_shape, target_shape = inputs_shape
        if not self.encoder.built:
            self.encoder.build(source_shape)
        memory_shape = self.encoder.compute_output_shape(source_shape)
        if isinstance(memory_shape[0], list | tuple):
            memory_shape = memory_shape[0]
        if not self.embedding.built:
            self.embedding.build(target_shape)
        shape = self.embedding.compute_output_shape(target_shape)
        for part, bridges in zip(self._parts, self.bridges, strict=True):
            shape = part.build(shape, memory_shape)
            for bridge in bridges:
                bridge.build((None, memory_shape[-1]))
        if self.head is not None and not self.head.built:
            self.head.build(shape)
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        """Return the logits of all steps, each given the target before it."""
        sources, targets = inputs
        targets = ops.cast(targets, "int32")
        encoded = self.encode(sources, training=training)
        if training and self.sampling_rate != 0.0:
            targets = self._mix_targets(targets, encoded)
        return self.logits(targets, encoded, training)

    def encode(self, sources: Any, training: bool = False) -> Encoded:
        """Encode sources, the inputs of the encoder."""
        values = self.encoder(sources, training=training)
        values, mask = values if isinstance(values, list | tuple) else (values, None)
        mask = ReadMask(name="mask_of")(values) if mask is None else mask
        if mask is not None:
            mask = ops.cast(mask, "bool")
            values = hide(values, mask)
        mean = mean_over_time(values, mask)
        states = []
        for part, bridges in zip(self._parts, self.bridges, strict=True):
            first = [bridge(mean) for bridge in bridges]
            first += part.further_states(ops.shape(mean)[0])
            states += [first] if first else []
        return Encoded(values, mask, states)

    def logits(self, targets: Any, encoded: Encoded, training: bool = False) -> Tensor:
        """Return the logits `(batch, target, vocabulary)` of all steps of encoded sources.

        Args:
            targets: `(batch, target)`, int32, each given to the step after it.
            encoded: From `encode`.
            training: Whether dropout applies.
        """
        mask = self.compute_mask((None, targets))
        outputs, states = self.embedding(targets), iter(encoded.states)
        for part in self._parts:
            first = next(states) if part.state_count else []
            outputs = part.over_time(outputs, first, encoded, mask, training)
        return self._head(outputs)

    def _head(self, outputs: Tensor) -> Tensor:
        outputs = ops.copy(outputs)  # without the mask, which not every layer accepts
        return self.embedding(outputs, reverse=True) if self.head is None else self.head(outputs)

    def _mix_targets(self, targets: Tensor, encoded: Encoded) -> Tensor:
        """Return the targets, some of them replaced by predictions of the model."""
        rate = self.sampling_rate
        if callable(rate):
            optimizer = getattr(self, "optimizer", None)
            rate = rate(0 if optimizer is None else optimizer.iterations)
        return mix_targets(
            targets,
            lambda mixed: self.logits(mixed, encoded),
            rate=rate,
            passes=self.sampling_passes,
            pad_token_id=self.pad_token_id,
            seed=self.seed_generator,
        )

    def prepare(self, encoded: Encoded) -> Memory | None:
        """Return the memory for `decode_step`, or None if no layer attends to it."""
        memories = [part.prepare(encoded) for part in self._parts]
        return next((memory for memory in memories if memory is not None), None)

    def decode_step(
        self, tokens: Tensor, states: list[list[Tensor]], memory: Memory | None
    ) -> tuple[Tensor, list[list[Tensor]], Tensor | None]:
        """Take one step.

        Args:
            tokens: `(rows,)`, integers, the tokens before this step.
            states: Like `Encoded.states`, `(rows, units)` each.
            memory: From `prepare`; its batch size divides the number of rows.

        Returns:
            Logits `(rows, vocabulary)`, the states after the step, and the weights of the
            attention `(rows, source)`, or None.
        """
        outputs, attention = self.embedding(tokens), None
        before, after = iter(states), []
        for part in self._parts:
            now = next(before) if part.state_count else []
            outputs, new, weights = part.take_step(outputs, now, memory)
            after += [new] if part.state_count else []
            attention = attention if weights is None else weights
        return self._head(outputs), after, attention

    def generate(
        self,
        sources: Any,
        sampler: Sampler | None = None,
        *,
        max_length: Any,
        forbidden_tokens: Sequence[int] = (),
        **options: Any,
    ) -> Decoded:
        """Produce the tokens of sources.

        Args:
            sources: The inputs of the encoder.
            sampler: How tokens are chosen, see `rnnlayers.decoding`; `Greedy()` by default.
            max_length: Largest number of tokens, including the stop token: an integer, or integers
                `(batch,)`.
            forbidden_tokens: Ids that are never chosen, in addition to the start and pad tokens.
            **options: `min_length` and `forced_tokens` of `rnnlayers.decoding.decode`.

        Returns:
            A `Decoded`. Its `extras` are the weights of the attention,
            `(batch, n, time, source)`, or None without attention.
        """
        sampler = Greedy() if sampler is None else sampler
        options = {"max_length": max_length, "forbidden_tokens": forbidden_tokens, **options}
        return self.generate_encoded(self.encode(sources), sampler, **options)

    def generate_encoded(
        self,
        encoded: Encoded,
        sampler: Sampler,
        *,
        max_length: Any,
        forbidden_tokens: Sequence[int] = (),
        **options: Any,
    ) -> Decoded:
        """Produce the tokens of encoded sources, from `encode`; otherwise as `generate`."""
        memory = self.prepare(encoded)

        def step(tokens: Tensor, states: Any) -> Any:
            logits, states, attention = self.decode_step(tokens, states, memory)
            if attention is None and getattr(sampler, "coverage_penalty", False):
                raise ValueError(
                    "`sampler` has a `coverage_penalty`, which is about attention, but no layer of "
                    f"the decoder of {self.name} attends to the sources. Search without it, or put "
                    "an `AttentiveDecoder` into it."
                )
            return (logits, states) if attention is None else (logits, states, attention)

        size = tf.shape(encoded.values)
        start = tf.fill(size[:1], self.start_token_id)
        return decode(
            step,
            encoded.states,
            start,
            sampler,
            stop_token_id=self.stop_token_id,
            pad_token_id=self.pad_token_id,
            max_length=max_length,
            forbidden_tokens=(*forbidden_tokens, self.start_token_id, self.pad_token_id),
            source_mask=tf.ones(size[:2], tf.bool) if encoded.mask is None else encoded.mask,
            **options,
        )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Tensor:
        """Return the mask of the logits, False at padded targets."""
        return ops.not_equal(ops.cast(inputs[1], "int32"), self.pad_token_id)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal model."""
        rate = self.sampling_rate
        return {
            **super().get_config(),
            **{
                name: keras.saving.serialize_keras_object(getattr(self, name))
                for name in ("encoder", "embedding", "head")
            },
            "decoder": [keras.saving.serialize_keras_object(layer) for layer in self.decoder],
            "start_token_id": self.start_token_id,
            "stop_token_id": self.stop_token_id,
            "pad_token_id": self.pad_token_id,
            "sampling_rate": keras.saving.serialize_keras_object(rate) if callable(rate) else rate,
            "sampling_passes": self.sampling_passes,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "EncoderDecoder":
        """Create a model from the result of `get_config`."""
        layers = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in ("encoder", "embedding", "head")
        }
        decoder = [
            keras.saving.deserialize_keras_object(layer, custom_objects)
            for layer in config["decoder"]
        ]
        return cls(**{**config, **layers, "decoder": decoder})
