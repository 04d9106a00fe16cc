"""The commands, on one small run, and the networks with random weights."""

import dataclasses
import functools
import json
import types

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import ops

from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.forecasting import app as forecasting
from apps.forecasting import networks
from apps.forecasting.baselines import linear
from apps.forecasting.exported import Forecaster
from apps.forecasting.layers import DAY, Calibration, LinearShare, Pinball, Queries, phases
from apps.forecasting.metrics import futures
from apps.forecasting.networks import NETWORKS, build_model, linear_share, mean_of
from apps.forecasting.settings import Settings
from apps.forecasting.sizes import choose_sizes
from tests.apps import commands
from tests.apps.common import c_api, other_runtimes

SIZES = {"window": 24, "horizon": 9, "segment": 4, "units": 8}
TINY = (
    *("--window", "24", "--horizon", "9", "--units", "8"),
    *("--batch-size", "64", "--epochs", "2", "--limit", "128"),
)
pytestmark = pytest.mark.usefixtures("eagerly")


def call(*argv):
    forecasting.main([str(argument) for argument in argv])


refusal = functools.partial(commands.refused, call)


def write_table(path, rows=300, **columns):
    """Write a file of hourly waves with noise, and more columns."""
    times = pd.date_range("2024-01-01", periods=rows, freq="h")
    waves = np.sin(2 * np.pi * np.arange(rows) / 24)
    noise = np.random.default_rng(0).normal(0, 0.1, (2, rows))
    table = {"date": times, "a": 10 + 3 * waves + noise[0], "b": 5 - waves + noise[1], **columns}
    pd.DataFrame(table).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("data") / "waves.csv")


@pytest.fixture(scope="module")
def run(tmp_path_factory, source):
    """A small run of the default network."""
    folder = tmp_path_factory.mktemp("runs") / "segments"
    tf.config.run_functions_eagerly(True)
    call("train", "--source", source, "--run", folder, *TINY, "--segment", "4")
    tf.config.run_functions_eagerly(False)
    return folder


@pytest.fixture(scope="module")
def windows(source):
    settings = Settings(source=str(source), **SIZES)
    return forecasting.make_datasets(forecasting.load_series(settings), settings)


def random_forecaster(model, windows, cell="gru"):
    """Return a forecaster with random weights; that of `sequence` has a calendar."""
    calendar = model == "sequence"
    settings = Settings(model=model, cell=cell, calendar=calendar, **SIZES)
    network = build_model(settings, windows["training"])
    random = np.random.default_rng(0)
    for weight in network.trainable_weights:
        weight.assign(random.normal(0, 0.3, weight.shape))
    return Forecaster(network, network.get_layer("scaling"), settings.levels, calendar)


def inputs_of(windows, forecaster, rows=slice(0, 3)):
    """Return those inputs of the test part that the forecaster reads."""
    test = windows["test"]
    inputs = test.inputs(np.asarray(test.origins[rows]))
    return {name: tf.constant(inputs[name]) for name in forecaster.signature()}


# Commands


def test_training_also_trains_a_network_without_recurrence(run):
    assert {path.parent.name for path in run.rglob("model.keras")} == {"segments", "dense"}
    history = pd.read_csv(run / "history.csv")
    assert len(history) == 2
    assert history["loss"].iloc[1] < history["loss"].iloc[0]
    assert (run / "plots" / "curves.png").stat().st_size > 5000


def test_evaluation_scores_every_origin_next_to_the_baselines(run, windows, source):
    call("evaluate", "--run", run)
    result = json.loads((run / "metrics.json").read_text())
    assert result["metrics"].keys() == {"mse", "mae", "mase", "smape", "pinball", "coverage"}
    statistical = {"auto_ets", "auto_theta", "mstl"}
    expected = {"dense", "naive", "seasonal_naive", "linear", *statistical}
    assert result["baselines"].keys() == expected
    assert 0 <= result["linear_share"] <= 1
    assert (run / "plots" / "error_by_step.png").stat().st_size > 5000
    # The same scores from the answers in the units of the file.
    series = pd.read_csv(source)[["a", "b"]].to_numpy()
    train_end, first = 210, 240
    forecaster = forecasting.load_forecaster(Run.open(run))
    point = forecaster(**inputs_of(windows, forecaster, slice(None)))["point"].numpy()
    assert len(point) == 300 - first - 9 + 1
    actual = np.stack([series[first + k : first + k + 9] for k in range(len(point))])
    error = (point - actual) / series[:train_end].std(axis=0)
    assert result["metrics"]["mse"] == pytest.approx(np.mean(error**2), rel=1e-3)
    assert result["metrics"]["mae"] == pytest.approx(np.mean(np.abs(error)), rel=1e-3)
    call("evaluate", "--run", run, "--most", "7")  # the first name of --max-origins
    assert json.loads((run / "metrics.json").read_text()) != result


def test_prediction_begins_where_the_series_ends(run, tmp_path, capsys):
    other = write_table(tmp_path / "other.csv", rows=31)
    call("predict", "--run", run)
    assert "2024-01-13 12:00" in capsys.readouterr().out
    call("predict", "--run", run, other)
    table = pd.read_csv(run / "forecast_other.csv", parse_dates=["time"])
    assert list(table) == ["time", "variable", "point", "q0.1", "q0.5", "q0.9"]
    assert len(table) == 9 * 2
    expected = pd.date_range("2024-01-02 07:00", periods=9, freq="h")
    assert list(table["time"]) == list(expected.repeat(2))
    assert (table["q0.1"] <= table["point"]).all()
    assert (run / "plots" / "forecast_other.png").stat().st_size > 5000


@pytest.mark.usefixtures("not_eagerly", "in_process")
def test_the_export_answers_as_the_run_does(run, windows, tmp_path):
    call("export", "--run", run, "--to", tmp_path)
    forecaster = forecasting.load_forecaster(Run.open(run))
    inputs = inputs_of(windows, forecaster)
    calls = {"serving_default": inputs, "step": {"observation": inputs["window"][:, 0], **inputs}}
    loaded = tf.saved_model.load(str(tmp_path / "forecasting" / "1"))
    assert loaded.signatures.keys() == calls.keys()
    for endpoint, given in calls.items():
        answer = loaded.signatures[endpoint](**given)
        live = forecaster(**given) if endpoint != "step" else forecaster.step(**given)
        assert answer.keys() == live.keys()
        for name, value in live.items():
            np.testing.assert_allclose(answer[name], value, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("not_eagerly", "in_process")
def test_a_c_program_asks_the_export(run, tmp_path):
    call("export", "--run", run, "--to", tmp_path)
    assert c_api.check(tmp_path / "forecasting" / "1") == ["serving_default", "step"]


@pytest.mark.slow
@pytest.mark.usefixtures("not_eagerly")
def test_other_runtimes_forecast(run, windows, tmp_path):
    forecaster = forecasting.load_forecaster(Run.open(run))
    inputs = forecasting.probe_inputs(Run(run))
    expected = windows["test"].inputs(np.asarray(windows["test"].origins[:3]))
    np.testing.assert_array_equal(inputs["window"], expected["window"])
    numeric = forecaster.numeric(inputs)
    written = other_runtimes.check("forecasting", forecaster, numeric, tmp_path, tolerance=1e-4)
    assert written == {name: {"onnx", "litert"} for name in ("serving_default", "step")}


@pytest.mark.slow
def test_members_are_averaged_and_each_is_trained_once(source, tmp_path, capsys):
    """Dense networks are trained fastest, and next to them there is nothing to compare with."""
    run, copy = tmp_path / "run", tmp_path / "copy.csv"
    copy.write_bytes(source.read_bytes())
    command = ("train", "--source", copy, "--run", run, *TINY, "--model", "dense", "--members", 2)
    call(*command)
    assert "Training dense" in capsys.readouterr().out
    (run / "model.keras").unlink()  # as if the training had been killed then
    call(*command)
    assert "Training dense" not in capsys.readouterr().out
    (run / "model.keras").unlink()
    other = ("--learning-rate", 0.5)  # the parts were trained with another
    assert "learning_rate 0.002 (asked for: 0.5)" in refusal(capsys, *command, *other)
    call(*command)
    folder = Run.open(run)
    window = tf.random.normal((3, 24, 2))
    members = [
        forecasting.load_forecaster(Run.open(run / f"member_{number}"))(window)["quantiles"]
        for number in (1, 2)
    ]
    assert np.abs(members[0] - members[1]).max() > 0.01
    point = forecasting.load_forecaster(folder)(window)["point"]
    np.testing.assert_allclose(point, np.mean(members, axis=0)[..., 1], rtol=1e-5, atol=1e-5)
    # An export goes without the source, or with one that has changed.
    rows = copy.read_text().splitlines(keepends=True)
    copy.write_text("".join(rows[:30]))
    assert forecasting.probe_inputs(folder) is None
    assert "verified on random windows" in capsys.readouterr().out
    copy.unlink()
    assert forecasting.probe_inputs(folder) is None
    assert "random windows: source must be" in capsys.readouterr().out


def test_a_run_of_the_first_version_noted_a_sample_for_every_source(source, tmp_path):
    run = tmp_path / "run"
    Run.begin(run, Settings(source=str(source), sample="co2", **SIZES))
    forecasting.ForecastingRun(run).check_same(Settings(source=str(source), **SIZES))
    old = forecasting.ForecastingRun.begin(tmp_path / "sample", Settings(sample="co2"))
    old.check_same(Settings(sample="co2"))
    with pytest.raises(Refusal, match=r"sample 'co2' \(asked for: None\)"):
        old.check_same(Settings())


def test_a_run_on_a_sample_forecasts_a_file_and_the_other_way_round(source, capsys):
    sample = Settings(sample="synthetic")
    assert forecasting.load_series(sample).names == ("load_1", "load_2", "load_3")
    other = Settings(source=str(source), sample="synthetic")  # as `predict` replaces the source
    assert forecasting.load_series(other).names == ("a", "b")


# Mistakes


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"window": 0}, "window must be at least 1; received 0"),
        ({"members": 0}, "members must be at least 1; received 0"),
        ({"limit": 0}, "limit must be at least 1; received 0"),
        ({"season": 0}, "season must be at least 1; received 0"),
        ({"max_gap": -1}, "max_gap must be at least 0; received -1"),
        (
            {"window": 156, "segment": 157},
            "segment must be at most 156, the length of the window; received 157",
        ),
        ({"steps": 0}, "steps must be at least 1; received 0"),
        ({"cell": "lstm", "model": "dense"}, "cell has no effect with model 'dense'.*'lstm'"),
        ({"segment": 4, "model": "last"}, "segment has no effect with model 'last'.* received 4"),
        ({"levels": (0.1, 0.9)}, "levels must be increasing numbers .* with 0.5 among them"),
        ({"levels": (0.9, 0.5)}, "levels must be increasing"),
        ({"levels": (0.5, 1.0)}, "levels must be increasing"),
        ({"decay": 1.5}, "decay must be above 0 and at most 1; received 1.5"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1; received 1.0"),
        ({"learning_rate": float("inf")}, "learning_rate must be a finite number above 0"),
        ({"max_norm": 0.0}, "max_norm must be a finite number above 0; received 0.0"),
        ({"seed": -1}, "seed must be from 0 to 4,294,967,295; received -1"),
        ({"seed": 2**32 - 1, "members": 2}, "seed must be from 0 to 4,294,966,295"),
        ({"source": "a.csv", "sample": "co2"}, "sample has no effect with source 'a.csv'.* 'co2'"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, words):
    with pytest.raises(Refusal, match=words):
        Settings(**settings).check()


def test_a_short_window_needs_no_segment_where_there_are_none():
    Settings(model="last", window=5).check()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--columns", "c"], "there is no column 'c' among"),
        (["--time-column", "when"], "there is no column 'when' among"),
        (["--time-format", "%Q"], "time_format must be in the letters of strftime"),
        (["--horizon", "70"], "the validation part has 30 rows, but a window of 24 and a horizon"),
        (["--window", "250"], "the training part has 210 rows, but a window of 250"),
        (["--season", "210"], "but evaluation needs 10 and more than the 210 of a season"),
    ],
)
def test_series_that_cannot_be_trained_on_are_refused(options, words, source, tmp_path, capsys):
    command = ("train", "--source", source, "--run", tmp_path / "run", *TINY, "--segment", "4")
    assert words in refusal(capsys, *command, *options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sample", "no"], "sample must be one of mackey_glass, co2, synthetic; received 'no'"),
        (["--max-gap", "3"], "max_gap has no effect with source 'sample': leave it out"),
        (["--time-format", "%Y"], "time_format has no effect with source 'sample'"),
    ],
)
def test_options_that_do_not_go_with_the_sample_are_refused(options, words, tmp_path, capsys):
    assert words in refusal(capsys, "train", "--run", tmp_path / "run", *TINY, *options)


def test_series_that_do_not_fit_the_model_are_refused(run, tmp_path, capsys):
    short = write_table(tmp_path / "short.csv", rows=23)
    line = refusal(capsys, "predict", "--run", run, short)
    assert "the model needs the last 24 rows before the forecast; received 23" in line
    other = write_table(tmp_path / "other.csv", c=1.5 + np.arange(300) % 7)
    line = refusal(capsys, "predict", "--run", run, other)
    assert "the model forecasts the columns a, b, in this order; received a, b, c" in line
    line = refusal(capsys, "predict", "--run", run, other, tmp_path / "there" / "other.csv")
    assert "inputs: 2 files are called other" in line


def test_at_least_one_origin_is_evaluated(run, capsys):
    line = refusal(capsys, "evaluate", "--run", run, "--max-origins", "0")
    assert line == "error: max_origins must be at least 1; received 0"


def test_a_source_that_has_changed_is_not_evaluated(run, source, tmp_path, capsys):
    kept = source.read_bytes()
    try:
        write_table(source, c=1.5 + np.arange(300) % 7)
        assert "the model forecasts the columns a, b" in refusal(capsys, "evaluate", "--run", run)
    finally:
        source.write_bytes(kept)


# Networks


@pytest.mark.parametrize(
    ("model", "cell"),
    [*((model, "gru") for model in NETWORKS), ("segments", "lstm"), ("sequence", "lstm")],
)
def test_a_forecaster_of_each_network(model, cell, windows):
    forecaster = random_forecaster(model, windows, cell)
    assert forecaster.signature().keys() == {"window", *(["time"] if model == "sequence" else [])}
    now, later = (inputs_of(windows, forecaster, slice(k, k + 3)) for k in (0, 1))
    answer = forecaster(**now)
    quantiles = answer["quantiles"].numpy()
    assert quantiles.shape == (3, 9, 2, 3)
    assert np.all(np.diff(quantiles, axis=-1) >= 0)
    np.testing.assert_array_equal(answer["point"], quantiles[..., 1])
    # No row depends on the others.
    for row in range(3):
        alone = forecaster(**{name: value[row : row + 1] for name, value in now.items()})
        np.testing.assert_allclose(alone["quantiles"][0], quantiles[row], rtol=1e-4)
    # A step is a forecast from the next origin.
    time = {name: value for name, value in later.items() if name == "time"}
    stepped = forecaster.step(later["window"][:, -1], now["window"], **time)
    np.testing.assert_array_equal(stepped["window"], later["window"])
    np.testing.assert_allclose(stepped["point"], forecaster(**later)["point"], rtol=1e-5)


def test_the_calendar_changes_an_answer(windows):
    forecaster = random_forecaster("sequence", windows)
    inputs = inputs_of(windows, forecaster)
    later = {**inputs, "time": inputs["time"] + 6 * 3600}
    assert np.abs(forecaster(**inputs)["point"] - forecaster(**later)["point"]).max() > 1e-4


def test_random_inputs_are_as_large_as_the_series(windows):
    inputs = random_forecaster("dense", windows).random_inputs(200)
    training = windows["training"]
    assert inputs["time"].shape == (200, 33)
    deviations = (inputs["window"].mean(axis=(0, 1)) - training.mean) / training.scale
    np.testing.assert_allclose(deviations, 0, atol=0.1)
    np.testing.assert_allclose(inputs["window"].std(axis=(0, 1)), training.scale, rtol=0.1)


def test_pinball_is_smallest_at_the_quantile():
    values = np.random.default_rng(0).exponential(size=10_001).astype("float32")
    levels = [0.1, 0.5, 0.9]
    guesses = np.linspace(0, 3, 301, dtype="float32")
    loss = Pinball(levels, reduction=None)
    for level, guess in zip(levels, np.quantile(values, levels), strict=True):
        alone = Pinball([level])
        losses = [float(alone(values[:, None], np.full((10_001, 1), g))) for g in guesses[::10]]
        assert abs(guesses[::10][np.argmin(losses)] - guess) < 0.1
    # With several levels it is the mean over them.
    forecast = np.array([[1.0, 2.0, 4.0]], "float32")
    expected = (0.1 * 2 + 0.5 * 1 + 0.1 * 1) / 3
    np.testing.assert_allclose(loss(np.array([[3.0]], "float32"), forecast), [expected], rtol=1e-6)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.levels == levels


def test_phases_turn_with_the_day_the_week_and_the_year():
    turns = phases(tf.constant([[0, DAY // 4, 7 * DAY // 2]], "int64")).numpy()
    np.testing.assert_allclose(turns[0, 0], [0, 1] * 3, atol=1e-6)
    np.testing.assert_allclose(turns[0, 1, :2], [1, 0], atol=1e-6)
    np.testing.assert_allclose(turns[0, 2, 2:4], [0, -1], atol=1e-6)
    far = phases(tf.constant([[31556952 * 60]], "int64")).numpy()[0, 0, 4:]
    np.testing.assert_allclose(far, [0, 1], atol=1e-6)


def test_queries_are_in_the_order_of_the_states():
    layer = Queries(3, 2)
    queries = layer(np.zeros((4, 6), "float32")).numpy().reshape(2, 2, 3, 6)
    np.testing.assert_array_equal(queries[0], queries[1])  # of another example
    np.testing.assert_array_equal(queries[0, 0, :, :3], queries[0, 1, :, :3])  # segments
    np.testing.assert_array_equal(queries[0, :, 0, 3:], queries[0, :, 1, 3:])  # variables
    assert len(np.unique(queries[0].reshape(6, 6), axis=0)) == 6


def test_the_linear_share_is_the_best_on_validation_data(windows):
    model = build_model(Settings(model="dense", **SIZES), windows["training"])
    linear = model.get_layer("linear")
    kernel = np.random.default_rng(0).normal(0, 0.1, (24, 9))
    linear.kernel.assign(kernel)
    linear.bias.assign(np.arange(9) / 10)

    def medians(share):
        linear.share.assign(share)
        inputs, targets = zip(*windows["validation"], strict=True)
        answers = np.concatenate([model.predict_on_batch(batch) for batch in inputs])
        return answers[..., 1], np.concatenate(targets)[..., 0], inputs

    answer, _, inputs = medians(1.0)
    scaled = np.concatenate([batch["window"] for batch in inputs])
    scaled = (scaled - windows["training"].mean) / windows["training"].scale
    past = scaled - scaled[:, -1:]
    expected = np.einsum("bwv,wh->bhv", past, kernel) + (np.arange(9) / 10)[:, None]
    np.testing.assert_allclose(answer, expected + scaled[:, -1:], atol=1e-4)

    linear.choose(model, windows["validation"])
    chosen = float(linear.share)
    errors = {}
    for share in (0.0, 1.0, chosen - 0.05, chosen, chosen + 0.05):
        answer, target, _ = medians(share)
        errors[share] = np.mean(np.abs(answer - target))
    assert 0 < chosen < 1
    assert min(errors, key=errors.get) == chosen
    again = LinearShare.from_config(linear.get_config())
    assert again.middle == 1
    linear.bias.assign(np.full(9, 100.0))  # so far off that a negative share would be best
    linear.choose(model, windows["validation"])
    assert 0 <= float(linear.share) < 0.01


def test_the_mean_of_members(windows):
    members = [
        build_model(Settings(model="dense", seed=seed, **SIZES), windows["training"])
        for seed in (1, 2)
    ]
    inputs = windows["test"].inputs(np.asarray(windows["test"].origins[:3]))
    expected = np.mean([np.sort(network(inputs)) for network in members], axis=0)
    mean = mean_of(members, (0.1, 0.5, 0.9))
    np.testing.assert_allclose(mean(inputs), expected, rtol=1e-5, atol=1e-5)
    for network, share in zip(members, (0.25, 0.5), strict=True):
        network.get_layer("linear").share.assign(share)
    assert linear_share(mean) == 0.375
    assert linear_share(members[0]) == 0.25


# Calibration


def test_calibrated_quantiles_hold_their_levels(windows):
    """On the windows that chose the factors, whatever the network says."""
    model = build_model(Settings(model="dense", **SIZES), windows["training"])
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(random.normal(0, 0.3, weight.shape))
    calibration = model.get_layer("calibration")
    held = windows["held_targets"]
    calibration.choose(model, held, windows["training_sample"])
    below = []
    for inputs, targets, counted in held.counted():
        assert counted.any(axis=(1, 2)).all()
        below.append((targets <= model.predict_on_batch(inputs))[counted])
    below = np.concatenate(below)
    assert len(below) == 2 * (22 * 9 + sum(range(1, 9)))  # all of these steps are held out
    np.testing.assert_allclose(below.mean(axis=0)[[0, 2]], [0.1, 0.9], atol=2 / len(below))
    again = Calibration.from_config(calibration.get_config())
    assert (again.levels, again.middle) == ([0.1, 0.5, 0.9], 1)


@pytest.mark.parametrize(("size", "counts"), [(0.5, False), (2.0, True)])
def test_training_windows_count_unless_their_errors_are_smaller(size, counts):
    """Quantiles of -1, 0 and 1, whose factors are then the quantiles of the values."""
    inputs = keras.Input((1,))
    layer = Calibration((0.1, 0.5, 0.9))
    quantiles = layer(ops.stack([0 * inputs - 1, 0 * inputs, 0 * inputs + 1], -1)[:, None])
    model = keras.Model(inputs, quantiles)
    values = np.random.default_rng(0).normal(size=(4000, 1, 1, 1))
    held, training = values[:2000], size * values[2000:]

    def counted(targets):
        return [(np.zeros((len(targets), 1)), targets, np.ones(targets.shape[:3], bool))]

    layer.choose(
        model,
        types.SimpleNamespace(counted=lambda: counted(held)),
        types.SimpleNamespace(counted=lambda: counted(training)),
    )
    expected = np.quantile(np.concatenate([held, training]) if counts else held, 0.9)
    assert float(layer.factors[2]) == pytest.approx(expected, rel=0.01)


def test_a_quantile_on_the_wrong_side_of_the_median_is_brought_back():
    layer = Calibration((0.1, 0.5, 0.9))
    crossed = np.array([[0.3, 0.2, 0.1], [-1.0, 0.0, 3.0]], "float32")
    expected = [[0.15, 0.2, 0.25], [-1.0, 0.0, 3.0]]
    np.testing.assert_allclose(layer(crossed), expected, rtol=1e-6)
    np.testing.assert_array_equal(layer(crossed, training=True), crossed)
    layer.factors.assign([2, 1, 0.5])
    np.testing.assert_allclose(layer(crossed)[1], [-2.0, 0.0, 1.5], rtol=1e-6)


@pytest.mark.parametrize(("scaling", "same"), [("window", True), ("series", False)])
def test_a_network_may_forecast_swings_of_any_size_alike(windows, monkeypatch, scaling, same):
    monkeypatch.setattr(networks, "LEAST_SIZE", 0.0)
    model = build_model(Settings(scaling=scaling, **SIZES), windows["training"])
    mean, scale = windows["training"].mean, windows["training"].scale
    inputs = windows["test"].inputs(np.asarray(windows["test"].origins[:3]))
    larger = {**inputs, "window": mean + 3 * (inputs["window"] - mean) + 2 * scale}
    answer, expected = model(larger).numpy(), 3 * model(inputs).numpy() + 2
    assert np.allclose(answer, expected, atol=1e-4) == same


# Sizes


def test_sizes_follow_the_season_and_the_validation_part(tmp_path, capsys):
    path = write_table(tmp_path / "series.csv", rows=360)
    series = forecasting.load_series(Settings(source=str(path), season=12))
    chosen = choose_sizes(Settings(source=str(path)), series)
    assert (chosen.horizon, chosen.segment) == (12, 6)
    assert f"window {chosen.window}, horizon 12, segment 6" in capsys.readouterr().out
    errors = {}
    values = (series.values - series.values[:252].mean(axis=0)) / series.values[:252].std(axis=0)
    origins = range(252, 288 - 12 + 1)
    for window in (24, 36, 48, 72, 96):  # two seasons at least, half of the training part at most
        forecasts = linear(values, (252, 288, 360), origins, window, 12)
        errors[window] = np.square(forecasts - futures(values, origins, 12)).mean()
    assert errors[chosen.window] < 1.01 * min(errors.values())
    given = Settings(source=str(path), window=30, horizon=5)
    assert choose_sizes(given, series).segment == 3
    alone = Settings(source=str(path), model="last")
    assert choose_sizes(alone, series).segment is None
    noisy = np.random.default_rng(0).normal(size=(360, 1)).cumsum(axis=0)
    short = dataclasses.replace(series, values=noisy[:40].astype("float32"), ends=(28, 32, 40))
    assert choose_sizes(Settings(source=str(path)), short).horizon == 4  # of the validation part
    sample = Settings(sample="mackey_glass")
    assert choose_sizes(sample, series).window == 156


@pytest.mark.slow
def test_a_training_that_goes_on_keeps_the_sizes_it_began_with(source, tmp_path):
    command = ("train", "--source", source, "--run", tmp_path, "--model", "dense", "--units", 4)
    call(*command, "--steps", 1, "--epochs", 2)
    settings = Run(tmp_path).settings(Settings)
    assert (settings.horizon, settings.segment) == (24, None)
    (tmp_path / "model.keras").unlink()
    call(*command, "--steps", 1, "--epochs", 2)
    (tmp_path / "model.keras").unlink()
    with pytest.raises(SystemExit):
        call(*command, "--steps", 1, "--epochs", 2, "--horizon", 7)


# Windows of the parts


def test_no_origin_leaks_into_another_part(source, windows):
    series = forecasting.load_series(Settings(source=str(source)))
    for name, rows in series.parts().items():
        origins = windows[name].origins
        assert origins[0] == max(rows.start, 24)
        assert origins[-1] + 9 == rows.stop
    train = series.values[: series.ends[0]]
    np.testing.assert_allclose(windows["test"].mean, train.mean(axis=0), rtol=1e-5)


def test_training_windows_alone_are_shuffled_by_the_seed(source):
    settings = Settings(source=str(source), seed=5, limit=50, **SIZES)
    windows = forecasting.make_datasets(forecasting.load_series(settings), settings)
    seeds = {name: part.seed for name, part in windows.items()}
    others = dict.fromkeys(("validation", "test", "training_sample", "held_targets"))
    assert seeds == {"training": 5, **others}
    assert {name: part.count for name, part in windows.items()} == {
        "training": 50,
        "validation": 22,
        "test": 52,
        "training_sample": 178,
        "held_targets": 30,
    }
