"""The networks: from a window to scaled quantiles of each step of the horizon."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

import rnnlayers
from apps.common.cells import recurrent, step
from apps.forecasting.layers import Calibration, LinearShare, Pinball, Queries, phases
from apps.forecasting.settings import Settings
from apps.forecasting.windows import TIME, WINDOW, Windows, input_specs
from rnnlayers.optimizers import ClipByGlobalNorm

LEAST_SIZE = 0.1  # added to the deviation of a window, of scaled values


def build_model(settings: Settings, windows: Windows) -> keras.Model:
    """Build and compile the model: scaled quantiles from a window as it was measured.

    Inputs are those of `input_specs`; the output is `(batch, horizon, variables, levels)`.
    """
    variables = len(windows.mean)
    inputs = {
        name: keras.Input(spec.shape[1:], dtype=spec.dtype.name, name=name)
        for name, spec in input_specs(
            settings.window, settings.horizon, variables, windows.covariate_sizes
        ).items()
    }
    scaled = keras.layers.Normalization(
        mean=windows.mean, variance=windows.scale**2, name="scaling"
    )(inputs[WINDOW])
    calendar = phases(inputs[TIME]) if settings.calendar else None
    further = Further(**scaled_covariates(inputs, windows))
    past = scaled - scaled[:, -1:]
    size = ops.ones_like(scaled[:, :1])
    if settings.scaling == "window":
        # The swings of many series grow with their level. A network that sees them at one size
        # learns from all windows alike, and its intervals grow with the swings.
        size = ops.std(scaled, axis=1, keepdims=True) + LEAST_SIZE
    changes = NETWORKS[settings.model](past / size, calendar, further, settings, variables)
    size = ops.expand_dims(size, -1)
    changes = LinearShare(settings.middle, name="linear")(past, changes * size)
    changes = Calibration(settings.levels, name="calibration")(changes / size) * size
    # In this order: Keras 3.15 takes a summand for a bias wherever its shape might be one's.
    quantiles = ops.expand_dims(scaled[:, -1:], -1) + changes
    model = keras.Model(inputs, quantiles, name="forecasting")
    rate = keras.optimizers.schedules.ExponentialDecay(
        settings.learning_rate, len(windows), settings.decay, staircase=True
    )
    adam = keras.optimizers.Adam(rate)
    model.compile(
        optimizer=rnnlayers.ClippedOptimizer(adam, ClipByGlobalNorm(settings.max_norm)),
        loss=Pinball(settings.levels),
    )
    return model


class Further(NamedTuple):
    """Scaled covariates, those that there are.

    Args:
        known: `(batch, window + horizon, columns)`.
        past: `(batch, window, columns)`.
        static: `(batch, columns)`.
    """

    known: keras.KerasTensor | None = None
    past: keras.KerasTensor | None = None
    static: keras.KerasTensor | None = None


def scaled_covariates(inputs, windows):
    """Scale covariates by their mean and deviation in the training part."""
    scales = windows.covariates.scales() if windows.covariates else {}
    return {
        kind: keras.layers.Normalization(mean=mean, variance=variance, name=f"{kind}_scaling")(
            inputs[kind]
        )
        for kind, (mean, variance) in scales.items()
    }


def segments(window, calendar, further, settings, variables):
    """Run a recurrence over the segments of each variable, then a step for each future segment."""
    size, count = settings.segment, settings.window // settings.segment
    rows = ops.transpose(window[:, -count * size :], (0, 2, 1))
    rows = ops.reshape(rows, (-1, count, size))  # (batch * variables, segments, steps)
    if others := within_window(further, settings.window):
        others = ops.concatenate(others, -1)
        others = ops.reshape(others[:, -count * size :], (-1, count, size * others.shape[-1]))
        rows = ops.concatenate([rows, each_variable(others, variables)], -1)
    features = keras.layers.Dense(settings.units, activation="relu")(rows)
    state, *states = recurrent(settings.cell, settings.units, return_state=True)(features)
    ahead = -(-settings.horizon // size)
    queries = Queries(ahead, variables)(state)  # (batch * variables * segments, units)
    if calendar is not None:
        starts = keras.layers.Dense(settings.units)(calendar[:, settings.window :: size])
        queries = queries + ops.reshape(each_variable(starts, variables), (-1, settings.units))
    if further.known is not None:
        future = further.known[:, settings.window :]
        future = ops.pad(future, ((0, 0), (0, ahead * size - settings.horizon), (0, 0)))
        future = ops.reshape(future, (-1, ahead, size * future.shape[-1]))
        future = apart(future, variables, settings.units)
        queries = queries + ops.reshape(future, (-1, settings.units))
    if further.static is not None:
        same = apart(ops.expand_dims(further.static, 1), variables, settings.units)
        queries = queries + ops.repeat(ops.reshape(same, (-1, settings.units)), ahead, axis=0)
    states = [ops.repeat(state, ahead, axis=0) for state in states]
    decoded, _ = step(settings.cell, settings.units)(queries, states)
    changes = quantiles_of(decoded, size, settings)
    changes = ops.reshape(changes, (-1, variables, ahead * size, len(settings.levels)))
    return ops.transpose(changes, (0, 2, 1, 3))[:, : settings.horizon]


def sequence(window, calendar, further, settings, variables):
    """Encode the window in states, from which another recurrence steps into the future."""
    past = with_calendar(window, calendar, slice(None, settings.window))
    past = joined(past, within_window(further, settings.window))
    _, *states = recurrent(settings.cell, settings.units, return_state=True)(past)
    place = ops.reshape(ops.linspace(0.0, 1.0, settings.horizon), (1, -1, 1))
    place = ops.zeros_like(window[:, :1, :1]) + place  # how far ahead each step is
    steps = with_calendar(place, calendar, slice(settings.window, None))
    if further.known is not None:
        steps = ops.concatenate([steps, further.known[:, settings.window :]], -1)
    if further.static is not None:
        same = ops.repeat(ops.expand_dims(further.static, 1), settings.horizon, axis=1)
        steps = ops.concatenate([steps, same], -1)
    decoder = recurrent(settings.cell, settings.units, return_sequences=True)
    return quantiles_of(decoder(steps, initial_state=states), variables, settings)


def last(window, calendar, further, settings, variables):
    """Forecast all steps at once from the last state of a recurrence."""
    past = with_calendar(window, calendar, slice(None, settings.window))
    past = joined(past, within_window(further, settings.window))
    state = recurrent(settings.cell, settings.units)(past)
    state = joined(state, at_once(further, settings.window))
    changes = quantiles_of(state, settings.horizon * variables, settings)
    return ops.reshape(changes, (-1, settings.horizon, variables, len(settings.levels)))


def dense(window, calendar, further, settings, variables):
    """Forecast each variable from its window by two layers without recurrence."""
    hidden = keras.layers.Dense(settings.units)(ops.transpose(window, (0, 2, 1)))
    if calendar is not None:
        future = keras.layers.Flatten()(calendar[:, settings.window :])
        hidden = hidden + ops.expand_dims(keras.layers.Dense(settings.units)(future), 1)
    others = [keras.layers.Flatten()(part) for part in within_window(further, settings.window)]
    if others := [*others, *at_once(further, settings.window)]:
        others = ops.expand_dims(ops.concatenate(others, -1), 1)
        hidden = hidden + apart(others, variables, settings.units)[:, :, 0]
    changes = quantiles_of(ops.relu(hidden), settings.horizon, settings)
    return ops.transpose(changes, (0, 2, 1, 3))


NETWORKS = {"segments": segments, "sequence": sequence, "last": last, "dense": dense}


def quantiles_of(states, count, settings):
    """Compute quantiles of `count` numbers from states: `(..., units)` to `(..., count, levels)`.

    Only the median trains the states. It is the forecast, and it gets worse where the other
    quantiles train the states too. Those are computed from the states without changing them.
    """
    states = keras.layers.Dropout(settings.dropout)(states)
    fixed = ops.stop_gradient(states)
    quantiles = []
    for level in settings.levels:
        # The outer quantiles begin as far from the median as errors of scaled forecasts lie. They
        # learn too slowly to get there before the median is past its best.
        bias = keras.initializers.Constant(0.5 * NormalDist().inv_cdf(level))
        dense = keras.layers.Dense(count, bias_initializer=bias)
        quantiles.append(dense(states if level == 0.5 else fixed))
    return ops.stack(quantiles, axis=-1)


def with_calendar(sequence, calendar, steps):
    """Append to each step of a sequence its phases in day, week and year, if there are any."""
    return sequence if calendar is None else ops.concatenate([sequence, calendar[:, steps]], -1)


def within_window(further, window):
    """Return the covariates at the steps of the window, each `(batch, window, columns)`."""
    known = [] if further.known is None else [further.known[:, :window]]
    return known if further.past is None else [*known, further.past]


def at_once(further, window):
    """Return the covariates of all future steps, and of a series, each `(batch, numbers)`."""
    future = [] if further.known is None else [keras.layers.Flatten()(further.known[:, window:])]
    return future if further.static is None else [*future, further.static]


def joined(first, others):
    """Append the features of others to the first, if there are any."""
    return ops.concatenate([first, *others], -1) if others else first


def apart(rows, variables, units):
    """Compute features of each variable from `(batch, steps, numbers)`, as each may react apart.

    Returns:
        `(batch, variables, steps, units)`.
    """
    features = keras.layers.Dense(variables * units)(rows)
    features = ops.reshape(features, (-1, rows.shape[1], variables, units))
    return ops.transpose(features, (0, 2, 1, 3))


def each_variable(rows, variables):
    """Repeat rows `(batch, segments, numbers)` for each variable: `(batch * variables, ...)`."""
    return ops.repeat(rows, variables, axis=0)


def mean_of(members: Sequence[keras.Model], levels: Sequence[float]) -> keras.Model:
    """Build a model whose quantiles are the means of those of its members, calibrated."""
    inputs = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in members[0].input.items()
    }
    for number, member in enumerate(members, start=1):
        member.name = f"member_{number}"
    # Each quantile is learned for itself, so they may cross.
    quantiles = keras.layers.average([ops.sort(member(inputs)) for member in members])
    quantiles = Calibration(levels, name="calibration")(quantiles)
    return keras.Model(inputs, quantiles, name="forecasting")


def choose_weights(model: keras.Model, held: Windows, training: Windows) -> keras.Model:
    """Set the weights that are not trained, the linear share and the calibration.

    Args:
        model: From `build_model` or `mean_of`.
        held: Windows to choose them on.
        training: Windows that the model was trained on.

    Returns:
        The model.
    """
    layers = {layer.name: layer for layer in model.layers}
    if "linear" in layers:  # the mean of members has none of its own
        layers["linear"].choose(model, held)
    if "calibration" in layers:  # a training that began in an earlier version has none
        layers["calibration"].choose(model, held, training)
    return model


def linear_share(model: keras.Model) -> float:
    """Return the share of the linear model in a forecast, the mean of those of members."""
    parts = [layer for layer in model.layers if isinstance(layer, keras.Model)] or [model]
    return float(np.mean([part.get_layer("linear").share.numpy() for part in parts]))
