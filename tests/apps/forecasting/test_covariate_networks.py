"""Networks and forecasts that read covariates."""

import itertools
import json
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.forecasting import app, panel_forecasts
from apps.forecasting.covariates import KNOWN, PAST, STATIC
from apps.forecasting.data import load
from apps.forecasting.datasets import make_datasets
from apps.forecasting.exported import POINT, Forecaster, card_of, forecast
from apps.forecasting.networks import build_model
from apps.forecasting.panel_forecasts import PanelForecaster, forecast_panel, measured_inputs
from apps.forecasting.panel_windows import panel_scales
from apps.forecasting.runs import load_forecaster, probe_inputs
from apps.forecasting.settings import Settings
from apps.forecasting.sources import kept_by, load_series
from tests.apps.forecasting.covariate_tables import (
    HORIZON,
    KINDS,
    OF_SERIES,
    ROWS,
    WINDOW,
    panel_table,
    settings_for,
    table,
    write,
)

MODELS = ("segments", "sequence", "last", "dense")


def random_forecaster(settings, series, kind=Forecaster):
    """Return a forecaster with random weights, and its windows."""
    windows = make_datasets(series, settings)
    model = build_model(settings, windows["training"])
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(random.normal(0, 0.3, weight.shape))
    further = {
        n: model.get_layer(f"{n}_scaling") for n in (KNOWN, PAST, STATIC) if n in model.input
    }
    scaling = model.get_layer("scaling")
    return kind(model, scaling, settings.levels, settings.calendar, further), windows


# Networks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        *((model, KINDS) for model in MODELS),
        ("segments", {"known": ("price",)}),
        ("segments", {"past": ("weather",)}),
    ],
)
def test_a_forecast_depends_on_the_steps_of_window_and_horizon_alone(tmp_path, model, kinds):
    rows = table(ahead=HORIZON + 2)
    path = write(tmp_path / "a.csv", rows)
    settings = settings_for(path, model, columns=("y", "z"), **kinds)
    first = load_series(settings)
    forecaster, _ = random_forecaster(settings, first)
    before = forecast(forecaster, first)[POINT].to_numpy().reshape(HORIZON, 2)

    def changed(row, name):
        other = rows.copy()
        other.loc[row, name] += 1.5
        after = forecast(forecaster, load_series_of(other))[POINT].to_numpy()
        return np.abs(after.reshape(HORIZON, 2) - before) > 1e-5

    def load_series_of(other):
        write(path, other)
        return load_series(settings)

    if "known" in kinds:
        for row in (ROWS - 1, ROWS, ROWS + HORIZON - 1):
            assert changed(row, "price").any(axis=0).all(), row
        assert not changed(ROWS + HORIZON, "price").any()
        assert not changed(ROWS - WINDOW - 1, "price").any()
    if "past" in kinds:
        assert changed(ROWS - 1, "weather").any(axis=0).all()
        assert not changed(ROWS - WINDOW - 1, "weather").any()


def test_the_windows_of_training_hold_no_past_after_the_origin(tmp_path):
    series = load(str(write(tmp_path / "a.csv", table())), **KINDS)
    settings = settings_for("a.csv", **KINDS)
    windows = make_datasets(series, settings)["training"]
    inputs = windows.inputs(np.array([20, 25]))
    for place, origin in enumerate((20, 25)):
        known = series.covariates.known[origin - WINDOW : origin + HORIZON]
        np.testing.assert_array_equal(inputs[KNOWN][place], known)
        np.testing.assert_array_equal(
            inputs[PAST][place], series.covariates.past[origin - WINDOW : origin]
        )


@pytest.mark.parametrize("model", MODELS)
def test_covariates_of_many_series(tmp_path, model):
    rows = panel_table()
    path = write(tmp_path / "a.csv", rows)
    settings = settings_for(path, model, **OF_SERIES)
    panel = load_series(settings)
    forecaster, windows = random_forecaster(settings, panel, PanelForecaster)
    before = forecast_panel(forecaster, panel, panel_scales(panel))
    # The static columns of a series change its own forecast alone.
    panel.covariates.static[1] = [2.0, 1, 0]
    after = forecast_panel(forecaster, panel, panel_scales(panel))
    different = np.abs(after[POINT] - before[POINT]) > 1e-6
    assert different.groupby(before["series"]).any().to_dict() == {"A": False, "B": True}
    # What is exported scales covariates itself.
    origins = np.asarray(windows["test"].origins)
    measured = measured_inputs(windows["test"], origins)
    np.testing.assert_allclose(measured[KNOWN][..., 0].mean(), 1000, atol=2)
    answer = forecaster(**{n: tf.constant(measured[n]) for n in forecaster.signature()})
    own = forecaster.model.predict(windows["test"].dataset(), verbose=0)[..., settings.middle]
    scale, mean = measured["scale"][:, None], measured["mean"][:, None]
    np.testing.assert_allclose(answer[POINT], own * scale + mean, rtol=1e-3)


def test_without_covariates_a_network_has_no_further_inputs(tmp_path):
    settings = settings_for(write(tmp_path / "a.csv", table()), columns=("y", "z"))
    forecaster, _ = random_forecaster(settings, load_series(settings))
    assert list(forecaster.model.input) == ["window", "time"]
    assert list(forecaster.signature()) == ["window"]
    assert forecaster.model.count_params() == 349  # as before there were any


# Forecasts


@pytest.mark.parametrize("missing", [1, HORIZON])
def test_a_future_that_is_missing_is_refused_with_its_first_time(tmp_path, missing):
    settings = settings_for(write(tmp_path / "a.csv", table()), **KINDS)
    series = load_series(settings)
    forecaster, _ = random_forecaster(settings, series)
    write(tmp_path / "a.csv", table(ahead=HORIZON - missing))
    first = pd.Timestamp("2021-01-01") + pd.Timedelta(days=ROWS + HORIZON - missing)
    with pytest.raises(Refusal, match=rf"price, promotion, must .* lacks one is {first.date()}"):
        forecast(forecaster, load_series(settings))


def test_a_series_whose_future_is_missing_is_named(tmp_path):
    settings = settings_for(write(tmp_path / "a.csv", panel_table()), **OF_SERIES)
    panel = load_series(settings)
    forecaster, _ = random_forecaster(settings, panel, PanelForecaster)
    write(tmp_path / "a.csv", panel_table(ahead=1))
    with pytest.raises(Refusal, match=r"series 'B': .* lacks one is 2021-02-21"):
        forecast_panel(forecaster, load_series(settings), panel_scales(panel))


def test_what_is_exported_names_its_inputs_and_takes_them_as_measured(tmp_path):
    settings = settings_for(write(tmp_path / "a.csv", table()), **KINDS)
    series = load_series(settings)
    forecaster, windows = random_forecaster(settings, series)
    shapes = {name: tuple(spec.shape[1:]) for name, spec in forecaster.signature().items()}
    assert shapes == {
        "window": (WINDOW, 2),
        KNOWN: (WINDOW + HORIZON, 2),
        PAST: (WINDOW, 1),
    }
    inputs = windows["test"].inputs(np.asarray(windows["test"].origins))
    endpoints = {name: function for name, (function, _) in forecaster.endpoints().items()}
    probe = {name: tf.constant(inputs[name]) for name in forecaster.signature()}
    answer = endpoints["serving_default"](**probe)
    # A step gives what the window with the observation gives.
    older = np.roll(inputs["window"], 1, axis=1)
    step = endpoints["step"](
        **{**probe, "window": older, "observation": tf.constant(inputs["window"][:, -1])}
    )
    np.testing.assert_allclose(step[POINT], answer[POINT], rtol=1e-5)
    random = forecaster.random_inputs()
    assert random[KNOWN].shape == (3, WINDOW + HORIZON, 2)
    np.testing.assert_allclose(random[KNOWN][..., 0].mean(), 1000, atol=2)


# Learning


def error_of(path, **options):
    """Return the error of a trained network in the test part, of each scaled variable."""
    keras.utils.set_random_seed(1)
    settings = settings_for(path, "dense", **options)
    settings = replace(settings, units=32, learning_rate=0.01, decay=1.0, scaling="series")
    windows = make_datasets(load_series(settings), settings)
    train, test = windows["training"], windows["test"]
    model = build_model(settings, train)
    origins = np.asarray(train.origins)
    model.fit(train.inputs(origins), train.targets(origins), batch_size=64, epochs=25, verbose=0)
    origins = np.asarray(test.origins)
    point = model.predict_on_batch(test.inputs(origins))[..., settings.middle]
    return np.abs(point - test.targets(origins)[..., 0]).mean(axis=(0, 1))


@pytest.mark.slow
def test_what_is_known_of_the_future_and_what_leads_make_forecasts_better(tmp_path):
    random, rows = np.random.default_rng(0), 500
    promotion, leading = random.random(rows) < 0.3, random.normal(size=rows)
    data = pd.DataFrame(
        {
            "ds": pd.date_range("2021-01-01", periods=rows),
            "sales": random.normal(0, 1, rows) + 5 * promotion,
            "ice": random.normal(0, 0.3, rows) + np.roll(leading, HORIZON),
            "promotion": promotion.astype(int),
            "leading": leading,
        }
    )
    path = write(tmp_path / "a.csv", data)
    targets = ("sales", "ice")
    alone = error_of(path, columns=targets)
    both = error_of(path, columns=targets, known=("promotion",), past=("leading",))
    assert (both < 0.7 * alone).all(), (alone, both)


@pytest.mark.slow
def test_a_static_column_tells_kinds_of_series_apart(tmp_path):
    random, rows, parts = np.random.default_rng(0), 150, []
    for number in range(6):
        kind = ("up", "down")[number % 2]
        promotion = random.random(rows) < 0.15
        y = random.normal(0, 0.3, rows) + (5 if kind == "up" else -5) * promotion
        times = pd.date_range("2021-01-01", periods=rows)
        columns = {"ds": times, "y": y, "promotion": promotion.astype(int), "kind": kind}
        parts.append(pd.DataFrame({"shop": f"shop {number}", **columns}))
    path = write(tmp_path / "a.csv", pd.concat(parts))
    given = {"series_column": ("shop",), "columns": ("y",), "known": ("promotion",)}
    alone, static = error_of(path, **given), error_of(path, **given, static=("kind",))
    assert static < 0.7 * alone, (alone, static)


# Runs


@pytest.mark.usefixtures("eagerly")
def test_the_commands(tmp_path, monkeypatch, capsys):
    def forecasts(values, train_end, origins, horizon, season):  # the real ones take seconds
        yield "last", origins, np.repeat(values[np.array(origins) - 1][:, None], horizon, axis=1)

    monkeypatch.setattr(panel_forecasts, "statistical_forecasts", forecasts)
    rows, run = panel_table(), tmp_path / "run"
    source = ("--source", str(write(tmp_path / "a.csv", rows)), "--model", "dense")
    given = [(f"--{name.replace('_', '-')}", *names) for name, names in OF_SERIES.items()]
    sizes = ("--window", "8", "--horizon", "4", "--units", "4", "--epochs", "1", "--steps", "1")
    app.main(["train", "--run", str(run), *source, *itertools.chain(*given), *sizes])
    other = write(tmp_path / "b.csv", rows.assign(kind="hamlet"))
    app.main(["predict", "--run", str(run), str(tmp_path / "a.csv"), str(other)])
    assert "'kind' holds what no series trained on had" in capsys.readouterr().out
    found = pd.read_csv(run / "forecast_a.csv")
    assert found["series"].tolist() == ["A"] * HORIZON + ["B"] * HORIZON
    assert found["time"].iloc[0] == "2021-03-02"
    app.main(["evaluate", "--run", str(run), "--max-origins", "10"])
    assert 0 < json.loads((run / "metrics.json").read_text())["metrics"]["mse"] < 10
    forecaster, inputs = load_forecaster(Run.open(run)), probe_inputs(Run.open(run))
    assert forecaster.numeric(inputs).probes["step"][STATIC].shape == (3, 3)
    assert forecaster.random_inputs().keys() == inputs.keys()
    card = card_of(Run.open(run).settings(Settings), kept_by(Run.open(run)).static)
    assert card.meaning(KNOWN).endswith(": price, promotion")
    assert card.meaning(STATIC).endswith(": size, kind=town, kind=village")
    write(tmp_path / "a.csv", panel_table(ahead=0))
    with pytest.raises(SystemExit):
        app.main(["predict", "--run", str(run)])
    assert "series 'B': the columns known in the future" in capsys.readouterr().err
