"""The network: recurrent layers whose states continue from segment to segment, and logits."""

import keras

import rnnlayers
from apps.common.cells import recurrent
from apps.textgen.settings import Settings
from rnnlayers.optimizers import ClipByGlobalNorm


def build_model(settings: Settings, size: int, steps: int) -> keras.Model:
    """Build and compile the model, from ids to logits `(batch, time, size)` of the next character.

    Args:
        settings: The settings of the run.
        size: The number of ids.
        steps: The number of training steps in an epoch.
    """
    ids = keras.Input(batch_shape=(settings.batch_size, None), dtype="int32")
    states = keras.layers.Embedding(size, settings.embedding_size)(ids)
    for _ in range(settings.layers):
        layer = recurrent(settings.cell, settings.units, return_sequences=True, stateful=True)
        states = layer(states)
        states = keras.layers.Dropout(settings.dropout)(states)
    model = keras.Model(ids, keras.layers.Dense(size)(states), name="textgen")
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps * settings.epochs)
    adam = keras.optimizers.Adam(rate)
    model.compile(
        optimizer=rnnlayers.ClippedOptimizer(adam, ClipByGlobalNorm(settings.max_norm)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def adopt(model: keras.Model, other: keras.Model) -> keras.Model:
    """Give a model the weights and the state of the optimizer of one for another batch size."""
    model.optimizer.build(model.trainable_variables)
    ours, theirs = ([*each.variables, *each.optimizer.variables] for each in (model, other))
    for variable, value in zip(ours, theirs, strict=True):
        variable.assign(value)
    return model


def split_layers(model: keras.Model) -> tuple[keras.Layer, list[keras.Layer], keras.Layer]:
    """Return the embedding, the recurrent layers and the last layer of a model of `build_model`."""
    embedding, *recurrent_layers, head = [layer for layer in model.layers if layer.weights]
    return embedding, recurrent_layers, head


def with_explicit_states(model: keras.Model) -> keras.Model:
    """Return the network of a trained model for any batch size, with its states in and out.

    Args:
        model: From `build_model`.

    Returns:
        A model from ids `(batch, time)` and states to logits `(batch, time, size)` and states.
    """
    embedding, recurrent_layers, head = split_layers(model)
    ids = keras.Input((None,), dtype="int32")
    outputs, before, after = embedding(ids), [], []
    for layer in recurrent_layers:
        states = [keras.Input((layer.cell.units,)) for _ in layer.cell.state_names]
        loop = rnnlayers.Recurrent(layer.cell, return_sequences=True, return_state=True)
        outputs, *later = loop(outputs, initial_state=states)
        before += states
        after += later
    return keras.Model([ids, *before], [head(outputs), *after])
