"""Columns that are read next to those to forecast: known in the future, past, and static."""

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
from apps.forecasting.sources import keep, kept_by, load_series

ROWS, WINDOW, HORIZON = 60, 8, 4
MODELS = ("segments", "sequence", "last", "dense")


def table(rows=ROWS, ahead=HORIZON, seed=0):
    """Return a table with two targets that are empty in the last rows, and other columns."""
    random = np.random.default_rng(seed)
    count = rows + ahead
    times = pd.date_range("2021-01-01", periods=count, freq="D")
    data = {"ds": times, **{name: 50 + random.normal(size=count) for name in ("y", "z")}}
    data["price"], data["promotion"] = 1000 + random.normal(size=count), np.arange(count) % 3 == 0
    data["weather"] = random.normal(size=count)
    data = pd.DataFrame(data).astype({"promotion": int})
    data.loc[rows:, ["y", "z", "weather"]] = np.nan
    return data


def panel_table(ahead=HORIZON):
    one, other = table(seed=1), table(rows=50, ahead=ahead, seed=2)
    one, other = (part.drop(columns="z") for part in (one, other))
    one, other = one.assign(shop="A", size=3.5, kind="town"), other.assign(shop="B", size=7)
    return pd.concat([one, other.assign(kind="village")], ignore_index=True)


def settings_for(path, model="segments", **options):
    sizes = {"window": WINDOW, "horizon": HORIZON, "units": 4, "dropout": 0.0}
    if model == "segments":
        sizes["segment"] = 3  # neither window nor horizon is a multiple
    return Settings(source=str(path), model=model, **sizes, **options)


KINDS = {"known": ("price", "promotion"), "past": ("weather",)}
OF_SERIES = {**KINDS, "series_column": ("shop",), "static": ("size", "kind")}


def write(path, rows):
    rows.to_csv(path, index=False)
    return path


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


# Reading


def test_a_series_ends_with_its_last_target_and_the_rows_after_are_the_future(tmp_path, capsys):
    rows = table()
    series = load(str(write(tmp_path / "a.csv", rows)), **KINDS)
    assert series.names == ("y", "z")
    assert len(series.times) == len(series.values) == ROWS
    assert series.ends[-1] == ROWS
    np.testing.assert_allclose(series.values, rows[["y", "z"]][:ROWS], rtol=1e-6)
    assert series.covariates.stops.tolist() == [ROWS + HORIZON]
    np.testing.assert_allclose(series.covariates.known, rows[["price", "promotion"]], rtol=1e-6)
    np.testing.assert_allclose(series.covariates.past[:ROWS, 0], rows["weather"][:ROWS], rtol=1e-6)
    printed = capsys.readouterr().out
    assert f"known in the future, after the last target: {HORIZON}" in printed
    assert "left out" not in printed


def test_gaps_of_covariates_are_filled_and_what_is_cut_at_the_ends_is_printed(tmp_path, capsys):
    rows = table()
    rows.loc[[0, 1], "price"] = np.nan  # begins later
    rows.loc[[30, ROWS + 1], "price"] = np.nan  # gaps, one in the future
    rows.loc[ROWS - 1, "z"] = np.nan  # one target ends earlier
    series = load(str(write(tmp_path / "a.csv", rows)), **KINDS)
    known = series.covariates.known
    assert len(series.times) == ROWS - 3
    assert series.covariates.stops.tolist() == [len(known)]
    np.testing.assert_allclose(series.values[:, 0], rows["y"][2 : ROWS - 1], rtol=1e-6)
    price = rows["price"][2:].interpolate().to_numpy()
    np.testing.assert_allclose(known[:, 0], price, rtol=1e-6)
    printed = capsys.readouterr().out
    assert "left out 2 rows before 2021-01-03: price begins there" in printed
    assert "left out 1 rows after" in printed
    assert "z ends there" in printed
    assert "filled missing values of price: 2" in printed
    rows.loc[10:30, "price"] = np.nan
    with pytest.raises(Refusal, match="'price' has no value from 2021-01-11"):
        load(str(write(tmp_path / "a.csv", rows)), **KINDS)


@pytest.mark.parametrize("words", [("yes", "no"), (True, False), ("TRUE", "FALSE")])
def test_yes_and_no_are_1_and_0(tmp_path, words):
    rows = table()
    promotion = rows["promotion"].astype(bool)
    rows["promotion"] = np.where(promotion, *words)
    path = str(write(tmp_path / "a.csv", rows))
    series = load(path, known=("promotion",), columns=("y",))
    np.testing.assert_array_equal(series.covariates.known[:, 0], promotion)
    assert load(path).names == ("y", "z", "price", "weather")  # no target
    rows["promotion"] = rows["promotion"].astype(object)
    rows.loc[3, "promotion"] = None
    write(tmp_path / "a.csv", rows)
    known = load(path, known=("promotion",), columns=("y",)).covariates.known[:, 0]
    assert known[2:5].tolist() == [promotion[2], (promotion[2] + promotion[4]) / 2, promotion[4]]
    rows.loc[5, "promotion"] = "perhaps"
    write(tmp_path / "a.csv", rows)
    with pytest.raises(Refusal, match=r"row 6: 'promotion' must be .* received 'perhaps'"):
        load(path, known=("promotion",), columns=("y",))


def test_each_series_has_its_own_future_and_static_columns(tmp_path):
    rows = panel_table()
    panel = load(str(write(tmp_path / "a.csv", rows)), **OF_SERIES)
    assert panel.names == ("y",)
    assert panel.ids == ("A", "B")
    assert panel.covariates.columns.static == ("size", "kind=town", "kind=village")
    np.testing.assert_array_equal(panel.covariates.static, [[3.5, 1, 0], [7, 0, 1]])
    assert panel.covariates.words == {"size": None, "kind": ["town", "village"]}
    for number, (name, length) in enumerate({"A": ROWS, "B": 50}.items()):
        start, stop = panel.bounds[number]
        end = panel.covariates.stops[number]
        assert (stop - start, end - stop) == (length, HORIZON)
        own = rows[rows["shop"] == name]
        np.testing.assert_allclose(panel.covariates.known[start:end, 0], own["price"], rtol=1e-6)


def test_static_columns_must_be_the_same_in_a_series(tmp_path):
    rows = panel_table()
    rows.loc[70, "size"] = 8
    with pytest.raises(Refusal, match=r"'size' must be the same .* series 'B' has 7.0 and 8.0"):
        load(str(write(tmp_path / "a.csv", rows)), **OF_SERIES)
    rows = panel_table()
    rows.loc[3, "kind"] = "hamlet"
    with pytest.raises(Refusal, match=r"'kind' must be .* series 'A' has town and hamlet"):
        load(str(write(tmp_path / "a.csv", rows)), **OF_SERIES)
    rows.loc[rows["shop"] == "A", "kind"] = None
    with pytest.raises(Refusal, match="'kind' has no value for the series 'A'"):
        load(str(write(tmp_path / "a.csv", rows)), **OF_SERIES)


def test_a_word_that_no_series_trained_on_had_becomes_zeros_and_is_printed(tmp_path, capsys):
    rows = panel_table()
    settings = settings_for(write(tmp_path / "a.csv", rows), **OF_SERIES)
    keep(Run(tmp_path), load_series(settings))
    write(tmp_path / "a.csv", rows.replace({"kind": {"village": "hamlet"}}))
    panel = load_series(settings, kept=kept_by(Run(tmp_path)))
    np.testing.assert_array_equal(panel.covariates.static, [[3.5, 1, 0], [7, 0, 0]])
    assert "'kind' holds what no series trained on had" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"known": ("price",)}, "known has no effect with the sample"),
        ({"source": "a.csv", "static": ("kind",)}, "--series-column"),
        ({"source": "a.csv", "known": ("a",), "past": ("a",)}, "past names 'a', which known"),
        ({"source": "a.csv", "columns": ("a",), "known": ("a",)}, "known names 'a', which columns"),
        ({"source": "a.csv", "time_column": "a", "past": ("a",)}, "which time_column names"),
    ],
)
def test_settings_that_are_refused(options, message):
    with pytest.raises(Refusal, match=message):
        Settings(**options).check()


def test_columns_that_do_not_exist_hold_words_or_never_vary_are_refused(tmp_path):
    path = str(write(tmp_path / "a.csv", table().assign(word="x", same=1)))
    with pytest.raises(Refusal, match="no column 'prize'"):
        load(path, known=("prize",))
    with pytest.raises(Refusal, match="'word' must be a finite number"):
        load(path, known=("word",))
    with pytest.raises(Refusal, match=r"'same' is constant .* leave it out of --past"):
        load(path, past=("same",)).check_trainable(WINDOW, HORIZON)


# Networks


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
    forecaster, inputs = load_forecaster(Run.finished(run)), probe_inputs(Run.finished(run))
    assert forecaster.numeric(inputs).probes["step"][STATIC].shape == (3, 3)
    assert forecaster.random_inputs().keys() == inputs.keys()
    card = card_of(Run.finished(run).settings(Settings), kept_by(Run.finished(run)).static)
    assert card.meaning(KNOWN).endswith(": price, promotion")
    assert card.meaning(STATIC).endswith(": size, kind=town, kind=village")
    write(tmp_path / "a.csv", panel_table(ahead=0))
    with pytest.raises(SystemExit):
        app.main(["predict", "--run", str(run)])
    assert "series 'B': the columns known in the future" in capsys.readouterr().err
