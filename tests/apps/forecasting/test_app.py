import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from apps.common.runs import Run
from apps.forecasting import app as forecasting
from apps.forecasting.layers import DAY, LinearShare, Pinball, Queries, phases
from apps.forecasting.networks import NETWORKS
from tests.apps.common import c_api, other_runtimes

TINY = (
    *("--window", "24", "--horizon", "9", "--segment", "4", "--units", "8"),
    *("--batch-size", "64", "--epochs", "2", "--limit", "300"),
)
MODELS = tuple(NETWORKS)


def call(*argv):
    forecasting.main([str(argument) for argument in argv])


def refusal(capsys, *argv):
    """Return the one line that a refused command ends with."""
    with pytest.raises(SystemExit) as stop:
        call(*argv)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def write_table(path, rows=300, **columns):
    """Write a file of hourly values, waves unless told otherwise."""
    times = pd.date_range("2024-01-01", periods=rows, freq="h")
    waves = np.sin(2 * np.pi * np.arange(rows) / 24)
    noise = np.random.default_rng(0).normal(0, 0.1, (2, rows))
    table = {"date": times, "a": 10 + 3 * waves + noise[0], "b": 5 - waves + noise[1], **columns}
    pd.DataFrame(table).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("data") / "waves.csv")


@pytest.fixture(scope="module", params=MODELS)
def run(request, tmp_path_factory, source):
    """A small run of each network; that of `sequence` with the calendar."""
    folder = tmp_path_factory.mktemp("runs") / request.param
    options = ["--calendar"] if request.param == "sequence" else []
    call("train", "--source", source, "--run", folder, "--model", request.param, *TINY, *options)
    return folder


@pytest.fixture(scope="module")
def forecaster(run):
    return forecasting.load_forecaster(Run.finished(run))


def settings_of(run):
    return Run(run).settings(forecasting.Settings)


def windows_of(run, rows=slice(0, 3)):
    """Return inputs from the test part."""
    settings = settings_of(run)
    test = forecasting.make_datasets(forecasting.load_series(settings), settings)["test"]
    return test.inputs(np.asarray(test.origins[rows]))


def inputs_of(run, forecaster, rows=slice(0, 3)):
    """Return those of them that the forecaster reads."""
    inputs = windows_of(run, rows)
    return {name: tf.constant(inputs[name]) for name in forecaster.signature()}


def test_a_run_trains_a_network_and_one_without_recurrence(run):
    dense_alone = run.name == "dense"
    assert (run / "model.keras").exists()
    assert (run / "dense" / "model.keras").exists() != dense_alone
    history = pd.read_csv(run / "history.csv")
    assert len(history) == 2
    assert history["loss"].iloc[1] < history["loss"].iloc[0]
    assert (run / "plots" / "curves.png").stat().st_size > 5000


def test_evaluation_scores_every_origin_beside_the_baselines(run, forecaster, source):
    call("evaluate", "--run", run)
    found = json.loads((run / "metrics.json").read_text())
    assert found["metrics"].keys() == {"mse", "mae", "mase", "smape", "pinball", "coverage"}
    expected = {"naive", "seasonal_naive", "linear", "exponential_smoothing"}
    assert found["baselines"].keys() == expected | ({"dense"} - {run.name})
    assert (run / "plots" / "error_by_step.png").stat().st_size > 5000
    # The same from the answers in the units of the file.
    series = pd.read_csv(source)[["a", "b"]].to_numpy()
    train_end, first = forecasting.load_series(settings_of(run)).ends[:2]
    inputs = inputs_of(run, forecaster, slice(None))
    point = forecaster(**inputs)["point"].numpy()
    assert len(point) == 300 - first - 9 + 1
    actual = np.stack([series[first + k : first + k + 9] for k in range(len(point))])
    error = (point - actual) / series[:train_end].std(axis=0)
    assert found["metrics"]["mse"] == pytest.approx(np.mean(error**2), rel=1e-3)
    assert found["metrics"]["mae"] == pytest.approx(np.mean(np.abs(error)), rel=1e-3)


def test_quantiles_do_not_cross_and_the_median_is_the_point(run, forecaster):
    answer = forecaster(**inputs_of(run, forecaster))
    quantiles = answer["quantiles"].numpy()
    assert quantiles.shape == (3, 9, 2, 3)
    assert np.all(np.diff(quantiles, axis=-1) >= 0)
    np.testing.assert_array_equal(answer["point"], quantiles[..., 1])


def test_no_answer_depends_on_the_rest_of_the_batch(run, forecaster):
    inputs = inputs_of(run, forecaster)
    together = forecaster(**inputs)["quantiles"].numpy()
    for row in range(3):
        alone = forecaster(**{name: value[row : row + 1] for name, value in inputs.items()})
        np.testing.assert_allclose(alone["quantiles"][0], together[row], rtol=1e-4)


def test_a_step_is_a_forecast_from_the_next_origin(run, forecaster):
    now, later = (inputs_of(run, forecaster, slice(k, k + 3)) for k in (0, 1))
    time = {name: value for name, value in later.items() if name == "time"}
    stepped = forecaster.step(later["window"][:, -1], now["window"], **time)
    np.testing.assert_array_equal(stepped["window"], later["window"])
    np.testing.assert_allclose(stepped["point"], forecaster(**later)["point"], rtol=1e-5)


def test_prediction_goes_on_where_the_series_ends(run, tmp_path, capsys):
    other = write_table(tmp_path / "other.csv", rows=31)
    call("predict", "--run", run)
    call("predict", "--run", run, other)
    assert "2024-01-13 12:00" in capsys.readouterr().out
    table = pd.read_csv(run / "forecast_other.csv", parse_dates=["time"])
    assert list(table) == ["time", "variable", "point", "q0.1", "q0.5", "q0.9"]
    assert len(table) == 9 * 2
    expected = pd.date_range("2024-01-02 07:00", periods=9, freq="h")
    assert list(table["time"]) == list(expected.repeat(2))
    assert (table["q0.1"] <= table["point"]).all()
    assert (run / "plots" / "forecast_other.png").stat().st_size > 5000


FRESH = """
import sys
sys.modules.update(dict.fromkeys(("keras", "rnnlayers", "apps")))
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
inputs = dict(np.load(sys.argv[2]))
answer = loaded.signatures[sys.argv[3]](**{name: tf.constant(v) for name, v in inputs.items()})
np.savez(sys.argv[4], **{name: value.numpy() for name, value in answer.items()})
"""


def test_the_export_answers_without_this_library(run, forecaster, tmp_path):
    if run.name in ("last", "dense"):
        pytest.skip("its inputs and outputs are those of another network")
    call("export", "--run", run, "--to", tmp_path)
    assert c_api.check(tmp_path / "forecasting" / "1") == ["serving_default", "step"]
    inputs = inputs_of(run, forecaster)
    calls = {"serving_default": inputs, "step": {"observation": inputs["window"][:, 0], **inputs}}
    for endpoint, given in calls.items():
        np.savez(tmp_path / "inputs.npz", **given)
        files = tmp_path / "forecasting" / "1", tmp_path / "inputs.npz"
        command = [sys.executable, "-I", "-c", FRESH, *files, endpoint, tmp_path / "answer.npz"]
        subprocess.run(command, check=True, capture_output=True)
        live = forecaster(**given) if endpoint != "step" else forecaster.step(**given)
        answer = np.load(tmp_path / "answer.npz")
        assert set(answer) == set(live)
        for name, value in live.items():
            np.testing.assert_allclose(answer[name], value, rtol=1e-4, atol=1e-4)


def test_members_are_averaged_and_each_is_trained_once(source, tmp_path, capsys):
    run, source = tmp_path / "run", Path(shutil.copy(source, tmp_path))
    command = ("train", "--source", source, "--run", run, *TINY, "--members", 2, "--calendar")
    call(*command)
    (run / "model.keras").unlink()  # as if it had been killed then
    capsys.readouterr()
    call(*command)
    assert "Training segments" not in capsys.readouterr().out
    (run / "model.keras").unlink()
    other = ("--learning-rate", 0.5)  # the parts were trained with another
    assert "learning_rate 0.002 (asked for: 0.5)" in refusal(capsys, *command, *other)
    call(*command)
    forecaster = forecasting.load_forecaster(Run.finished(run))
    inputs = inputs_of(run, forecaster)
    members = [
        forecasting.load_forecaster(Run.finished(run / f"member_{place}"))(**inputs)["quantiles"]
        for place in (1, 2)
    ]
    assert np.abs(members[0] - members[1]).max() > 0.01
    expected = np.sort(np.mean(members, axis=0))
    np.testing.assert_allclose(forecaster(**inputs)["quantiles"], expected, rtol=1e-5)
    call("evaluate", "--run", run)
    assert json.loads((run / "metrics.json").read_text())["baselines"]["dense"]["mse"] > 0
    rows = source.read_text().splitlines(keepends=True)
    source.write_text("".join(rows[:30]))
    capsys.readouterr()
    assert forecasting.real_inputs(Run(run)) is None
    assert "part has" in capsys.readouterr().out
    source.unlink()  # an export goes without it
    call("export", "--run", run, "--to", tmp_path / "exports")
    said = capsys.readouterr().out
    assert "tried on made-up windows: source must be" in said
    assert (tmp_path / "exports" / "forecasting" / "1").exists()


def test_other_runtimes_forecast(run, forecaster, tmp_path):
    if run.name != "segments":
        pytest.skip("the network that is trained unless told otherwise is enough")
    inputs = forecasting.real_inputs(Run(run))
    np.testing.assert_array_equal(inputs["window"], windows_of(run)["window"])
    numeric = forecaster.numeric(inputs)
    written = other_runtimes.check("forecasting", forecaster, numeric, tmp_path, tolerance=1e-4)
    assert written == {name: {"onnx", "litert"} for name in ("serving_default", "step")}


def test_the_calendar_changes_an_answer(source, tmp_path):
    run = tmp_path / "run"
    call("train", "--source", source, "--run", run, "--calendar", *TINY)
    forecaster = forecasting.load_forecaster(Run.finished(run))
    inputs = inputs_of(run, forecaster)
    moved = {**inputs, "time": inputs["time"] + 6 * 3600}
    assert np.abs(forecaster(**inputs)["point"] - forecaster(**moved)["point"]).max() > 1e-4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--window", "0"], "window must be at least 1"),
        (["--segment", "25"], "segment must be at most"),
        (["--levels", "0.1", "0.9"], "levels must be"),
        (["--levels", "0.9", "0.5"], "levels must be"),
        (["--levels", "0.5", "1.0"], "levels must be"),
        (["--decay", "1.5"], "decay must be"),
        (["--columns", "c"], "'c'"),
        (["--time-column", "when"], "when"),
        (["--horizon", "70"], "need"),
        (["--window", "250"], "need"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, words, source, tmp_path, capsys):
    line = refusal(capsys, "train", "--source", source, "--run", tmp_path / "run", *TINY, *options)
    assert words in line


def test_series_that_do_not_fit_the_model_are_refused(run, tmp_path, capsys):
    short = write_table(tmp_path / "short.csv", rows=23)
    assert "looks back on 24 rows" in refusal(capsys, "predict", "--run", run, short)
    other = write_table(tmp_path / "other.csv", c=1.5 + np.arange(300) % 7)
    assert "found a, b, c" in refusal(capsys, "predict", "--run", run, other)


def test_pinball_is_the_least_at_the_quantile():
    values = np.random.default_rng(0).exponential(size=10_001).astype("float32")
    levels = (0.1, 0.5, 0.9)
    loss = Pinball(levels)
    guesses = np.linspace(0, 3, 301, dtype="float32")
    losses = [
        [float(loss(values[:, None], np.full((10_001, 1), guess))) for guess in guesses]
        for loss in map(Pinball, [[level] for level in levels])
    ]
    best = guesses[np.argmin(losses, axis=1)]
    np.testing.assert_allclose(best, np.quantile(values, levels), atol=0.02)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.levels == [0.1, 0.5, 0.9]


def test_phases_turn_with_the_day_the_week_and_the_year():
    turns = phases(tf.constant([[0, DAY // 4, 7 * DAY // 2]], "int64")).numpy()
    np.testing.assert_allclose(turns[0, 0], [0, 1] * 3, atol=1e-6)
    np.testing.assert_allclose(turns[0, 1, :2], [1, 0], atol=1e-6)
    np.testing.assert_allclose(turns[0, 2, 2:4], [0, -1], atol=1e-6)
    far = phases(tf.constant([[31556952 * 60]], "int64")).numpy()[0, 0, 4:]
    np.testing.assert_allclose(far, [0, 1], atol=1e-6)


def test_queries_are_ordered_as_states_are():
    layer = Queries(3, 2)
    asked = layer(np.zeros((4, 6), "float32")).numpy().reshape(2, 2, 3, 6)
    np.testing.assert_array_equal(asked[0], asked[1])  # of another example
    np.testing.assert_array_equal(asked[0, 0, :, :3], asked[0, 1, :, :3])  # places
    np.testing.assert_array_equal(asked[0, :, 0, 3:], asked[0, :, 1, 3:])  # variables
    assert len(np.unique(asked[0].reshape(6, 6), axis=0)) == 6


def test_the_linear_share_is_the_best_on_validation_data(source):
    settings = forecasting.Settings(source=str(source), window=24, horizon=9, model="dense")
    series = forecasting.load_series(settings)
    windows = forecasting.make_datasets(series, settings)
    keras.utils.set_random_seed(1)
    model = forecasting.build_model(settings, windows["training"])
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


def test_a_share_stays_between_none_and_all(source):
    settings = forecasting.Settings(source=str(source), window=24, horizon=9, model="dense")
    windows = forecasting.make_datasets(forecasting.load_series(settings), settings)
    model = forecasting.build_model(settings, windows["training"])
    linear = model.get_layer("linear")
    linear.bias.assign(np.full(9, 100.0))  # so far off that less than nothing would be best
    linear.choose(model, windows["validation"])
    assert 0 <= float(linear.share) < 0.01


def test_a_training_that_was_broken_off_goes_on(source, tmp_path, monkeypatch):
    """Kill the second network in its second epoch; the first is not trained again."""

    class KilledError(Exception):
        pass

    command = ("train", "--source", source, "--run", tmp_path / "run", *TINY)
    fitted = keras.Model.fit
    calls = []

    def fit(model, *args, callbacks=(), **kwargs):
        calls.append(kwargs["initial_epoch"])
        if len(calls) == 2:

            def kill(epoch, logs):
                raise KilledError

            stop = keras.callbacks.LambdaCallback(on_epoch_end=kill)
            callbacks = [*callbacks, stop]  # after the one that keeps the epoch
        return fitted(model, *args, callbacks=callbacks, **kwargs)

    monkeypatch.setattr(keras.Model, "fit", fit)
    with pytest.raises(KilledError):
        call(*command)
    call(*command)
    assert calls == [0, 0, 1]
    whole = tmp_path / "whole"
    call("train", "--source", source, "--run", whole, *TINY)
    ours, expected = (Run.finished(run).model().get_weights() for run in (tmp_path / "run", whole))
    for weight, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(weight, other, atol=1e-5)


def test_no_origin_leaks_into_another_part(source):
    settings = forecasting.Settings(source=str(source), window=24, horizon=9)
    series = forecasting.load_series(settings)
    windows = forecasting.make_datasets(series, settings)
    for name, rows in series.parts().items():
        origins = windows[name].origins
        assert origins[0] == max(rows.start, 24)
        assert origins[-1] + 9 == rows.stop
    np.testing.assert_allclose(
        windows["test"].mean, series.values[: series.ends[0]].mean(axis=0), rtol=1e-5
    )
