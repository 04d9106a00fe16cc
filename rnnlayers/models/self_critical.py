"""Training by a reward for the sequences that the model generates."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnnlayers.checks import check_positive_integer
from rnnlayers.decoding import Greedy, Sampler, Sampling
from rnnlayers.models.encoded import Encoded
from rnnlayers.models.encoder_decoder import EncoderDecoder
from rnnlayers.types import Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class SelfCritical(keras.Model):
    """Trains an `EncoderDecoder` on the reward of the sequences it generates, with `fit`.

    Teacher forcing trains the next token after those of a reference. In the end a whole sequence
    counts, generated without a reference and judged by a measure such as BLEU that has no gradient.
    So several sequences are drawn for each source, and each becomes likelier the more its reward
    exceeds that of the others:

        w_1 ... w_n ~ p(w | source)
        b_k      = mean of r(w_j) over j != k
        gradient = mean over k of  -(r(w_k) - b_k) d log p(w_k | source)

    Its expectation is the gradient of minus the expected reward, if the reward of a sequence does
    not depend on the others. Begin with a model that was trained with teacher forcing, and with a
    tenth of its learning rate or less: hardly any sequence of an untrained model gets a reward.

    In training, the encoder applies dropout and augmentation; the decoder draws without dropout, as
    in use. `fit` and `evaluate` report the `reward`, and minus the reward as `loss`, so that
    callbacks which monitor `val_loss` choose the highest reward. Validation uses the greedy
    sequence.

    Args:
        model: The built model. It is trained in place: save and use this model.
        reward: A function of NumPy arrays `(tokens, references)` that returns a number for each
            row. `tokens` are `(rows, time)`, int32, padded after the stop token; `references` are
            the labels given to `fit`, a row for each row of tokens. To be saved with this object,
            it must be registered with `keras.saving.register_keras_serializable`.
        max_length: Largest number of tokens, including the stop token.
        num_samples: The number of sequences drawn for each source, at least 2.
        forbidden_tokens: Ids that are never drawn, in addition to the start and pad tokens.
        seed: Seed of the draws.
        **kwargs: `name`, `dtype` of `keras.Model`.

    Call arguments:
        inputs: The inputs of `model`.

    Returns:
        The outputs of `model`. `fit` takes `(sources, references)`: the inputs of the encoder, and
        an array of what the reward needs.

    Masking:
        As in `model`.

    Raises:
        ValueError: if an argument does not fit.

    Example:

    >>> model = rnnlayers.EncoderDecoder(
    ...     encoder=rnnlayers.GRU(4, return_sequences=True),
    ...     embedding=keras.layers.ReversibleEmbedding(9, 4),
    ...     decoder=[rnnlayers.GRU(4, return_sequences=True)],
    ...     start_token_id=1,
    ...     stop_token_id=2,
    ... )
    >>> model.build(((None, None, 5), (None, None)))
    >>> def reward(tokens, references):  # the share of the wanted token
    ...     return (tokens == references[:, None]).mean(axis=1)
    >>> tuned = rnnlayers.SelfCritical(model, reward, max_length=6)
    >>> tuned.compile(keras.optimizers.Adam(0.1))
    >>> x, y = np.ones((8, 3, 5), "float32"), np.full(8, 7)
    >>> history = tuned.fit(x, y, epochs=15, verbose=0).history
    >>> history["reward"][0] < 0.5 < history["reward"][-1]
    True

    References: Rennie et al. (2017), Self-critical sequence training for image captioning,
    equation 8; Kool, van Hoof and Welling (2019), Buy 4 REINFORCE samples, get a baseline for free,
    equation 8 (the other samples as baseline).
    """

    def __init__(
        self,
        model: EncoderDecoder,
        reward: Callable[[np.ndarray, np.ndarray], Any],
        *,
        max_length: int,
        num_samples: int = 5,
        forbidden_tokens: Sequence[int] = (),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(model, EncoderDecoder) or not model.built:
            raise ValueError(
                f"`model` must be an `EncoderDecoder` with weights; received {model!r}. Train it "
                "with teacher forcing first."
            )
        if not callable(reward):
            raise ValueError(
                "`reward` must be a function of tokens and references that returns a number for "
                f"each row; received {reward!r}."
            )
        check_positive_integer("max_length", max_length, "the largest number of tokens")
        check_positive_integer("num_samples", num_samples, "the sequences drawn for each source")
        if num_samples < 2:
            raise ValueError(
                f"`num_samples` must be at least 2, since each sequence is compared with the "
                f"others; received {num_samples}."
            )
        # If the model computes in float16, the optimizer of this object scales the loss.
        kwargs.setdefault("dtype", model.dtype_policy)
        super().__init__(**kwargs)
        self.model = model
        self.reward = reward
        self.max_length = max_length
        self.num_samples = num_samples
        self.forbidden_tokens = tuple(forbidden_tokens)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.rewards = keras.metrics.Mean(name="reward")
        self.supports_jit = False  # XLA cannot call Python for the reward
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        """Return the logits of all steps, each given the target before it."""
        return self.model(inputs, training=training)

    def train_step(self, data: Any) -> dict[str, Tensor]:
        """Draw sequences and take one step of the optimizer."""
        sources, references = self._unpack(data)
        # The generator counts the steps in the second half of its state.
        state = tf.cast(self.seed_generator.next(), "int32")
        seed = tf.random.stateless_uniform((), state, None, None, "int32")
        replicas = tf.distribute.get_strategy().num_replicas_in_sync  # gradients are summed
        with tf.GradientTape() as tape:
            encoded = self.model.encode(sources, training=True)
            tokens = self._generate(encoded, Sampling(num_return=self.num_samples, seed=seed))
            rewards = self._compute_rewards(tokens, references)
            others = tf.reduce_sum(rewards, axis=1, keepdims=True) - rewards
            advantages = rewards - others / (self.num_samples - 1)
            log_probs = self.log_probabilities(tokens, encoded)
            loss = -tf.reduce_mean(tf.stop_gradient(advantages) * log_probs)
            loss = self.optimizer.scale_loss((loss + sum(self.losses)) / replicas)
        weights = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        self.rewards.update_state(rewards)
        return self.get_metrics_result()

    def test_step(self, data: Any) -> dict[str, Tensor]:
        """Reward the greedy sequence of each source."""
        sources, references = self._unpack(data)
        tokens = self._generate(self.model.encode(sources), Greedy())
        self.rewards.update_state(self._compute_rewards(tokens, references))
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Tensor]:
        """Return the mean reward, and its negative as the loss."""
        mean = self.rewards.result()
        return {"loss": -mean, "reward": mean}

    def log_probabilities(self, tokens: Tensor, encoded: Encoded) -> Tensor:
        """Return the log probability of sequences, given the tokens that are not forbidden.

        Args:
            tokens: `(batch, n, time)`, int32, padded after the stop token.
            encoded: The sources, from `EncoderDecoder.encode`.

        Returns:
            `(batch, n)`.
        """
        model, count = self.model, tf.shape(tokens)[1]
        after = tf.reshape(tokens, (-1, tf.shape(tokens)[2]))
        start = tf.fill([tf.shape(after)[0], 1], model.start_token_id)
        before = tf.concat([start, after[:, :-1]], axis=1)
        copies = keras.tree.map_structure(
            lambda part: None if part is None else tf.repeat(part, count, axis=0), encoded
        )
        logits = tf.cast(model.logits(before, copies), "float32")
        forbidden = [*self.forbidden_tokens, model.start_token_id, model.pad_token_id]
        excluded = np.isin(np.arange(logits.shape[-1]), forbidden)
        logits = tf.where(excluded, -np.inf, logits)
        there = after != model.pad_token_id
        labels = tf.where(there, after, model.stop_token_id)  # padding gets a label that is allowed
        costs = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return tf.reshape(-tf.reduce_sum(tf.where(there, costs, 0.0), axis=1), (-1, count))

    def _unpack(self, data: Any) -> tuple[Any, Tensor]:
        sources, references, weights = keras.utils.unpack_x_y_sample_weight(data)
        if references is None or weights is not None:
            raise ValueError(
                "`fit` and `evaluate` must be given sources and references, and no sample weights; "
                f"received {'weights too' if weights is not None else 'sources alone'}."
            )
        return sources, references

    def _generate(self, encoded: Encoded, sampler: Sampler) -> Tensor:
        """Generate tokens `(batch, n, time)`."""
        return self.model.generate_encoded(
            encoded,
            sampler,
            max_length=self.max_length,
            forbidden_tokens=self.forbidden_tokens,
        ).tokens

    def _compute_rewards(self, tokens: Tensor, references: Tensor) -> Tensor:
        """Return the reward of each sequence, `(batch, n)`."""
        count = tf.shape(tokens)[1]
        rows = tf.reshape(tokens, (-1, tf.shape(tokens)[2]))
        rewards = tf.numpy_function(
            self._reward, [rows, tf.repeat(references, count, axis=0)], tf.float32, stateful=False
        )
        return tf.reshape(rewards, (-1, count))

    def _reward(self, tokens: np.ndarray, references: np.ndarray) -> np.ndarray:
        rewards = np.asarray(self.reward(tokens, references), "float32")
        if rewards.shape != (len(tokens),) or not np.isfinite(rewards).all():
            raise ValueError(
                f"`reward` must return a finite number for each of {len(tokens)} rows; received "
                f"{rewards} of shape {rewards.shape}."
            )
        return rewards

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal object."""
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.model),
            "reward": keras.saving.serialize_keras_object(self.reward),
            "max_length": self.max_length,
            "num_samples": self.num_samples,
            "forbidden_tokens": self.forbidden_tokens,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "SelfCritical":
        """Create an object from the result of `get_config`."""
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in ("model", "reward")
        }
        return cls(**{**config, **parts})
