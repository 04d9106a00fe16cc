import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from statsforecast.models import AutoTheta

from apps.common.refusal import Refusal
from apps.forecasting import baselines, metrics, statistical
from apps.forecasting.baselines import linear, seasonal_naive
from apps.forecasting.data import load
from apps.forecasting.metrics import forecast_scores, futures, seasonal_naive_error, step_errors
from apps.forecasting.statistical import statistical_forecasts

CHANCE = np.random.default_rng(0)
HOURS = np.arange(240)[:, None]
# Two variables with a trend, a season of 6 and noise.
SERIES = (
    np.sin(HOURS * np.pi / 3 + [0, 1]) + HOURS * [0.01, -0.02] + CHANCE.normal(0, 0.3, (240, 2))
)
ENDS = (150, 190, 240)
ORIGINS = range(190, 231)


@pytest.fixture
def small_pieces(monkeypatch):
    """Work on a few origins at a time, so that small arrays have many pieces."""
    monkeypatch.setattr(metrics, "CELLS", 200)


def cut(values, origins, horizon):
    """Return what follows on each origin."""
    return np.stack([values[origin : origin + horizon] for origin in origins])


# Scores


def test_futures_are_views_of_what_follows():
    for origins in (range(3, 9), range(0, 231, 7), range(230, 231)):
        found = futures(SERIES, origins, 10)
        np.testing.assert_array_equal(found, cut(SERIES, origins, 10))
        assert np.shares_memory(found, SERIES)
        assert not found.flags.writeable


@pytest.mark.parametrize("origins", [range(0), range(-1, 5), range(225, 232), range(5, 1, -1)])
def test_origins_outside_the_series(origins):
    with pytest.raises(ValueError, match=r"origins must be .* 10 steps inside the series of 240"):
        futures(SERIES, origins, 10)


def scores_one_by_one(actual, point, quantiles, levels, mean, scale, naive_error):
    """Return the scores as their definitions say, number by number."""
    squared, absolute, scaled, symmetric, losses, inside = [], [], [], [], [], []
    for place in np.ndindex(actual.shape):
        true, guess, variable = float(actual[place]), float(point[place]), place[-1]
        squared.append((true - guess) ** 2)
        absolute.append(abs(true - guess))
        scaled.append(abs(true - guess) / naive_error[variable])
        true_was, guess_was = (x * scale[variable] + mean[variable] for x in (true, guess))
        symmetric.append(200 * abs(true_was - guess_was) / (abs(true_was) + abs(guess_was)))
        for quantile, level in zip(quantiles[place], levels, strict=True):
            over = true - float(quantile)
            losses.append(level * over if over >= 0 else (level - 1) * over)
        inside.append(min(quantiles[place]) <= true <= max(quantiles[place]))
    names = ("mse", "mae", "mase", "smape", "pinball", "coverage")
    lists = (squared, absolute, scaled, symmetric, losses, inside)
    return dict(zip(names, map(np.mean, lists), strict=True))


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("levels", [(0.1, 0.5, 0.9), (0.95, 0.5, 0.05, 0.2)])
def test_scores_follow_their_definitions(levels):
    chance = np.random.default_rng(1)
    actual, point = chance.normal(size=(2, 17, 5, 3)).astype("float32")
    offsets = np.quantile(chance.normal(size=1000), levels)
    quantiles = point[..., None] + offsets.astype("float32")
    mean, scale, error = chance.uniform(0.5, 3, (3, 3))
    found = forecast_scores(
        actual, point, quantiles, levels, mean=mean, scale=scale, naive_error=error
    )
    expected = scores_one_by_one(actual, point, quantiles, levels, mean, scale, error)
    assert found == pytest.approx(expected, rel=1e-6)
    alone = forecast_scores(actual, point, mean=mean, scale=scale, naive_error=error)
    del expected["pinball"], expected["coverage"]
    assert alone == pytest.approx(expected, rel=1e-6)


def test_scores_of_perfect_and_of_worst_forecasts():
    ones = {"mean": np.zeros(2), "scale": np.ones(2), "naive_error": np.ones(2)}
    actual = futures(SERIES, ORIGINS, 10)
    exact = np.repeat(actual[..., None], 3, -1)
    found = forecast_scores(actual, actual, exact, (0.1, 0.5, 0.9), **ones)
    assert found == {name: name == "coverage" for name in found}
    assert len(found) == 6
    assert forecast_scores(actual, -actual, **ones)["smape"] == pytest.approx(200)
    assert forecast_scores(actual * 0, actual * 0, **ones)["smape"] == 0
    half = forecast_scores(actual, -actual, -actual[..., None], (0.5,), **ones)
    assert half["pinball"] == pytest.approx(half["mae"] / 2)


def test_the_scale_of_mase_is_the_error_of_the_seasonal_naive_forecast():
    error = seasonal_naive_error(SERIES, 6, "ab")
    np.testing.assert_allclose(error, np.abs(SERIES[6:] - SERIES[:-6]).mean(axis=0))
    origins = range(6, 240)
    ones = {"mean": np.zeros(2), "scale": np.ones(2)}
    point = seasonal_naive(SERIES, origins, 1, 6)
    found = forecast_scores(futures(SERIES, origins, 1), point, naive_error=error, **ones)
    assert found["mase"] == pytest.approx(1)


@pytest.mark.parametrize("season", [0, 240, 300])
def test_a_season_longer_than_the_training_part(season):
    with pytest.raises(ValueError, match=f"shorter than the training part of 240 .* {season}"):
        seasonal_naive_error(SERIES, season, "ab")


def test_a_variable_that_only_repeats_itself():
    repeating = np.column_stack([SERIES[:, 0], np.tile([1, 2, 3], 80)])
    with pytest.raises(ValueError, match="'b' repeats itself exactly every 3 steps"):
        seasonal_naive_error(repeating, 3, "ab")


@pytest.mark.usefixtures("small_pieces")
def test_the_mean_over_steps_is_the_score():
    actual, point = np.random.default_rng(2).normal(size=(2, 33, 7, 4)).astype("float32")
    errors = step_errors(actual, point)
    difference = point.astype("float64") - actual
    np.testing.assert_allclose(errors["mse"], (difference**2).mean(axis=(0, 2)))
    np.testing.assert_allclose(errors["mae"], np.abs(difference).mean(axis=(0, 2)))


def test_shapes_that_do_not_fit():
    actual, ones = np.zeros((4, 3, 2)), np.ones(2)
    other = {"mean": ones, "scale": ones, "naive_error": ones}
    with pytest.raises(
        ValueError, match=r"point must have the shape \(4, 3, 2\); received \(4, 3\)"
    ):
        forecast_scores(actual, actual[..., 0], **other)
    with pytest.raises(ValueError, match=r"point must have the shape"):
        step_errors(actual, actual[:3])
    with pytest.raises(ValueError, match=r"quantiles must have the shape \(4, 3, 2, 1\)"):
        forecast_scores(actual, actual, actual[..., None, None], (0.5,), **other)


# Baselines


@pytest.mark.parametrize(("season", "horizon"), [(1, 4), (6, 4), (6, 6), (6, 20), (25, 10)])
def test_the_last_season_is_repeated(season, horizon):
    found = seasonal_naive(SERIES, ORIGINS, horizon, season)
    assert found.dtype == "float32"
    for origin, forecast in zip(ORIGINS, found, strict=True):
        past = SERIES[:origin]
        expected = [past[-season + step % season] for step in range(horizon)]
        np.testing.assert_array_equal(forecast, np.float32(expected))


def windows(values, origins, window, horizon):
    """Return windows and what follows, less the last value, a row for each variable; and it."""
    past = np.concatenate([values[origin - window : origin].T for origin in origins])
    ahead = np.concatenate([values[origin : origin + horizon].T for origin in origins])
    return past - past[:, -1:], ahead - past[:, -1:], past[:, -1:]


@pytest.mark.usefixtures("small_pieces")
def test_the_linear_baseline_is_ridge_regression_with_the_best_penalty():
    window, horizon = 12, 5
    past, ahead, _ = windows(SERIES, range(window, ENDS[0] - horizon + 1), window, horizon)
    held = windows(SERIES, range(ENDS[0], ENDS[1] - horizon + 1), window, horizon)
    centred = past - past.mean(axis=0)
    size = np.trace(centred.T @ centred) / window
    models = [Ridge(alpha=alpha * size).fit(past, ahead) for alpha in baselines.PENALTIES]
    errors = [np.square(model.predict(held[0]) - held[1]).mean() for model in models]
    best = models[int(np.argmin(errors))]
    assert 0 < np.argmin(errors) < len(models) - 1  # otherwise the choice would not be tested
    past, _, last = windows(SERIES, ORIGINS, window, 0)
    expected = (best.predict(past) + last).reshape(len(ORIGINS), 2, horizon).swapaxes(1, 2)
    found = linear(SERIES, ENDS, ORIGINS, window, horizon)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_the_linear_baseline_finds_a_linear_recurrence():
    values = np.column_stack([np.sin(HOURS[:, 0] / 3), 5 + 2 * np.sin(1 + HOURS[:, 0] / 3)])
    found = linear(values, ENDS, ORIGINS, 8, 10)
    np.testing.assert_allclose(found, cut(values, ORIGINS, 10), atol=1e-3)


def test_a_window_of_one_step():
    found = linear(SERIES, ENDS, ORIGINS, 1, 3)
    _, ahead, _ = windows(SERIES, range(1, ENDS[0] - 2), 1, 3)
    expected = cut(SERIES, np.array(ORIGINS) - 1, 1) + ahead.mean(axis=0)[:, None]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_statistical_models_are_fitted_once_and_read_what_came_before_each_origin(monkeypatch):
    monkeypatch.setattr(statistical, "MAX_FORECASTS", 20)
    monkeypatch.setattr(statistical, "ROWS", 100)
    found = list(statistical_forecasts(SERIES, ENDS[0], ORIGINS, 7, 6))
    assert [name for name, _, _ in found] == ["auto_ets", "auto_theta", "mstl", "auto_arima"]
    fitted = AutoTheta(season_length=6).fit(SERIES[50:150, 1])
    for _, origins, forecasts in found:
        assert origins == range(190, 231, 5)  # 9 origins of 2 variables, from 41
        assert (forecasts.shape, forecasts.dtype) == ((9, 7, 2), "float32")
    _, origins, forecasts = found[1]
    for origin, forecast in zip(origins, forecasts[..., 1], strict=True):
        expected = fitted.forward(SERIES[origin - 100 : origin, 1], 7)["mean"]
        np.testing.assert_allclose(forecast, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("train_end", "season", "names"),
    [
        (150, 1, ["auto_ets", "auto_theta", "auto_arima"]),
        (150, 100, ["auto_ets", "auto_theta", "auto_arima"]),  # fewer than two seasons
        (600, 6, ["auto_ets", "auto_theta", "mstl"]),
        (150, 24, ["auto_ets", "auto_theta", "mstl"]),
    ],
)
def test_the_length_and_the_season_choose_the_statistical_models(train_end, season, names):
    values = np.tile(SERIES[:, :1], (3, 1))
    found = statistical_forecasts(values, train_end, range(train_end, train_end + 1), 4, season)
    assert [name for name, _, _ in found] == names


def test_a_statistical_model_that_cannot_be_fitted_is_left_out_and_named(monkeypatch, capsys):
    def fail(self, *args, **kwargs):
        raise Exception("no model able to be fitted")

    monkeypatch.setattr(AutoTheta, "fit", fail)
    found = statistical_forecasts(SERIES, ENDS[0], range(190, 191), 4, 1)
    assert [name for name, _, _ in found] == ["auto_ets", "auto_arima"]
    assert capsys.readouterr().out == "auto_theta is left out: no model able to be fitted\n"


def baseline_forecasts(values, origins):
    """Return the forecasts of each baseline by its name; all are of all origins."""
    task = {"season": 6, "window": 12, "horizon": 8, "mean": np.array([5, 9]), "scale": 2}
    found = list(baselines.forecast_baselines(values, ENDS, origins, **task))
    assert all(taken == origins for _, taken, _ in found)
    return {name: forecasts for name, _, forecasts in found}


@pytest.mark.slow
@pytest.mark.usefixtures("small_pieces")
def test_no_forecast_knows_what_comes_after_its_origin():
    origins = range(195, 231, 5)
    found = baseline_forecasts(SERIES, origins)
    learned = ["linear", "auto_ets", "auto_theta", "mstl", "auto_arima"]
    assert list(found) == ["naive", "seasonal_naive", *learned]
    changed = SERIES.copy()
    changed[210:] += 10
    later = baseline_forecasts(changed, origins)
    for name, forecast in found.items():
        assert forecast.shape == (8, 8, 2)
        np.testing.assert_array_equal(forecast[:4], later[name][:4])
        assert np.all(np.any(forecast[4:] != later[name][4:], axis=(1, 2)))
        # On the scaled series, as the values are.
        assert np.abs(forecast - cut(SERIES, origins, 8)).mean() < 4
    changed = SERIES.copy()
    changed[: ENDS[0]] += np.random.default_rng(3).normal(size=(ENDS[0], 2))
    later = baseline_forecasts(changed, origins)
    assert all(np.any(found[name] != later[name]) for name in learned)


def test_a_forecast_may_reach_beyond_the_series():
    found = baseline_forecasts(SERIES, range(240, 241))
    assert {forecast.shape for forecast in found.values()} == {(1, 8, 2)}


@pytest.mark.parametrize(
    ("origins", "season", "window"),
    [
        (range(0), 6, 12),
        (range(149, 160), 6, 12),
        (range(190, 242), 6, 12),
        (range(190, 231), 191, 12),
        (range(190, 231), 6, 191),
        (range(231, 190, -1), 6, 12),
    ],
)
def test_origins_without_a_past(origins, season, window):
    with pytest.raises(
        ValueError, match=r"forecasts must begin after the training part of 150"
    ) as caught:
        next(
            baselines.forecast_baselines(
                SERIES, ENDS, origins, season=season, window=window, horizon=8, mean=0, scale=1
            )
        )
    assert isinstance(caught.value, Refusal)


@pytest.mark.parametrize(("window", "horizon"), [(146, 5), (12, 41)])
def test_parts_too_short_for_the_linear_baseline(window, horizon):
    with pytest.raises(ValueError, match="end at rows 150 and 190, are too short for a window of"):
        linear(SERIES, ENDS, ORIGINS, window, horizon)
    linear(SERIES, ENDS, ORIGINS, 145, 5)
    linear(SERIES, ENDS, ORIGINS, 12, 40)


@pytest.mark.data
@pytest.mark.slow
def test_the_baselines_on_etth1():
    series = load(str(Path(os.environ["RNNLAYERS_DATA"]) / "ett" / "ETTh1.csv"))
    train = series.values[: series.ends[0]]
    mean, scale = train.mean(axis=0), train.std(axis=0)
    values = (series.values - mean) / scale
    origins = range(series.ends[1], series.ends[2] - 95)
    error = seasonal_naive_error(values[: series.ends[0]], series.season, series.names)
    scales = {"mean": mean, "scale": scale}
    task = {"season": series.season, "window": 336, "horizon": 96, **scales}
    found = {
        name: forecast_scores(futures(values, taken, 96), forecast, **scales, naive_error=error)
        for name, taken, forecast in baselines.forecast_baselines(
            values, series.ends, origins, **task
        )
    }
    test = values[origins[0] - 1 : series.ends[2]].astype("float64")
    steps = [test[step : len(origins) + step] - test[: len(origins)] for step in range(1, 97)]
    assert found["naive"]["mse"] == pytest.approx(np.mean(np.square(steps)), rel=1e-5)
    assert found["naive"]["mae"] == pytest.approx(np.mean(np.abs(steps)), rel=1e-5)
    assert min(found, key=lambda name: found[name]["mse"]) == "linear"
    assert found["linear"]["mse"] < 0.376  # about what is published for such models
