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
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tyro

from apps.common.applications import Demo
from apps.common.cli import run_command
from apps.common.exports import export_run
from apps.common.files import replacing
from apps.common.other_runtimes import Format
from apps.common.refusal import Refusal
from apps.common.reports import plot_history, report
from apps.common.runs import Run
from apps.common.training import fit
from apps.forecasting.baselines import forecast_baselines, ridge
from apps.forecasting.data import Series, load
from apps.forecasting.exported import CARD, Forecaster, forecast
from apps.forecasting.metrics import (
    LOWER_IS_BETTER,
    forecast_scores,
    futures,
    seasonal_naive_error,
    step_errors,
)
from apps.forecasting.networks import build_model, mean_of
from apps.forecasting.plots import plot_forecast, plot_step_errors
from apps.forecasting.settings import Settings
from apps.forecasting.windows import Inputs, Windows, scaling

DEMO = Demo(seconds=50, inputs=lambda folder: ())

# Data


def load_series(settings: Settings, cache: Path | None = None) -> Series:
    """Loads the series; those of a file are mapped into memory from the folder `cache`."""
    options = ("sample", "time_column", "columns", "season", "max_gap")
    return load(settings.source, cache=cache, **{name: getattr(settings, name) for name in options})


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
        train_part(run / "dense", replace(settings, model="dense"), series)  # to compare with
    train_members(folder, settings, series)


def train_part(folder: Path, settings: Settings, series: Series) -> keras.Model:
    """Trains a part of a run, unless that is done, and returns its model."""
    part = Run(folder)
    if part.model_file.exists():
        part.check_same(settings)
    else:
        train_members(Run.begin(folder, settings), settings, series)
    return part.model()


def train_members(folder: Run, settings: Settings, series: Series) -> None:
    """Trains a network, or several and their mean (Lakshminarayanan et al. 2017)."""
    if settings.members == 1:
        train_network(folder, settings, series)
        return
    members = []
    for place in range(settings.members):
        alone = replace(settings, members=1, seed=1000 * place + settings.seed)
        members.append(train_part(folder.folder / f"member_{place + 1}", alone, series))
    folder.write_model(folder.model_file.name, mean_of(members))


def train_network(folder: Run, settings: Settings, series: Series) -> None:
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
    fit(
        folder,
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
        raise Refusal(
            f"{series.origin}: the model forecasts {', '.join(names)}, in this order; "
            f"found {', '.join(series.names)}"
        )
    if len(series.times) < window:
        raise Refusal(
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
        card=CARD,
        also=also,
    )


def real_inputs(folder: Run, most: int = 3) -> Inputs | None:
    """Returns windows of the test part; none where the source is out of reach, or another now."""
    settings = folder.settings(Settings)
    try:
        series = load_series(settings)
        series.check_trainable(settings.window, settings.horizon)
        check_fits(series, folder.read_lines("variables.txt"), settings.window)
    except (Refusal, OSError) as error:
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
    ours = scores.pop(settings.model)
    report(folder, "forecasting", settings.source, ours, scores, LOWER_IS_BETTER)
    plot_step_errors(folder, errors)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command."""
    commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
    run_command(commands, argv, "apps.forecasting", __doc__)
