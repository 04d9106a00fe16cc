"""Forecasting: how does a series go on, and how sure is that?  Many to many over time.

    window ── minus its last value ── cut in segments ── GRU over the segments ──┐
                                                                                 ├── quantiles
    which segment of the horizon, which variable ── one step of a second GRU ────┘

Every variable is forecast by the same network, from its own past. Whole segments of the window are
the steps of the recurrence, and all segments of the horizon are decoded at once from the last
state, each by a step of its own, so that no error feeds on another (SegRNN, Lin et al. 2023). What
comes out are quantiles: the median is the forecast, the outer ones are the interval around it. A
linear model errs elsewhere; what share it gets in the forecast is decided on validation data.

`--members` trains several networks from different seeds and takes the mean of their quantiles.

`--model` chooses among four networks: `segments` is this one; `sequence` is the textbook's encoder
and decoder, step by step; `last` forecasts all steps from the last state of a GRU; `dense` has no
recurrence at all and is trained beside each of them, to show what recurrence buys.

Data: `sample` (weekly CO2 on Mauna Loa; `--sample synthetic` for generated hours), or the path of
a CSV or Parquet file with a column of times.

    python -m apps.forecasting train --source sample --run runs/forecasting
    python -m apps.forecasting evaluate --run runs/forecasting
    python -m apps.forecasting predict --run runs/forecasting
    python -m apps.forecasting export --run runs/forecasting --to saved_models
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Literal

import keras
import numpy as np
import tyro
from keras import ops

import rnnlayers
from apps.common.cli import check, is_users_mistake, run_command
from apps.common.exported.forecaster import Forecaster, forecast
from apps.common.exports import export_run
from apps.common.forecast_baselines import forecast_baselines, ridge
from apps.common.forecast_layers import LinearShare, Pinball, Queries, phases
from apps.common.forecasts import forecast_scores, futures, seasonal_naive_error, step_errors
from apps.common.other_runtimes import Format
from apps.common.replacing import replacing
from apps.common.reports import plot_forecast, plot_history, plot_step_errors, report
from apps.common.runs import Run
from apps.common.sources import load
from apps.common.sources.series import Series
from apps.common.windows import Inputs, Windows, scaling
from rnnlayers.optimizers import ClipByGlobalNorm


@dataclass(frozen=True)
class Settings:
    """What decides a run; it is saved with it."""

    source: str = "sample"  # where the series come from: sample, or a CSV or Parquet file
    sample: str = "co2"  # the embedded sample: co2, or synthetic
    time_column: str | None = None  # the column of times; found by its name or look if not given
    columns: tuple[str, ...] | None = None  # the columns to forecast; all of numbers if not given
    season: int | None = None  # steps in the main season; by the frequency if not given
    max_gap: int | None = None  # fill gaps of at most so many steps; a season if not given
    model: Literal["segments", "sequence", "last", "dense"] = "segments"  # the network
    window: int = 156  # steps looked back on
    horizon: int = 26  # steps to forecast
    segment: int = 13  # steps in a segment
    calendar: bool = False  # also give the network the time of day, of the week and of the year
    levels: tuple[float, ...] = (0.1, 0.5, 0.9)  # of the quantiles; the middle one is the forecast
    units: int = 128  # of the recurrent or dense layers
    dropout: float = 0.3  # the part of the features dropped before the last layer in training
    learning_rate: float = 2e-3  # of Adam, at first
    decay: float = 0.8  # the learning rate is multiplied by this after each epoch but the first
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    batch_size: int = 64  # windows in a training step
    limit: int | None = None  # windows in an epoch, drawn anew, and to validate; all if not given
    epochs: int = 20  # the most epochs to train
    patience: int = 3  # stop after so many epochs without a lower validation loss
    members: int = 1  # networks that are trained apart and whose forecasts are averaged
    seed: int = 1  # decides the first weights, the order and the dropout

    @property
    def middle(self) -> int:
        """The place of the median among the quantiles."""
        return list(self.levels).index(0.5)

    def check(self) -> None:
        """Refuses what cannot work."""
        sizes = ["window", "horizon", "segment", "units", "batch_size", "epochs", "patience"]
        check(self, [*sizes, "members"], lambda size: size >= 1, "at least 1")
        check(self, ["segment"], lambda size: size <= self.window, f"at most {self.window=}")
        check(self, ["limit"], lambda limit: limit is None or limit >= 1, "at least 1")
        check(self, ["learning_rate", "max_norm"], lambda number: number > 0, "above 0")
        check(self, ["decay"], lambda part: 0 < part <= 1, "above 0 and at most 1")
        check(self, ["dropout"], lambda part: 0 <= part < 1, "at least 0 and below 1")
        check(self, ["seed"], lambda seed: seed >= 0, "at least 0")
        check(
            self,
            ["levels"],
            lambda levels: sorted({*levels, 0.5}) == [*levels] and levels[0] > 0 and levels[-1] < 1,
            "increasing numbers between 0 and 1, 0.5 among them",
        )


# Data


def load_series(settings: Settings, cache: Path | None = None) -> Series:
    """Loads the series; those of a file are mapped into memory from the folder `cache`."""
    options = {"season": settings.season}
    if settings.source == "sample":
        options |= {"sample": settings.sample}
    else:
        options |= {"time_column": settings.time_column, "columns": settings.columns}
        options |= {"max_gap": settings.max_gap, "cache": cache}
    return load("series", settings.source, **options)


def make_datasets(series: Series, settings: Settings) -> dict[str, Windows]:
    """Makes the windows of each part: what follows them lies in that part, whole."""
    scales = scaling(series.values[: series.ends[0]])
    windows = {}
    for name, rows in series.parts().items():
        first = max(rows.start, settings.window)
        train = name == "training"
        windows[name] = Windows(
            series.times,
            series.values,
            scales,
            range(first, rows.stop - settings.horizon + 1),
            settings.window,
            settings.horizon,
            settings.batch_size,
            settings.seed if train else None,
            settings.limit if train else None,
        )
    if settings.limit is not None:
        windows["validation"].keep(settings.limit)
    return windows


# Model


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


# Training


def train(run: Path, settings: Settings) -> None:
    """Train, or go on with a training that was broken off: give the same command again.

    Args:
        run: The folder of the run.
        settings: What decides the run.
    """
    settings.check()
    folder = Run.begin(run, settings)
    series = load_series(settings, run / "cache")
    series.check_trainable(settings.window, settings.horizon)
    folder.write_lines("variables.txt", series.names)
    if settings.model != "dense":
        fit_part(run / "dense", replace(settings, model="dense"), series)  # to compare with
    fit(folder, settings, series)


def fit_part(folder: Path, settings: Settings, series: Series) -> keras.Model:
    """Trains a part of a run, unless that is done, and returns its model."""
    part = Run(folder)
    if part.model_file.exists():
        part.check_same(settings)
    else:
        fit(Run.begin(folder, settings), settings, series)
    return part.model()


def fit(folder: Run, settings: Settings, series: Series) -> None:
    """Trains a network, or several and their mean (Lakshminarayanan et al. 2017)."""
    if settings.members == 1:
        fit_one(folder, settings, series)
        return
    members = []
    for place in range(settings.members):
        alone = replace(settings, members=1, seed=1000 * place + settings.seed)
        members.append(fit_part(folder.folder / f"member_{place + 1}", alone, series))
    folder.write_model(folder.model_file.name, mean_of(members))


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


def fit_one(folder: Run, settings: Settings, series: Series) -> None:
    """Trains one network."""
    keras.utils.set_random_seed(settings.seed)
    windows = make_datasets(series, settings)
    train, validation = windows["training"], windows["validation"]
    if (model := folder.resumed()) is None:
        model = build_model(settings, train)
        values = (series.values[: series.ends[1]] - train.mean) / train.scale
        kernel, bias = ridge(values, series.ends, settings.window, settings.horizon)
        linear = model.get_layer("linear")
        linear.kernel.assign(kernel)
        linear.bias.assign(bias)
    print(f"Training {settings.model}: {model.count_params():,} weights")
    folder.fit(
        model,
        train,
        validation,
        epochs=settings.epochs,
        patience=settings.patience,
        finish=lambda best: best.get_layer("linear").choose(best, validation),
    )
    plot_history(folder)


# Inference


def load_forecaster(folder: Run) -> Forecaster:
    """Loads what a finished run has trained."""
    settings, model = folder.settings(Settings), folder.model()
    member = model if settings.members == 1 else model.get_layer("member_1")
    return Forecaster(model, member.get_layer("scaling"), settings.levels, settings.calendar)


def check_fits(series: Series, names: Sequence[str], window: int) -> None:
    """Refuses series that a model with these variables and this window cannot go on with."""
    if list(series.names) != names:
        raise ValueError(
            f"{series.origin}: the model forecasts {', '.join(names)}, in this order; "
            f"found {', '.join(series.names)}"
        )
    if len(series.times) < window:
        raise ValueError(
            f"{series.origin}: the model looks back on {window:,} rows; found {len(series.times):,}"
        )


def predict(inputs: tyro.conf.Positional[tuple[Path, ...]], run: Path) -> None:
    """Forecast what follows on the end of series, as a table and a plot in the folder of the run.

    Args:
        inputs: CSV or Parquet files like the one trained on; that one itself if there are none.
        run: The folder of the run.
    """
    folder = Run.finished(run)
    forecaster, settings = load_forecaster(folder), folder.settings(Settings)
    for path in inputs or (Path(settings.source),):
        series = load_series(replace(settings, source=str(path)))
        check_fits(series, folder.read_lines("variables.txt"), settings.window)
        stem = f"forecast_{path.stem}"
        table = forecast(forecaster, series)
        with replacing(run / f"{stem}.csv") as temporary:
            table.to_csv(temporary, index=False)
        plot_forecast(folder, stem, series, table, settings.window)
        print(f"{table.head().to_string(index=False)}\n...\nWritten to {run / stem}.csv")


def export(run: Path, to: Path = Path("saved_models"), also: tuple[Format, ...] = ()) -> None:
    """Export the run as a SavedModel that takes windows as measured and needs none of this code.

    Args:
        run: The folder of the run.
        to: The folder of all exports; this one becomes its forecasting/<version>.
        also: Write it for other runtimes too, which take the same windows.
    """
    folder = Run.finished(run)
    forecaster = load_forecaster(folder)
    numeric = forecaster.numeric(real_inputs(folder) or forecaster.made_up_inputs())
    export_run(
        forecaster,
        folder,
        "forecasting",
        to,
        endpoints=numeric.endpoints,
        probes=numeric.probes,
        numeric=lambda: numeric,
        also=also,
    )


def real_inputs(folder: Run, most: int = 3) -> Inputs | None:
    """Returns windows of the test part; none where the source is out of reach, or another now."""
    settings = folder.settings(Settings)
    try:
        series = load_series(settings)
        series.check_trainable(settings.window, settings.horizon)
        check_fits(series, folder.read_lines("variables.txt"), settings.window)
    except Exception as error:
        if not is_users_mistake(error):
            raise
        print(f"The export is tried on made-up windows: {error}")
        return None
    test = make_datasets(series, settings)["test"]
    return test.inputs(np.asarray(test.origins[:most]))


# Evaluation


def evaluate(run: Path, most: int = 20_000) -> None:
    """Score the run from every origin in the test part, beside simpler ways to forecast.

    Args:
        run: The folder of the run.
        most: Use at most so many origins, evenly apart.
    """
    folder = Run.finished(run)
    settings = folder.settings(Settings)
    series = load_series(settings, run / "cache")
    test = make_datasets(series, settings)["test"]
    test.keep(most)
    values = (series.values[: series.ends[-1]] - test.mean) / test.scale
    actual = futures(values, test.origins, settings.horizon)
    naive_error = seasonal_naive_error(values[: series.ends[0]], series.season)
    scales = {"mean": test.mean, "scale": test.scale, "naive_error": naive_error}
    scores, errors = {}, {}
    networks = {settings.model: folder}
    if settings.model != "dense":
        networks["dense"] = Run.finished(run / "dense")
    for name, network in networks.items():
        quantiles = np.sort(network.model().predict(test.dataset(), verbose=0))
        point = quantiles[..., settings.middle]
        scores[name] = forecast_scores(actual, point, quantiles, settings.levels, **scales)
        errors[name] = step_errors(actual, point)
    sizes = {"window": settings.window, "horizon": settings.horizon}
    for name, point in forecast_baselines(
        values, series.ends, test.origins, season=series.season, **sizes
    ):
        scores[name] = forecast_scores(actual, point, **scales)
        errors[name] = step_errors(actual, point)
    report(folder, "forecasting", settings.source, scores.pop(settings.model), scores)
    plot_step_errors(folder, errors)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command."""
    commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
    run_command(commands, argv, "apps.forecasting", __doc__)


if __name__ == "__main__":
    main()
