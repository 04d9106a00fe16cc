"""The network: words and n-grams, a recurrence in both directions, and a linear model."""

import keras
from keras import ops

import rnnlayers
from apps.common.cells import recurrent
from apps.sentiment.ngrams import Ngrams
from apps.sentiment.settings import Settings
from rnnlayers.optimizers import ClipByGlobalNorm


@keras.saving.register_keras_serializable("apps.sentiment")
class MeanWhenAnswering(keras.Layer):
    """The mean of two log-odds; in training the first alone, so that it learns independently."""

    def call(self, learned, fixed, training=False):
        """Combine the log-odds, both `(batch,)` or `(batch, classes)`."""
        return learned if training else (learned + fixed) / 2


def build_model(
    settings: Settings, word_count: int, ngrams: Ngrams, classes: int = 2
) -> keras.Model:
    """Build and compile the model, from ids to probabilities.

    The ids `(batch, timesteps, orders)` are those of the n-grams that end at each step, and 0 after
    the last step. Ids below `word_count` are single words. For two classes the probabilities
    `(batch,)` are those of class 1; for more they are `(batch, classes)`.
    """
    ids = keras.Input((None, settings.orders), dtype="int64", name="ngrams")
    present = ops.not_equal(ids[:, :, 0], 0)
    plain = ngrams.without_table(ids)
    words = ops.where(plain < word_count, plain, 1)[:, :, 0]
    vectors = keras.layers.Embedding(word_count, settings.embedding_size)(words)
    vectors = keras.layers.SpatialDropout1D(settings.vector_dropout)(vectors)
    layer = recurrent(settings.cell, settings.units, return_sequences=True)
    # The mask is passed explicitly, since Concatenate would make one that is true everywhere.
    features = keras.layers.Concatenate()([vectors, ngrams.ratios(ids)])
    states = rnnlayers.Bidirectional(layer, name="states")(features, mask=present)
    pooled = keras.layers.Dropout(settings.dropout)(max_and_mean(states, present))
    if classes == 2:
        network = keras.layers.Dense(1, name="network")(pooled)[:, 0]
        loss: str = "binary_crossentropy"
        accuracy = keras.metrics.BinaryAccuracy(name="accuracy")
        to_probabilities = ops.sigmoid
    else:
        network = keras.layers.Dense(classes, name="network")(pooled)
        loss = "sparse_categorical_crossentropy"
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        to_probabilities = ops.softmax
    log_odds = MeanWhenAnswering()(network, ngrams.log_odds(ids))
    model = keras.Model(ids, to_probabilities(log_odds), name="sentiment")
    adam = keras.optimizers.Adam(settings.learning_rate)
    model.compile(
        optimizer=rnnlayers.ClippedOptimizer(adam, ClipByGlobalNorm(settings.max_norm)),
        loss=loss,
        metrics=[accuracy],
    )
    return model


def log_odds_model(model: keras.Model) -> keras.Model:
    """Return the model from ids to what its probabilities are made of: log-odds or logits."""
    (layer,) = (layer for layer in model.layers if isinstance(layer, MeanWhenAnswering))
    return keras.Model(model.input, layer.output)


def max_and_mean(states: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
    """Pool states `(batch, timesteps, units)` over the steps that are `present`, not padding."""
    present = ops.expand_dims(present, axis=-1)
    highest = ops.max(ops.where(present, states, -1.0), axis=1)  # every state is above -1
    weights = ops.cast(present, states.dtype)
    mean = ops.sum(states * weights, axis=1) / ops.sum(weights, axis=1)
    return ops.concatenate([highest, mean], axis=-1)
