"""The networks: a recurrence over the steps, then one answer, or a symbol at each step."""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import rnnlayers
from apps.recognition.cells import recurrent
from apps.recognition.features import PACKAGE, JoinedSteps, MaskedSpans, Spectra
from apps.recognition.settings import Settings
from rnnlayers.optimizers import ClipByGlobalNorm

FEATURES, SAMPLES, LENGTH = "features", "samples", "length"
NETWORK, SPECTRA, HEAD = "network", "spectra", "head"
BLANK = 0  # the symbol that stands for none (Graves et al. 2006)
CERTAIN = 30.0  # the logit of the blank behind the end, where all others are 0
WARM_UP = 0.1  # of the training steps, in which the learning rate rises


class Statistics(NamedTuple):
    """Of the training examples: the mean and variance of each feature, `(features,)`."""

    mean: np.ndarray
    variance: np.ndarray


def build_model(
    settings: Settings, outputs: int, statistics: Statistics, spectra: Spectra | None, steps: int
) -> keras.Model:
    """Build and compile the model.

    Its inputs are `features` `(batch, steps, features)`, or `samples` `(batch, samples)` of
    recordings, and how many of them count, `length` `(batch,)`.

    Args:
        settings: The settings of the run.
        outputs: The number of classes, or of symbols without the blank.
        statistics: Those of the training examples.
        spectra: Turns samples into features; None for series.
        steps: Training steps in an epoch, for the learning rate.
    """
    if settings.answer == "class":
        network = build_classifier(settings, outputs, statistics)
        loss: Any = keras.losses.SparseCategoricalCrossentropy()
        metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    else:
        network = build_transcriber(settings, outputs, statistics)
        loss, metrics = temporal_classification, []
        if settings.blanks:
            loss = LateClassification(settings.blanks)
    model = network
    if spectra is not None:
        samples = keras.Input((None,), name=SAMPLES)
        length = keras.Input((), dtype="int32", name=LENGTH)
        answer = network({FEATURES: spectra(samples), LENGTH: spectra.count(length)})
        model = keras.Model({SAMPLES: samples, LENGTH: length}, answer, name="recognition")
    return compiled(model, settings, loss, metrics, steps)


def compiled(model, settings, loss, metrics, steps) -> keras.Model:
    """Compile a model with Adam, whose learning rate falls to zero along a cosine."""
    total = settings.epochs * steps
    rising = max(1, round(WARM_UP * total))
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate / 10,
        max(1, total - rising),
        warmup_target=settings.learning_rate,
        warmup_steps=rising,
    )
    adam = keras.optimizers.Adam(schedule)
    clipped = rnnlayers.ClippedOptimizer(adam, ClipByGlobalNorm(settings.max_norm))
    model.compile(optimizer=clipped, loss=loss, metrics=metrics)
    return model


@keras.saving.register_keras_serializable(PACKAGE)
def temporal_classification(targets, logits):
    """Return minus the logarithm of the sum over all alignments (Graves et al. 2006), `(batch,)`.

    It has the numbers of `keras.losses.CTC`, and takes a quarter of its time on a CPU.

    Args:
        targets: The symbols of transcripts, `(batch, letters)`, the blank behind the end.
        logits: `(batch, steps, symbols + 1)`.
    """
    symbols = tf.sparse.from_dense(tf.cast(targets, tf.int32))
    shape = tf.shape(logits)
    steps = tf.fill(shape[:1], shape[1])
    return tf.nn.ctc_loss(symbols, logits, None, steps, logits_time_major=False, blank_index=BLANK)


@keras.saving.register_keras_serializable(PACKAGE)
class LateClassification(keras.losses.Loss):
    """The loss of `temporal_classification` over those alignments that begin with blanks.

    A network that hears the past alone may otherwise settle on guessing the first letter before it
    has heard anything: its probability is that of the letter among all first letters, and the
    gradient leads nowhere from there.

    Args:
        blanks: The steps at the beginning that must be blank.
        **kwargs: Arguments of `keras.losses.Loss`.
    """

    def __init__(self, blanks: int, name: str = "late_classification", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.blanks = blanks

    def call(self, targets, logits):
        """Return the loss of each transcript, `(batch,)`."""
        silent = tf.nn.log_softmax(logits[:, : self.blanks])[..., BLANK]
        later = temporal_classification(targets, logits[:, self.blanks :])
        return later - tf.reduce_sum(silent, axis=1)

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "blanks": self.blanks}


def build_classifier(settings: Settings, classes: int, statistics: Statistics) -> keras.Model:
    """Build the network from features to the probabilities of classes, `(batch, classes)`."""
    inputs, steps, present = read_steps(settings, statistics)
    pooled = max_and_mean(states_of(settings, steps, present), present)
    if settings.fcn:
        beside = max_and_mean(convolved(settings, steps, present), present)
        pooled = ops.concatenate([pooled, beside], axis=-1)
    pooled = keras.layers.Dropout(settings.dropout)(pooled)
    logits = keras.layers.Dense(classes, name=HEAD)(pooled)
    return keras.Model(inputs, ops.softmax(logits), name=NETWORK)


def build_transcriber(settings: Settings, symbols: int, statistics: Statistics) -> keras.Model:
    """Build the network from features to the logits of symbols, `(batch, steps, symbols + 1)`.

    The first is the logit of the blank. Behind the end the blank is all but certain, so that these
    steps add nothing to the loss of connectionist temporal classification.
    """
    inputs, steps, present = read_steps(settings, statistics)
    states = keras.layers.Dropout(settings.dropout)(states_of(settings, steps, present))
    logits = keras.layers.Dense(symbols + 1, name=HEAD)(states)
    blank = np.zeros(symbols + 1, "float32")
    blank[BLANK] = CERTAIN
    return keras.Model(inputs, ops.where(present[:, :, None], logits, blank), name=NETWORK)


def build_convolutional(settings: Settings, classes: int, statistics: Statistics) -> keras.Model:
    """Build a network of convolutions in the place of the recurrence, of about the same size."""
    inputs, steps, present = read_steps(settings, statistics)
    pooled = max_and_mean(convolved(settings, steps, present), present)
    pooled = keras.layers.Dropout(settings.dropout)(pooled)
    logits = keras.layers.Dense(classes, name=HEAD)(pooled)
    return keras.Model(inputs, ops.softmax(logits), name=NETWORK)


def read_steps(settings: Settings, statistics: Statistics) -> tuple:
    """Return the inputs of a network, what the recurrence reads, and which steps there are."""
    features = keras.Input((None, len(statistics.mean)), name=FEATURES)
    length = keras.Input((), dtype="int32", name=LENGTH)
    steps = keras.layers.Normalization(mean=statistics.mean, variance=statistics.variance)(features)
    steps = ops.where(ops.isnan(steps), 0.0, steps)  # what is missing is the training mean
    present = steps_until(steps, length)
    if settings.center:
        weights = ops.cast(present, steps.dtype)[:, :, None]
        mean = ops.sum(steps * weights, axis=1, keepdims=True)
        steps = steps - mean / ops.sum(weights, axis=1, keepdims=True)
    steps = MaskedSpans(settings.mask_time, settings.mask_bands)(steps, length)
    steps = keras.layers.GaussianNoise(settings.noise)(steps)
    if settings.convolutions:
        for _ in range(2):
            steps = convolution(steps, present, settings.convolutions, settings.kernel)
    if settings.stride > 1:
        steps = JoinedSteps(settings.stride)(zero_outside(steps, present))
        if settings.convolutions:
            steps = ops.max(steps, axis=2)  # rectified, so that zeros change nothing
        else:
            steps = keras.layers.Reshape((-1, settings.stride * len(statistics.mean)))(steps)
        # Rounded up; other runtimes round a negative quotient otherwise.
        joined = (length + settings.stride - 1) // settings.stride
        present = steps_until(steps, joined)
    return {FEATURES: features, LENGTH: length}, steps, present


def states_of(settings: Settings, steps: keras.KerasTensor, present: keras.KerasTensor):
    """Return the states of the recurrences, `(batch, steps, states)`."""
    for number in range(settings.layers):
        if number:
            steps = keras.layers.Dropout(settings.dropout)(steps)
        layer = recurrent(settings.cell, settings.units)
        if not settings.streaming:
            layer = rnnlayers.Bidirectional(layer)
        steps = layer(steps, mask=present)
    return steps


def convolved(settings: Settings, steps: keras.KerasTensor, present: keras.KerasTensor):
    """Return two convolutions of steps in the place of a recurrence, `(batch, steps, filters)`."""
    # As many weights as the gates of a bidirectional recurrence: 8 units (inputs + units).
    for _ in range(2):
        steps = convolution(steps, present, 2 * settings.units, settings.kernel)
    return steps


def convolution(steps, present, filters: int, kernel: int):
    """Return a convolution over time, normalised and rectified, in which padding is zero."""
    layer = keras.layers.Conv1D(filters, kernel, padding="same", use_bias=False)
    return ops.relu(keras.layers.LayerNormalization()(layer(zero_outside(steps, present))))


def steps_until(steps, length):
    """Return which steps of `(batch, steps, size)` come before the end, `(batch, steps)`."""
    numbers = ops.cumsum(ops.ones_like(steps[:, :, 0], dtype="int32"), axis=1)
    return numbers <= length[:, None]


def zero_outside(steps, present):
    """Return steps with zeros behind the end."""
    return ops.where(present[:, :, None], steps, 0.0)


def max_and_mean(states, present):
    """Pool states `(batch, steps, size)` over the steps that are `present`, at least one."""
    present = present[:, :, None]
    highest = ops.max(ops.where(present, states, -1e9), axis=1)
    weights = ops.cast(present, states.dtype)
    mean = ops.sum(states * weights, axis=1) / ops.sum(weights, axis=1)
    return ops.concatenate([highest, mean], axis=-1)


def spectra_of(model: keras.Model) -> Spectra | None:
    """Return the layer that turns samples into features, or None if the model reads series."""
    return next((layer for layer in model.layers if isinstance(layer, Spectra)), None)


def network_of(model: keras.Model) -> keras.Model:
    """Return the network behind the features."""
    return model if spectra_of(model) is None else model.get_layer(NETWORK)


def statistics_of(network: keras.Model) -> Statistics:
    """Return the mean and variance of each training feature, by which a network standardizes."""
    found = (layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))
    layer = next(found)
    return Statistics(np.ravel(layer.mean), np.ravel(layer.variance))


def with_explicit_states(network: keras.Model) -> keras.Model:
    """Return a streaming network with its states in and out.

    Args:
        network: From `build_transcriber`, with recurrences that run forwards only.

    Returns:
        A model from features `(batch, steps, features)`, whose steps are a multiple of the stride,
        and states to logits `(batch, steps / stride, symbols + 1)` and states.
    """
    features = keras.Input((None, len(statistics_of(network).mean)))
    steps, before, after = features, [], []
    for layer in network.layers:
        if isinstance(layer, rnnlayers.Recurrent):
            states = [keras.Input((size,)) for size in layer.cell.state_sizes]
            loop = rnnlayers.Recurrent(layer.cell, return_sequences=True, return_state=True)
            steps, *later = loop(steps, initial_state=states)
            before += states
            after += later
        elif isinstance(layer, keras.layers.Normalization | JoinedSteps | keras.layers.Reshape):
            steps = layer(steps)
    return keras.Model([features, *before], [network.get_layer(HEAD)(steps), *after])
