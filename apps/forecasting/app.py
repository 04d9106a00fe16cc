"""Forecasting: how does a series go on, and how sure is that?

    python -m apps.forecasting train --source sample --run runs/forecasting
    python -m apps.forecasting evaluate --run runs/forecasting
    python -m apps.forecasting predict --run runs/forecasting
    python -m apps.forecasting export --run runs/forecasting --to saved_models

`--source` is `sample`, or the path of a table with a column of times. The network is in
`networks.py`. `apps/forecasting/README.md` describes data, options and results.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import keras
import tyro

from apps.common.applications import Demo
from apps.common.cli import run_command
from apps.common.diagnosis import diagnose_run
from apps.common.exports import export_run
from apps.common.files import replacing
from apps.common.refusal import Refusal
from apps.common.reports import report
from apps.common.runs import Run
from apps.common.settings import Format, write_settings
from apps.common.together import join_workers
from apps.common.training import fit, load_callbacks
from apps.forecasting.baselines import pooled_ridge
from apps.forecasting.datasets import make_datasets
from apps.forecasting.evaluation import score_panel, score_series
from apps.forecasting.exported import card_of, forecast
from apps.forecasting.metrics import ORDER
from apps.forecasting.networks import build_model, choose_weights, linear_share, mean_of
from apps.forecasting.panel_forecasts import forecast_panel, pictures
from apps.forecasting.panel_windows import PanelWindows, scaled_series
from apps.forecasting.panels import Panel
from apps.forecasting.plots import plot_forecast, plot_step_errors
from apps.forecasting.runs import ForecastingRun, check_model, load_forecaster, probe_inputs
from apps.forecasting.search import tune
from apps.forecasting.series import Series
from apps.forecasting.settings import MEMBER_SEEDS, Settings
from apps.forecasting.sizes import choose_sizes
from apps.forecasting.sources import (
    check_fits,
    keep,
    kept_by,
    kept_scales,
    load_like,
    load_series,
    load_series_of,
)

DEMO = Demo(inputs=lambda folder: ())


# Training


def train(run: Path, settings: Settings, callbacks: tuple[str, ...] = (), workers: int = 1) -> None:
    """Train a network; the same command again resumes a training that was interrupted.

    Args:
        run: The folder of the run.
        settings: The settings of the run.
        callbacks: More Keras callbacks, as module:name of classes or of functions that return one.
        workers: Train in this many processes on this machine, each with a share of every batch.
    """
    settings.check()
    run = join_workers(run, settings, workers)
    load_callbacks(callbacks)  # refused before anything else is done
    with ForecastingRun.begin(run, settings) as folder:
        series = load_series(settings, run / "cache")
        if folder.any_epoch():
            settings = folder.filled_in(settings)
        else:
            typical = series.typical if isinstance(series, Panel) else series
            settings = choose_sizes(settings, typical)
            settings.check()
            write_settings(folder.settings_file, settings)
        series.check_trainable(settings.window, settings.horizon)
        folder.write_lines("variables.txt", series.names)
        keep(folder, series)
        if settings.model != "dense":
            without_recurrence = replace(settings, model="dense", cell=Settings.cell, segment=None)
            train_part(run / "dense", without_recurrence, series)  # to compare with
        train_members(folder, settings, series, callbacks)


def train_part(
    folder: Path, settings: Settings, series: Series | Panel, callbacks: Sequence[str] = ()
) -> keras.Model:
    """Train a part of a run, unless that has finished, and return its model."""
    part = ForecastingRun(folder)
    if part.model_file.exists():
        part.check_same(settings)
    else:
        train_members(ForecastingRun.begin(folder, settings), settings, series, callbacks)
    return part.model()


def train_members(
    folder: Run, settings: Settings, series: Series | Panel, callbacks: Sequence[str] = ()
) -> None:
    """Train a network, or several and their mean (Lakshminarayanan et al. 2017)."""
    if settings.members == 1:
        train_network(folder, settings, series, callbacks)
        return
    members = []
    for number in range(settings.members):
        alone = replace(settings, members=1, seed=MEMBER_SEEDS * number + settings.seed)
        place = folder.folder / f"member_{number + 1}"
        members.append(train_part(place, alone, series, callbacks))
    windows = make_datasets(series, settings)
    held, seen = windows["held_targets"], windows["training_sample"]
    mean = choose_weights(mean_of(members, settings.levels), held, seen)
    folder.write_model(folder.model_file.name, mean)


def train_network(
    folder: Run, settings: Settings, series: Series | Panel, callbacks: Sequence[str] = ()
) -> None:
    """Train one network."""
    keras.utils.set_random_seed(settings.seed)
    windows = make_datasets(series, settings)
    train, validation = windows["training"], windows["validation"]
    if (model := folder.resumed()) is None:
        model = build_model(settings, train)
        known = scaled_series(series, train)
        kernel, bias = pooled_ridge(known, settings.window, settings.horizon)
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
        callbacks=load_callbacks(callbacks),
        finish=lambda best: choose_weights(
            best, windows["held_targets"], windows["training_sample"]
        ),
    )
    print(f"The forecast contains {linear_share(folder.model()):.0%} of a linear model")


# Inference


def predict(
    inputs: tyro.conf.Positional[tuple[Path, ...]],
    run: Path,
    time_format: str | None = None,
    day_first: bool | None = None,
    separator: str | None = None,
    decimal: Literal[".", ","] | None = None,
    skip_rows: int | None = None,
    no_header: tyro.conf.FlagCreatePairsOff[bool] = False,
) -> None:
    """Forecast the steps after the end of series, as a table and a plot in the folder of the run.

    Args:
        inputs: Files with the columns of the one trained on; that one itself if none is given.
        run: The folder of the run.
        time_format: How times are written; as in the run, or found, if not given, like the others.
        day_first: Is 01/02/2021 in February?
        separator: Of columns: a sign, or tab or space.
        decimal: The decimal sign.
        skip_rows: Lines above the header.
        no_header: The first row holds data, not names.
    """
    given = {"time_format": time_format, "day_first": day_first, "separator": separator}
    given |= {"decimal": decimal, "skip_rows": skip_rows, "no_header": no_header}
    folder = ForecastingRun.open(run)
    forecaster, settings = load_forecaster(folder), folder.settings(Settings)
    paths = inputs or (Path(settings.source),)
    (stem, count), *_ = Counter(path.stem for path in paths).most_common(1)
    if count > 1:
        raise Refusal(
            f"inputs: {count} files are called {stem}, and each forecast is written under the name "
            f"of its file; give them one by one, or other names"
        )
    for path in paths:
        series = load_like(replace(settings, source=str(path)), kept_by(folder), **given)
        check_fits(series, folder.read_lines("variables.txt"), settings.window)
        name = f"forecast_{path.stem}"
        if isinstance(series, Panel):
            table = forecast_panel(forecaster, series, kept_scales(folder, series))
        else:
            table = forecast(forecaster, series)
        with replacing(run / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False)
        for picture, one, rows in pictures(name, series, table):
            plot_forecast(folder, picture, one, rows, settings.window)
        print(f"{table.head().to_string(index=False)}\n...")


def export(run: Path, to: Path = Path("saved_models"), also: tuple[Format, ...] = ()) -> None:
    """Export the run as a SavedModel that takes measured windows and needs none of this code.

    Args:
        run: The folder of the run.
        to: The folder of all exports; this one becomes its forecasting/<version>.
        also: Write files for these runtimes too, with the same inputs.
    """
    folder = ForecastingRun.open(run)
    settings, forecaster = folder.settings(Settings), load_forecaster(folder)
    numeric = forecaster.numeric(probe_inputs(folder) or forecaster.random_inputs())
    export_run(
        forecaster,
        folder,
        "forecasting",
        to,
        endpoints=forecaster.endpoints(),
        probes=numeric.probes,
        numeric=lambda: numeric,
        card=card_of(settings, kept_by(folder).static),
        also=also,
    )


# Evaluation


def evaluate(
    run: Path, max_origins: Annotated[int, tyro.conf.arg(aliases=["--most"])] = 20_000
) -> None:
    """Score the run and simpler forecasts from every origin of the test part.

    Args:
        run: The folder of the run.
        max_origins: Use at most this many origins, evenly spaced.
    """
    if max_origins < 1:
        raise Refusal(f"max_origins must be at least 1; received {max_origins}")
    folder = ForecastingRun.open(run)
    settings, model = folder.settings(Settings), folder.model()
    check_model(folder, settings, model)
    series = load_series_of(folder, settings, run / "cache")
    test = make_datasets(series, settings)["test"]
    test.thin(max_origins)
    networks = {settings.model: model}
    if settings.model != "dense":
        networks["dense"] = Run.open(run / "dense").model()
    if isinstance(test, PanelWindows):
        scores, errors = score_panel(networks, settings, test)
    else:
        scores, errors = score_series(networks, settings, series, test)
    ours = scores.pop(settings.model)
    share = linear_share(networks[settings.model])
    report(folder, "forecasting", settings.source, ours, scores, **ORDER, linear_share=share)
    print(f"The forecast contains {share:.0%} of a linear model, chosen on the validation part.")
    plot_step_errors(folder, errors)


def diagnose(run: Path) -> None:
    """Draw how far gradients reach and what gates do on test windows, with advice.

    Args:
        run: The folder of the run. Of several networks, the first is measured.
    """
    folder = ForecastingRun.open(run)
    settings = folder.settings(Settings)
    test = make_datasets(load_series_of(folder, settings, run / "cache"), settings)["test"]
    diagnose_run(folder if settings.members == 1 else ForecastingRun(run / "member_1"), test)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command."""
    commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
    commands |= {"tune": tune, "diagnose": diagnose}
    run_command(commands, argv, "apps.forecasting", __doc__)
