"""The networks: scaled quantiles of a horizon from a window."""

from collections.abc import Sequence
from statistics import NormalDist

import keras
from keras import ops

import rnnlayers
from apps.forecasting.layers import LinearShare, Pinball, Queries, phases
from apps.forecasting.settings import Settings
from apps.forecasting.windows import Windows
from rnnlayers.optimizers import ClipByGlobalNorm


def build_model(settings: Settings, windows: Windows) -> keras.Model:
    """Builds and compiles the model: scaled quantiles from a window as it was measured.

    Inputs are those of `Windows`; the output is `(batch, horizon, variables, levels)`.
    """
    variables = len(windows.mean)
    window = keras.Input((settings.window, variables), name="window")
    time = keras.Input((settings.window + settings.horizon,), dtype="int64", name="time")
    scaled = keras.layers.Normalization(
        mean=windows.mean, variance=windows.scale**2, name="scaling"
    )(window)
    calendar = phases(time) if settings.calendar else None
    past = scaled - scaled[:, -1:]
    changes = NETWORKS[settings.model](past, calendar, settings, variables)
    changes = LinearShare(settings.middle, name="linear")(past, changes)
    # In this order: Keras 3.15 takes what is added for a bias wherever its shape might be one's.
    quantiles = ops.expand_dims(scaled[:, -1:], -1) + changes
    model = keras.Model({"window": window, "time": time}, quantiles, name="forecasting")
    rate = keras.optimizers.schedules.ExponentialDecay(
        settings.learning_rate, len(windows), settings.decay, staircase=True
    )
    adam = keras.optimizers.Adam(rate)
    model.compile(
        optimizer=rnnlayers.ClippedOptimizer(adam, ClipByGlobalNorm(settings.max_norm)),
        loss=Pinball(settings.levels),
    )
    return model


def segments(window, calendar, settings, variables):
    """Runs a GRU over the segments of each variable, and one step of another for each to come."""
    size, count = settings.segment, settings.window // settings.segment
    rows = ops.transpose(window[:, -count * size :], (0, 2, 1))
    rows = ops.reshape(rows, (-1, count, size))  # (batch * variables, segments, steps)
    features = keras.layers.Dense(settings.units, activation="relu")(rows)
    state = rnnlayers.GRU(settings.units)(features)
    ahead = -(-settings.horizon // size)
    queries = Queries(ahead, variables)(state)  # (batch * variables * segments, units)
    if calendar is not None:
        starts = keras.layers.Dense(settings.units)(calendar[:, settings.window :: size])
        starts = ops.repeat(ops.expand_dims(starts, 1), variables, axis=1)
        queries = queries + ops.reshape(starts, (-1, settings.units))
    decoded, _ = rnnlayers.GRUCell(settings.units)(queries, [ops.repeat(state, ahead, axis=0)])
    changes = quantiles_of(decoded, size, settings)
    changes = ops.reshape(changes, (-1, variables, ahead * size, len(settings.levels)))
    return ops.transpose(changes, (0, 2, 1, 3))[:, : settings.horizon]


def sequence(window, calendar, settings, variables):
    """Encodes the window in the state of a GRU, from which another one steps into the future."""
    past = with_calendar(window, calendar, slice(None, settings.window))
    _, state = rnnlayers.GRU(settings.units, return_state=True)(past)
    place = ops.reshape(ops.linspace(0.0, 1.0, settings.horizon), (1, -1, 1))
    place = ops.zeros_like(window[:, :1, :1]) + place  # how far ahead each step is
    steps = with_calendar(place, calendar, slice(settings.window, None))
    states = rnnlayers.GRU(settings.units, return_sequences=True)(steps, initial_state=[state])
    return quantiles_of(states, variables, settings)


def last(window, calendar, settings, variables):
    """Forecasts all steps at once from the last state of a GRU."""
    past = with_calendar(window, calendar, slice(None, settings.window))
    state = rnnlayers.GRU(settings.units)(past)
    changes = quantiles_of(state, settings.horizon * variables, settings)
    return ops.reshape(changes, (-1, settings.horizon, variables, len(settings.levels)))


def dense(window, calendar, settings, variables):
    """Forecasts each variable from its window by two layers without recurrence."""
    hidden = keras.layers.Dense(settings.units)(ops.transpose(window, (0, 2, 1)))
    if calendar is not None:
        future = keras.layers.Flatten()(calendar[:, settings.window :])
        hidden = hidden + ops.expand_dims(keras.layers.Dense(settings.units)(future), 1)
    changes = quantiles_of(ops.relu(hidden), settings.horizon, settings)
    return ops.transpose(changes, (0, 2, 1, 3))


NETWORKS = {"segments": segments, "sequence": sequence, "last": last, "dense": dense}


def quantiles_of(states, count, settings):
    """Reads off states `(..., units)` so many numbers and their quantiles, `(..., count, levels)`.

    What is learned of the states serves the median alone: it is the forecast, and shared with the
    others it gets worse. They are read off the states as they are.
    """
    states = keras.layers.Dropout(settings.dropout)(states)
    as_they_are = ops.stop_gradient(states)
    quantiles = []
    for level in settings.levels:
        # The outer ones begin apart, by what forecasts of a scaled series are off: they learn too
        # slowly to get there before the median is past its best.
        bias = keras.initializers.Constant(0.5 * NormalDist().inv_cdf(level))
        dense = keras.layers.Dense(count, bias_initializer=bias)
        quantiles.append(dense(states if level == 0.5 else as_they_are))
    return ops.stack(quantiles, axis=-1)


def with_calendar(sequence, calendar, steps):
    """Joins to each step of a sequence what the calendar says of it, if it is to be used."""
    return sequence if calendar is None else ops.concatenate([sequence, calendar[:, steps]], -1)


def mean_of(members: Sequence[keras.Model]) -> keras.Model:
    """Builds a model whose quantiles are the means of those of its members."""
    inputs = {
        name: keras.Input(put.shape[1:], dtype=put.dtype, name=name)
        for name, put in members[0].input.items()
    }
    for place, member in enumerate(members):
        member.name = f"member_{place + 1}"
    # Quantiles that were learned each for itself may cross.
    quantiles = keras.layers.average([ops.sort(member(inputs)) for member in members])
    return keras.Model(inputs, quantiles, name="forecasting")
