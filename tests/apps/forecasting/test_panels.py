"""Many series in a file: they are read, scaled, forecast and scored each by itself."""

import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.forecasting import app, panel_forecasts
from apps.forecasting.baselines import seasonal_naive
from apps.forecasting.data import load
from apps.forecasting.metrics import forecast_scores, futures, seasonal_naive_error
from apps.forecasting.networks import build_model
from apps.forecasting.panel_forecasts import (
    PanelForecaster,
    baseline_forecasts,
    forecast_panel,
    measured_inputs,
    panel_scores,
)
from apps.forecasting.panel_windows import PanelWindows, panel_scales
from apps.forecasting.settings import Settings
from apps.forecasting.sources import keep, kept_scales

SETTINGS = Settings(model="dense", window=14, horizon=4, units=4)
LENGTHS = {"A": 60, "NA": 50, "7": 40}
LEVELS = {"A": 1.0, "NA": 1e4, "7": 1e-3}


def table(lengths=LENGTHS, frequency="D"):
    """Return series of waves with noise, of very different size."""
    random = np.random.default_rng(0)
    parts = []
    for name, rows in lengths.items():
        times = pd.date_range("2021-01-01", periods=rows, freq=frequency)
        waves = 5 + np.sin(2 * np.pi * np.arange(rows) / 7) + random.normal(0, 0.3, rows)
        parts.append(pd.DataFrame({"unique_id": name, "ds": times, "y": LEVELS[name] * waves}))
    return pd.concat(parts, ignore_index=True)


def read(path, rows, columns=("unique_id",), **options):
    rows.to_csv(path, index=False)
    return load(str(path), series_column=columns, **options)


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    return read(tmp_path_factory.mktemp("data") / "a.csv", table())


@pytest.fixture(scope="module")
def windows(panel):
    return app.make_datasets(panel, SETTINGS)


@pytest.fixture(scope="module")
def forecaster(windows):
    """A forecaster with random weights."""
    model = build_model(SETTINGS, windows["training"])
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(random.normal(0, 0.3, weight.shape))
    return PanelForecaster(model, model.get_layer("scaling"), SETTINGS.levels, calendar=False)


# Reading


def test_series_are_read_from_rows_in_any_order(tmp_path, capsys):
    rows = table()
    panel = read(tmp_path / "a.csv", rows.sample(frac=1, random_state=0))
    assert set(panel.ids) == set(LENGTHS)
    for name, series in zip(panel.ids, panel, strict=True):
        expected = rows[rows["unique_id"] == name]
        np.testing.assert_array_equal(series.times, expected["ds"].to_numpy("datetime64[ns]"))
        np.testing.assert_allclose(series.values[:, 0], expected["y"], rtol=1e-6)
        count = LENGTHS[name]
        assert series.ends == (round(0.7 * count), round(0.8 * count), count)
    assert panel.typical.origin.endswith("'NA'")
    assert (panel.names, panel.frequency, panel.season) == (("y",), "D", 7)
    assert "3 series of 40 to 60 rows of 1 variable from 2021-01-01" in capsys.readouterr().out


def test_each_series_is_repaired_by_itself(tmp_path, capsys):
    rows = table()
    rows.loc[[0, 1, 25, 59, 60, 80], "y"] = np.nan  # the end of one and the beginning of the next
    rows = rows.drop(index=[26, 81])
    few = pd.DataFrame({"unique_id": "few", "ds": ["2021-01-01", "2021-01-02"], "y": [1, 2]})
    bare = pd.DataFrame({"unique_id": "bare", "ds": pd.date_range("2021", periods=9), "y": np.nan})
    panel = read(tmp_path / "a.csv", pd.concat([few, rows, rows[70:72], bare]))
    assert panel.ids == ("A", "NA", "7")
    first, second, _ = panel
    assert [len(series.times) for series in panel] == [57, 49, 40]
    y = table()["y"].to_numpy()
    between = y[24] + (y[27] - y[24]) * np.array([1, 2]) / 3
    np.testing.assert_allclose(first.values[22:26, 0], [y[24], *between, y[27]], rtol=1e-6)
    np.testing.assert_allclose(second.values[[0, 9], 0], y[[61, 70]], rtol=1e-6)
    output = capsys.readouterr().out
    for words in (
        "averaged rows with the same series and time: 2 more",
        "left out series of fewer than 3 rows: 1, 'few'",
        "left out series without values of a variable: 1, 'bare'",
        "filled missing values in 2 of 3 series",
        "left out rows before the first or after the last value in 2 of 3 series",
    ):
        assert words in output


def test_several_columns_may_name_a_series(tmp_path):
    rows = table().assign(item=lambda rows: np.where(rows.index % 2, "x", "y"))
    rows["ds"] = pd.DatetimeIndex(rows["ds"]) + pd.to_timedelta(rows.index % 2, "D")
    panel = read(tmp_path / "a.csv", rows, ("unique_id", "item"))
    assert panel.ids[:2] == ("A/y", "A/x")
    assert (len(panel), panel.frequency) == (6, "2D")


def test_short_series_have_the_frequency_of_most(tmp_path):
    times = pd.date_range("2021-01-04", periods=30, freq="B")
    parts = [
        pd.DataFrame({"unique_id": name, "ds": times[:rows], "y": np.arange(rows)})
        for name, rows in (("long", 30), ("longer", 29), ("week", 5))
    ]
    panel = read(tmp_path / "a.csv", pd.concat(parts))
    assert panel.frequency == "B"
    assert [len(series.times) for series in panel] == [30, 29, 5]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda rows: rows, {"columns": ("no",)}, "there is no column 'no'"),
        (
            lambda rows: rows.replace({"unique_id": {"7": ""}}),
            {},
            "row 111: every row must name its series in unique_id",
        ),
        (lambda rows: rows.assign(unique_id="A"), {}, "the same series and time as another; name"),
        (
            lambda rows: pd.concat([rows, table({"7": 40}, "h").assign(unique_id="hourly")]),
            {},
            "the series 'hourly' has the frequency h, and most have D",
        ),
        (
            lambda rows: rows.drop(index=range(105, 130)),
            {"max_gap": 2},
            None,
        ),
        (lambda rows: rows.drop(index=range(20, 30)), {}, "series 'A': 'y' has no value from"),
        (lambda rows: rows, {"frequency": "h"}, "with the frequency h, and the times here have D"),
    ],
)
def test_series_that_are_refused(tmp_path, change, options, message):
    if message is None:
        assert len(read(tmp_path / "a.csv", change(table()), **options)) == 3
        return
    with pytest.raises(Refusal, match=message):
        read(tmp_path / "a.csv", change(table()), **options)


def test_series_too_short_to_train_on(panel):
    panel.check_trainable(14, 4)
    with pytest.raises(Refusal, match="no series has a validation part that is long enough"):
        panel.check_trainable(14, 7)
    with pytest.raises(Refusal, match="no series has a training part"):
        panel.check_trainable(40, 4)


# Windows


def test_windows_are_scaled_by_the_training_part_of_their_series(panel, windows):
    train = windows["training"]
    expected = sum(max(0, series.ends[0] - 14 - 4 + 1) for series in panel)
    assert len(train.origins) == expected
    for origin in train.origins[::17]:
        number = int(panel.series_of(np.array([origin]))[0])
        start, series = panel.bounds[number, 0], panel[number]
        known = series.values[: series.ends[0]].astype("float64")
        row = origin - start
        assert 14 <= row <= series.ends[0] - 4
        past = (series.values[row - 14 : row] - known.mean(axis=0)) / known.std(axis=0)
        ahead = (series.values[row : row + 4] - known.mean(axis=0)) / known.std(axis=0)
        origins = np.array([origin])
        np.testing.assert_allclose(train.inputs(origins)["window"][0], past, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(train.targets(origins)[0, ..., 0], ahead, rtol=1e-3, atol=1e-4)
    (inputs, targets), *_ = train.dataset()
    assert (inputs["window"].shape, targets.shape) == ((64, 14, 1), (64, 4, 1, 1))


def test_steps_to_forecast_lie_in_their_part(panel, windows):
    for part, name in enumerate(("training", "validation", "test")):
        origins = np.asarray(windows[name].origins)
        series = panel.series_of(origins)
        row = origins - panel.bounds[series, 0]
        before = panel.ends[series, part - 1] if part else 0
        assert (row >= before).all()
        assert (row + 4 <= panel.ends[series, part]).all()
    (_, targets, late), *_ = windows["held_targets"].counted()
    assert late.shape == targets.shape[:3]
    assert late.any(axis=(1, 2)).all()
    assert not late[0, :-1].any()
    assert late[0, -1].all()


# Forecasts


def test_a_forecast_of_each_series_grows_with_its_size(panel, forecaster, tmp_path, capsys):
    scales = panel_scales(panel)
    found = forecast_panel(forecaster, panel, scales)
    assert list(found) == ["series", "time", "variable", "point", "q0.1", "q0.5", "q0.9"]
    assert list(found["series"]) == ["A"] * 4 + ["NA"] * 4 + ["7"] * 4
    assert list(found["time"][4:8]) == list(pd.date_range("2021-02-20", periods=4))
    grown = table()
    grown["y"] *= 100
    again = read(tmp_path / "a.csv", grown)
    larger = forecast_panel(forecaster, again, panel_scales(again))
    np.testing.assert_allclose(larger["point"], 100 * found["point"], rtol=1e-4)
    alone = read(tmp_path / "a.csv", table({"NA": 50, "7": 10}))
    one = forecast_panel(forecaster, alone, panel_scales(alone))
    assert set(one["series"]) == {"NA"}
    assert "no forecast of 1 shorter series: '7'" in capsys.readouterr().out
    short = read(tmp_path / "a.csv", table({"A": 13}))
    with pytest.raises(Refusal, match="the last 14 rows before the forecast; the longest series"):
        forecast_panel(forecaster, short, panel_scales(short))


def test_the_exported_functions_take_windows_as_measured(forecaster, windows):
    test = windows["test"]
    origins = np.asarray(test.origins[:5])
    inputs = measured_inputs(test, origins)
    given = {name: tf.constant(inputs[name]) for name in forecaster.signature()}
    assert list(given) == ["window", "mean", "scale"]
    answer = forecaster(**given)
    scaled = np.sort(forecaster.model.predict_on_batch(test.inputs(origins)))
    series = test.panel.series_of(origins)
    size, mean = test.series_scale[series], test.series_mean[series]
    expected = scaled * size[:, None, :, None] + mean[:, None, :, None]
    np.testing.assert_allclose(answer["quantiles"], expected, rtol=1e-4)
    np.testing.assert_allclose(answer["point"], expected[..., 1], rtol=1e-4)
    stepped = forecaster.step(given["window"][:, -1], **given)
    np.testing.assert_array_equal(stepped["window"][:, :-1], given["window"][:, 1:])
    for function, signature in forecaster.endpoints().values():
        wrong = {name: tf.zeros([2, *spec.shape[1:]]) for name, spec in signature.items()}
        with pytest.raises(tf.errors.InvalidArgumentError, match="scale must be above 0"):
            function(**wrong)
    assert forecaster.random_inputs()["scale"].shape == (3, 1)


# Scores


@pytest.fixture
def last_values(monkeypatch):
    """Forecast the last value in place of the statistical models, which take seconds."""

    def forecasts(values, train_end, origins, horizon, season):
        yield "last", origins, np.repeat(values[np.array(origins) - 1][:, None], horizon, axis=1)

    monkeypatch.setattr(panel_forecasts, "statistical_forecasts", forecasts)


@pytest.mark.usefixtures("last_values")
def test_one_series_is_scored_as_one_series(tmp_path):
    panel = read(tmp_path / "a.csv", table({"A": 60}))
    windows: PanelWindows = app.make_datasets(panel, SETTINGS)["test"]
    series, origins = panel[0], np.asarray(windows.origins)
    values = windows.scaled(series.values[None], origins[:1])[0]
    rows = range(origins[0], origins[-1] + 1)
    found = list(baseline_forecasts(windows, SETTINGS))
    baselines = {name: point for name, _, point in found}
    assert baselines.keys() == {"naive", "seasonal_naive", "linear", "last"}
    taken = np.isin(origins, found[-1][1])
    assert taken.sum() == 5
    np.testing.assert_allclose(baselines["last"], baselines["naive"][taken], rtol=1e-5)
    point = seasonal_naive(values, rows, 4, 7)
    np.testing.assert_allclose(baselines["seasonal_naive"], point, rtol=1e-5)
    quantiles = np.stack([point - 0.5, point, point + 0.5], axis=-1)
    found = panel_scores(windows, origins, point, quantiles, SETTINGS.levels)
    expected = forecast_scores(
        futures(values, rows, 4),
        point,
        quantiles,
        SETTINGS.levels,
        mean=windows.series_mean[0],
        scale=windows.series_scale[0],
        naive_error=seasonal_naive_error(values[: series.ends[0]], 7, ("y",)),
    )
    assert found == pytest.approx(expected, rel=1e-4)


# Runs


def test_a_run_keeps_the_scales_of_its_series(tmp_path, panel, capsys):
    folder = Run.begin(tmp_path / "run", SETTINGS)
    keep(folder, panel)
    mean, scale = kept_scales(folder, panel)
    np.testing.assert_allclose((mean, scale), panel_scales(panel))
    longer = table({"NA": 50, "A": 30})
    longer["unique_id"] = longer["unique_id"].replace("A", "B")
    other = read(tmp_path / "b.csv", longer)
    capsys.readouterr()
    mean, scale = kept_scales(folder, other)
    np.testing.assert_allclose((mean[0], scale[0]), [part[1] for part in panel_scales(panel)])
    values = other[1].values.astype("float64")
    np.testing.assert_allclose((mean[1], scale[1]), (values.mean(axis=0), values.std(axis=0)))
    assert "1 series are not among those trained on" in capsys.readouterr().out
    (tmp_path / "run" / "series_scales.csv").write_text("a,b\n")
    with pytest.raises(Refusal, match=r"series_scales\.csv is damaged"):
        kept_scales(folder, panel)


@pytest.mark.usefixtures("eagerly", "last_values")
def test_the_commands(tmp_path):
    table().to_csv(tmp_path / "a.csv", index=False)
    run = tmp_path / "run"
    sizes = ("--window", "14", "--horizon", "4", "--units", "4", "--epochs", "1", "--limit", "64")
    source = ("--source", str(tmp_path / "a.csv"), "--series-column", "unique_id")
    app.main(["train", *source, "--run", str(run), "--model", "dense", *sizes])
    app.main(["predict", "--run", str(run)])
    found = pd.read_csv(run / "forecast_a.csv", keep_default_na=False)
    assert list(found["series"].unique()) == ["A", "NA", "7"]
    assert (run / "plots" / "forecast_a_3.png").exists()
    app.main(["evaluate", "--run", str(run), "--max-origins", "10"])
    metrics = json.loads((run / "metrics.json").read_text())
    assert 0 < metrics["metrics"]["mse"] < 10
    assert metrics["baselines"]["last"] == pytest.approx(metrics["baselines"]["naive"])
