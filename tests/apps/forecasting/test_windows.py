import numpy as np
import pytest

from apps.forecasting.windows import Windows, scaling


def make(rows=40, origins=range(6, 31), **options):
    values = np.random.default_rng(0).normal(3, [2, 5], (rows, 2)).astype("float32")
    times = np.datetime64("2020-01-01T00", "ns") + np.arange(rows) * np.timedelta64(1, "h")
    scales = np.array([3.0, 2.0]), np.array([2.0, 5.0])
    return Windows(times, values, scales, origins, window=6, horizon=4, batch_size=8, **options)


def collect(windows):
    inputs, targets = zip(*windows, strict=True)
    joined = {name: np.concatenate([batch[name] for batch in inputs]) for name in inputs[0]}
    return joined, np.concatenate(targets)


def test_a_window_ends_where_its_target_begins():
    windows = make()
    inputs, targets = collect(windows)
    assert len(targets) == 25
    assert len(windows) == 4
    for place, origin in enumerate(windows.origins):
        np.testing.assert_array_equal(inputs["window"][place], windows.values[origin - 6 : origin])
        followed = (windows.values[origin : origin + 4] - [3, 2]) / [2, 5]
        np.testing.assert_allclose(targets[place, ..., 0], followed, rtol=1e-5)
        start = windows.seconds[origin - 6]
        assert inputs["time"][place].tolist() == [start + 3600 * step for step in range(10)]


def test_an_epoch_has_its_own_order_and_every_window_once():
    windows = make(seed=1)
    first, again, fresh = collect(windows)[1], collect(windows)[1], collect(make(seed=1))[1]
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, fresh)
    windows.epoch = 1
    second = collect(windows)[1]
    assert np.any(first != second)
    np.testing.assert_array_equal(np.sort(first, axis=0), np.sort(second, axis=0))
    np.testing.assert_array_equal(np.sort(first, axis=0), np.sort(collect(make())[1], axis=0))


def test_a_short_series_is_gone_through_several_times_in_an_epoch():
    windows = make(seed=1, steps=8)
    assert len(windows) == 8
    assert len(make(seed=1, steps=3)) == 4  # of a longer one every window is taken once
    assert len(make(steps=8)) == 4  # and without a seed
    rows, counts = np.unique(collect(windows)[1].reshape(64, -1), axis=0, return_counts=True)
    assert len(rows) == 25
    assert {*counts} == {2, 3}


def test_targets_before_a_row_do_not_count():
    windows = make(counted_from=12)
    parts = list(windows.counted())
    inputs, targets, counted = (
        np.concatenate(part)
        for part in zip(*((inputs["window"], *others) for inputs, *others in parts), strict=True)
    )
    expected = collect(windows)
    np.testing.assert_array_equal(inputs, expected[0]["window"])
    np.testing.assert_array_equal(targets, expected[1])
    rows = np.asarray(windows.origins)[:, None] + np.arange(4)
    np.testing.assert_array_equal(counted, np.stack([rows >= 12] * 2, axis=-1))


def test_a_limit_draws_other_windows_each_epoch():
    windows = make(seed=1, limit=10)
    assert len(windows) == 2
    drawn = []
    for windows.epoch in range(2):
        drawn.append({row.tobytes() for row in collect(windows)[1]})
        assert len(drawn[-1]) == 10
    assert drawn[0] != drawn[1]


def test_origins_are_thinned_evenly(capsys):
    windows = make()
    windows.thin(25)
    assert (windows.origins, capsys.readouterr().out) == (range(6, 31), "")
    windows.thin(10)
    assert windows.origins == range(6, 31, 3)
    assert "Of 25 origins, one in 3" in capsys.readouterr().out
    assert len(collect(windows)[1]) == 9


def test_the_data_set_holds_the_same():
    windows = make(seed=2)
    for _ in range(2):
        batches = list(windows.dataset().as_numpy_iterator())
        assert len(batches) == len(windows.dataset()) == len(windows)
        for (inputs, targets), (ours, expected) in zip(batches, windows, strict=True):
            np.testing.assert_array_equal(targets, expected)
            np.testing.assert_array_equal(inputs["window"], ours["window"])
            np.testing.assert_array_equal(inputs["time"], ours["time"])
        windows.epoch += 1


@pytest.mark.parametrize("chunk", [7, 1000])
def test_scaling_is_mean_and_deviation_whatever_the_chunks(chunk):
    values = np.random.default_rng(1).normal(1e6, 3, (50, 2)).astype("float32")
    mean, deviation = scaling(values, chunk)
    np.testing.assert_allclose(mean, values.astype("float64").mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(deviation, values.astype("float64").std(axis=0), rtol=1e-9)
