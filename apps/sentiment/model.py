"""The network: words and n-grams, a GRU in both directions, and a linear model."""

import keras
from keras import ops

import rnnlayers
from apps.sentiment.ngrams import Ngrams
from apps.sentiment.settings import Settings
from rnnlayers.optimizers import ClipByGlobalNorm


@keras.saving.register_keras_serializable("apps.sentiment")
class MeanWhenAnswering(keras.Layer):
    """Takes the first of two log-odds while training, so that it learns alone; then the mean."""

    def call(self, learning, fixed, training=False):
        """Joins the log-odds, both `(batch,)`."""
        return learning if training else (learning + fixed) / 2


def build_model(settings: Settings, word_count: int, ngrams: Ngrams) -> keras.Model:
    """Builds and compiles the model: probabilities `(batch,)` of a positive review from its ids.

    The ids `(batch, timesteps, orders)` are those of the n-grams that end at each step, 0 after the
    last. Those below `word_count` are single words.
    """
    ids = keras.Input((None, settings.orders), dtype="int64", name="ngrams")
    present = ops.not_equal(ids[:, :, 0], 0)
    words = ops.where(ngrams.plain(ids) < word_count, ngrams.plain(ids), 1)[:, :, 0]
    vectors = keras.layers.Embedding(word_count, settings.embedding_size)(words)
    vectors = keras.layers.SpatialDropout1D(settings.vector_dropout)(vectors)
    gru = rnnlayers.GRU(settings.units, return_sequences=True)
    # The mask is given by hand: Concatenate would make one that is true everywhere.
    features = keras.layers.Concatenate()([vectors, ngrams.ratios(ids)])
    states = rnnlayers.Bidirectional(gru, name="states")(features, mask=present)
    pooled = keras.layers.Dropout(settings.dropout)(max_and_mean(states, present))
    network = keras.layers.Dense(1, name="network")(pooled)[:, 0]
    log_odds = MeanWhenAnswering()(network, ngrams.linear(ids))
    model = keras.Model(ids, ops.sigmoid(log_odds), name="sentiment")
    adam = keras.optimizers.Adam(settings.learning_rate)
    model.compile(
        optimizer=rnnlayers.ClippedOptimizer(adam, ClipByGlobalNorm(settings.max_norm)),
        loss="binary_crossentropy",
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy")],
    )
    return model


def max_and_mean(states: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
    """Pools states `(batch, timesteps, units)` over the steps that are `present`, not padding."""
    present = ops.expand_dims(present, axis=-1)
    highest = ops.max(ops.where(present, states, -1.0), axis=1)  # no state of a GRU is lower
    weights = ops.cast(present, states.dtype)
    mean = ops.sum(states * weights, axis=1) / ops.sum(weights, axis=1)
    return ops.concatenate([highest, mean], axis=-1)
