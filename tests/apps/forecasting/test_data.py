import gzip
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from apps.common.refusal import Refusal
from apps.forecasting import gaps, tables
from apps.forecasting.data import load
from apps.forecasting.grids import following, season_of

DAYS = pd.date_range("2020-01-01", periods=40, freq="D")
NUMBERS = np.random.default_rng(0).normal(size=40).round(3)
ETT = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]


def write(path, times=DAYS, header="date,x", **columns):
    """Write a table; the columns are one of numbers unless they are given."""
    columns = columns or {"x": np.resize(NUMBERS, len(times))}
    rows = zip(map(str, times), *columns.values(), strict=True)
    lines = [header if len(columns) == 1 else ",".join(["date", *columns])]
    lines += [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def with_entry(values, row, entry):
    """Replace one entry; rows count from 1."""
    return [*values[: row - 1], entry, *values[row:]]


def ett(path, rows, frequency):
    times = pd.date_range("2016-07-01", periods=rows, freq=frequency)
    values = np.random.default_rng(0).normal(size=(rows, len(ETT)))
    pd.DataFrame(values, columns=ETT).assign(date=times).to_parquet(path, index=False)
    return str(path)


@pytest.fixture
def small_pieces(monkeypatch):
    """Read and process a few rows at a time, so that small files have many pieces."""
    monkeypatch.setattr(tables, "CELLS", 21)
    monkeypatch.setattr(gaps, "BLOCK", 9)


# Samples


def test_the_sample_is_mauna_loa_with_its_gaps_filled(capsys):
    from statsmodels.datasets import co2

    series = load("sample", sample="co2")
    lines = capsys.readouterr().out.splitlines()
    table = co2.load_pandas().data
    assert (series.names, series.frequency, series.season) == (("co2",), "W-SAT", 52)
    np.testing.assert_array_equal(series.times, table.index.to_numpy("datetime64[ns]"))
    expected = table["co2"].interpolate("time").to_numpy()
    np.testing.assert_allclose(series.values[:, 0], expected, rtol=1e-6)
    assert table["co2"].isna().sum() == 59
    assert (
        lines[0]
        == "Data: filled missing values of co2: 59, at most 18 in a row, first at 1958-05-10"
    )
    assert lines[1].startswith("Data: the embedded sample (weekly CO2 on Mauna Loa")
    assert lines[1].endswith(
        "frequency W-SAT, season 52 (1,599 training, 228 validation, 457 test)"
    )
    assert len(lines) == 2


def test_the_default_sample_follows_the_equation_of_mackey_and_glass():
    series = load("sample")
    again = load("sample", sample="mackey_glass")
    np.testing.assert_array_equal(series.values, again.values)
    assert (series.values.shape, series.frequency, series.season) == ((2000, 3), "2D", 93)
    assert series.ends == (1400, 1600, 2000)
    assert load("sample", season=7).season == 7
    # The mean over the error of measurements: dP/dt is what is produced less what dies.
    values = series.values.astype("float64")
    then, now = values[:-11], values[10:-1]  # 20 days apart
    produced = 0.2 * then / (1 + then**10)
    rise = (values[11:] - values[9:-2]) / 4  # of a day
    slope = np.polyfit((produced - 0.1 * now).ravel(), rise.ravel(), 1)[0]
    assert slope == pytest.approx(1, abs=0.15)
    for one, other in ((0, 1), (0, 2), (1, 2)):  # chaos: the first days are forgotten
        assert abs(np.corrcoef(values[:, one], values[:, other])[0, 1]) < 0.3


def test_the_generated_sample_is_the_same_each_time_and_has_its_seasons():
    series = load("sample", sample="synthetic")
    again = load("sample", sample="synthetic")
    np.testing.assert_array_equal(series.values, again.values)
    assert (series.values.shape, series.frequency, series.season) == ((4000, 3), "h", 24)
    for values in series.values.T:
        power = np.abs(np.fft.rfft(values - values.mean(), 4032))  # whole days and weeks
        day, week = 4032 // 24, 4032 // 168
        assert power.argmax() == day
        assert power[week] > 3 * np.median(power[week // 2 : 2 * week])


def test_the_options_of_a_sample():
    series = load("sample", sample="co2", season=26, validation_part=0.2, test_part=0.3)
    assert series.season == 26
    assert series.ends == (1142, 1599, 2284)
    with pytest.raises(
        ValueError, match="sample must be one of mackey_glass, co2, synthetic; received 'no'"
    ):
        load("sample", sample="no")
    with pytest.raises(ValueError, match=r"columns has no effect with source 'sample'.*\('x',\)"):
        load("sample", columns=("x",))


def test_the_catalogue_has_no_series():
    with pytest.raises(
        ValueError, match="source must be 'sample', or the path of a CSV or Parquet file"
    ):
        load("tfds")


# Files


def test_what_a_series_holds(tmp_path, capsys):
    path = write(tmp_path / "a.csv", a=NUMBERS, b=-2 * NUMBERS)
    series = load(path)
    assert capsys.readouterr().out == (
        f"Data: {path}: 40 rows of 2 variables from 2020-01-01 to 2020-02-09, "
        f"frequency D, season 7 (28 training, 4 validation, 8 test)\n"
    )
    assert isinstance(series.values, np.memmap)
    assert (series.times.dtype, series.values.dtype) == ("datetime64[ns]", "float32")
    np.testing.assert_array_equal(series.times, DAYS.to_numpy())
    np.testing.assert_array_equal(series.values, np.float32([NUMBERS, -2 * NUMBERS]).T)
    for array in (series.times, series.values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
    parts = series.parts()
    assert list(parts) == ["training", "validation", "test"]
    assert [series.times[rows].size for rows in parts.values()] == [28, 4, 8]


@pytest.mark.usefixtures("small_pieces")
def test_the_formats_hold_the_same(tmp_path):
    values = NUMBERS.tolist()
    text = Path(write(tmp_path / "a.csv", x=values, note=["ab"] * 40)).read_text()
    (tmp_path / "b.tsv").write_text(text.replace(",", "\t"))
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "d.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    header, rows = text.split("\n", 1)
    (tmp_path / "k.csv").write_text(f"{header}\n{rows.replace(chr(10), ',' + chr(10))}")
    table = pd.DataFrame({"x": values, "note": "ab", "date": DAYS})
    table.to_parquet(tmp_path / "e.parquet")
    table.set_index("date").to_parquet(tmp_path / "f.parquet")
    table.astype({"date": "category", "x": str}).to_parquet(tmp_path / "g.parquet")
    table.assign(date=DAYS.date, x=table["x"].astype("Float32")).to_parquet(tmp_path / "h.parquet")
    table.set_index("date").rename_axis(None).to_parquet(tmp_path / "i.parquet")
    table.iloc[::2].to_csv(tmp_path / "j.csv")  # with the rows' own numbers, and another step
    for path in tmp_path.iterdir():
        series = load(str(path))
        step = 2 if path.name == "j.csv" else 1
        assert series.names == ("x",)
        np.testing.assert_array_equal(series.times, DAYS[::step].to_numpy())
        np.testing.assert_allclose(series.values[:, 0], values[::step], rtol=1e-6)


def test_columns_of_values_are_found(tmp_path, capsys):
    flags, places = [True, False] * 20, ["north"] * 40
    path = write(tmp_path / "a.csv", flag=flags, x=NUMBERS, place=places, count=range(40))
    assert load(path).names == ("x", "count")
    line = "columns without a name, or that do not hold mostly numbers: flag, place\n"
    assert line in capsys.readouterr().out
    series = load(path, columns=("count", "x"))
    assert series.names == ("count", "x")
    np.testing.assert_allclose(series.values[3], [3, NUMBERS[3]])
    assert "left out" not in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"row 1: 'flag' must be a finite number .* 'True'"):
        load(path, columns=("flag",))


@pytest.mark.parametrize(
    ("names", "options", "chosen"),
    [
        (("when", "Time", "seen"), {}, 1),  # by its name, upper or lower case
        (("month", "ds", "TIME"), {}, 2),  # in the order of the names
        (("month", "ds", "datetime"), {}, 2),
        (("month", "ds", "seen"), {}, 1),
        (("when", "last", "seen"), {}, 0),  # the first that reads as times
        (("when", "date", "seen"), {"time_column": "seen"}, 2),
    ],
)
def test_the_column_of_times_is_found(tmp_path, names, options, chosen):
    table = {"year": range(2000, 2040), "note": ["a"] * 40}
    table |= {name: DAYS + pd.DateOffset(years=place) for place, name in enumerate(names)}
    pd.DataFrame(table).to_csv(tmp_path / "a.csv", index=False)
    series = load(str(tmp_path / "a.csv"), **options)
    assert pd.Timestamp(series.times[0]).year == 2020 + chosen


def test_a_column_called_like_times_that_holds_something_else(tmp_path):
    path = write(tmp_path / "a.csv", month=range(40), x=NUMBERS)
    Path(path).write_text(Path(path).read_text().replace("date", "stamp", 1))
    series = load(path)
    assert series.names == ("month", "x")
    np.testing.assert_array_equal(series.times, DAYS.to_numpy())


@pytest.mark.parametrize(
    ("frequency", "season"),
    [
        *(
            ("15min", 96),
            ("10min", 144),
            ("h", 24),
            ("7h", 1),
            ("12h", 2),
            ("36h", 1),
            ("s", 86400),
        ),
        *(
            ("D", 7),
            ("2D", 1),
            ("8D", 1),
            ("7D", 52),
            ("B", 5),
            ("W-SAT", 52),
            ("2W-MON", 26),
            ("3W-TUE", 1),
            ("4W-MON", 13),
        ),
        *(("MS", 12), ("ME", 12), ("2MS", 6), ("QS-FEB", 4), ("QE-MAR", 4), ("6MS", 2)),
        *(("YS-MAR", 1), ("YE-DEC", 1)),
    ],
)
def test_frequencies(tmp_path, frequency, season):
    times = pd.date_range("1990-01-01", periods=45, freq=frequency)
    series = load(write(tmp_path / "a.csv", times[:40]))
    assert series.frequency == ("W-MON" if frequency == "7D" else frequency)
    assert series.season == season_of(series.frequency) == season
    np.testing.assert_array_equal(series.times, times[:40].to_numpy())
    np.testing.assert_array_equal(following(times[39], series.frequency, 5), times[40:])
    assert load(write(tmp_path / "a.csv", times[:40]), season=9).season == 9


@pytest.mark.parametrize(
    ("months", "day", "alias"),
    [(1, 15, "MS"), (1, 28, "MS"), (3, 15, "QS-JAN"), (12, 25, "YS-JAN"), (2, 2, "2MS")],
)
def test_a_day_of_each_month(tmp_path, months, day, alias):
    every = pd.DateOffset(months=months)
    times = pd.date_range(f"1990-01-{day} 06:00", periods=50, freq=every)
    series = load(write(tmp_path / "a.csv", times[:40].delete(7)))
    assert series.frequency == alias
    np.testing.assert_array_equal(series.times, times[:40].to_numpy())
    ahead = following(series.times[-1], series.frequency, 10)
    np.testing.assert_array_equal(ahead.to_numpy(), times[40:].to_numpy())


def test_the_29th_of_each_month_is_no_regular_time(tmp_path):
    times = pd.date_range("1990-01-29", periods=40, freq=pd.DateOffset(months=1))
    with pytest.raises(ValueError, match="times fit no regular frequency"):
        load(write(tmp_path / "a.csv", times))


def test_five_days_of_a_week_are_days(tmp_path):
    times = pd.date_range("2020-01-06", periods=5, freq="D")
    assert load(write(tmp_path / "a.csv", times)).frequency == "D"


@pytest.mark.parametrize(
    ("pattern", "option", "frequency"),
    [
        *(("%Y-%m", {}, "MS"), ("%Y%m%d", {}, "MS"), ("%Y", {"time_column": "date"}, None)),
        *(("%d/%m/%Y", {"time_format": "%d/%m/%Y"}, "MS"), ("%d %B %Y", {}, "MS")),
        *(("%b %Y", {"time_format": "%b %Y"}, "MS"), ("%d%m%Y", {"time_format": "%d%m%Y"}, "MS")),
    ],
)
def test_how_times_are_written(tmp_path, pattern, option, frequency):
    times = pd.date_range("1949-01-01", periods=40, freq="MS" if frequency else "YS-JAN")
    series = load(write(tmp_path / "a.csv", times.strftime(pattern)), **option)
    assert series.frequency == (frequency or "YS-JAN")
    np.testing.assert_array_equal(series.times, times.to_numpy())


@pytest.mark.parametrize("pattern", ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y %H:%M", "%Y/%m/%d"])
def test_day_and_month_in_either_order(tmp_path, pattern):
    series = load(write(tmp_path / "a.csv", DAYS.strftime(pattern)))
    np.testing.assert_array_equal(series.times, DAYS.to_numpy())


def test_offsets_become_utc(tmp_path, capsys):
    times = pd.date_range("2020-03-28", periods=60, freq="h", tz="Europe/Vienna")
    expected = times.tz_convert(None).to_numpy()
    table = pd.DataFrame({"t": times, "x": range(60)})
    table.to_parquet(tmp_path / "a.parquet")
    for path, offsets in (
        (write(tmp_path / "a.csv", times), "+01:00 at row 1, +02:00 at row 27"),
        (
            write(tmp_path / "b.csv", times.strftime("%Y-%m-%dT%H%z")),
            "+0100 at row 1, +0200 at row 27",
        ),
        (write(tmp_path / "c.csv", times.tz_convert("Asia/Tokyo")), "+09:00 at row 1"),
        (str(tmp_path / "a.parquet"), "Europe/Vienna at row 1"),
    ):
        np.testing.assert_array_equal(load(path).times, expected)
        assert f"Data: converted times to UTC from offsets: {offsets}\n" in capsys.readouterr().out
    table.assign(t=times.tz_convert("UTC")).to_parquet(tmp_path / "a.parquet")
    zulu = [time.isoformat().replace("+00:00", "Z") for time in times.tz_convert("UTC")]
    for path in (write(tmp_path / "a.csv", zulu), str(tmp_path / "a.parquet")):
        np.testing.assert_array_equal(load(path).times, expected)
        assert "from offsets" not in capsys.readouterr().out


# Repairs


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("seed", range(8))
def test_rows_are_sorted_averaged_and_gaps_filled_as_pandas_does(tmp_path, seed, capsys):
    chance = np.random.default_rng(seed)
    times = pd.date_range("2020-01-31", periods=60, freq="ME" if seed % 2 else "h")
    table = pd.DataFrame(chance.normal(size=(60, 3)), times, list("abc"))
    extra = table.sample(15, random_state=seed) * 3
    table = table.mask(chance.random(table.shape) < 0.15)
    table.iloc[[0, -1]] = 1.0
    kept = table.drop(table.sample(9, random_state=seed + 1).index.difference(times[[0, -1]]))
    rows = pd.concat([kept, extra]).sample(frac=1, random_state=seed)
    rows.rename_axis("date").to_csv(tmp_path / "a.csv")
    series = load(str(tmp_path / "a.csv"), max_gap=20)
    expected = rows.groupby(level=0).mean().reindex(times)
    missing = expected.isna()
    np.testing.assert_array_equal(series.times, times.to_numpy())
    np.testing.assert_allclose(series.values, expected.interpolate("time"), rtol=1e-5, atol=1e-6)
    late, repeated, filled, _ = capsys.readouterr().out.splitlines()
    before = rows.index[1:] < rows.index[:-1]
    assert (
        late == f"Data: sorted rows out of order: {before.sum()}, first row {before.argmax() + 2}"
    )
    shared = rows.index[rows.index.duplicated()]
    words = str(min(shared)).removesuffix(":00").removesuffix(" 00:00")
    assert repeated == (
        f"Data: averaged rows with the same time: {len(shared)} more rows than times, "
        f"first at {words}"
    )
    runs = [len(list(run)) for name in missing for run in runs_of(missing[name])]
    first = str(times[missing.any(axis=1)][0]).removesuffix(":00").removesuffix(" 00:00")
    assert filled == (
        f"Data: filled missing values of a, b, c: {missing.to_numpy().sum()}, at most {max(runs)} "
        f"in a row, first at {first}"
    )


def runs_of(missing):
    """Return the runs of neighbours that are missing."""
    return [run for _, run in missing[missing].groupby((~missing).cumsum()[missing])]


def test_a_gap_is_filled_up_to_a_season_or_max_gap(tmp_path):
    for gap in (7, 8):
        path = write(tmp_path / f"{gap}.csv", x=[*NUMBERS[:9], *[""] * gap, *NUMBERS[9 + gap :]])
        if gap == 7:
            values = load(path).values[8:17, 0]
            np.testing.assert_allclose(values, np.linspace(values[0], values[-1], 9), rtol=1e-5)
    message = (
        r"8\.csv: 'x' has no value from 2020-01-10 to 2020-01-17, 8 times in a row, and at most 7 "
        r"are filled; allow more with --max-gap, leave the column out with --columns, or out"
    )
    with pytest.raises(ValueError, match=message):
        load(path)
    assert not np.isnan(load(path, max_gap=8).values).any()
    with pytest.raises(ValueError, match="at most 0 are filled"):
        load(str(tmp_path / "7.csv"), max_gap=0)
    times = DAYS.delete(slice(9, 17))
    with pytest.raises(ValueError, match="'x' has no value from 2020-01-10 to 2020-01-17"):
        load(write(tmp_path / "rows.csv", times))


@pytest.mark.usefixtures("small_pieces")
def test_rows_before_the_last_begins_and_after_the_first_ends_are_left_out(tmp_path, capsys):
    a = [*[""] * 3, *NUMBERS[3:5], *[""] * 3, *NUMBERS[8:]]  # a gap across the new beginning
    b = [*[""] * 6, *NUMBERS[6:35], *[""] * 5]
    series = load(write(tmp_path / "a.csv", a=a, b=b), test_part=0.5)
    output = capsys.readouterr().out
    assert "Data: left out 6 rows before 2020-01-07: b begins there\n" in output
    assert "Data: left out 5 rows after 2020-02-04: b ends there\n" in output
    np.testing.assert_array_equal(series.times, DAYS[6:35].to_numpy())
    np.testing.assert_allclose(series.values[:, 1], NUMBERS[6:35], rtol=1e-6)
    between = NUMBERS[4] + (NUMBERS[8] - NUMBERS[4]) * np.array([0.5, 0.75])
    np.testing.assert_allclose(series.values[:2, 0], between, rtol=1e-5)
    assert series.ends == (12, 14, 29)


def test_a_long_gap_in_what_is_left_out_is_none(tmp_path):
    a = [*NUMBERS[:2], *[""] * 9, *NUMBERS[11:]]
    b = [*[""] * 11, *NUMBERS[11:]]
    assert len(load(write(tmp_path / "a.csv", a=a, b=b)).times) == 29


@pytest.mark.usefixtures("small_pieces")
def test_what_is_constant_in_the_training_part_that_is_left(tmp_path):
    for constant in (25, 26):  # the training part is 70 % of the 37 rows that are left
        a = [*[""] * 3, *[4] * constant, *NUMBERS[3 + constant :]]
        series = load(write(tmp_path / "a.csv", a=a, b=NUMBERS))
        assert series.ends == (26, 30, 37)
        if constant == 25:
            series.check_trainable(2, 1)
    with pytest.raises(ValueError, match="'a' is constant in the training part, its first 26 rows"):
        series.check_trainable(2, 1)


def test_columns_that_share_no_time(tmp_path):
    a, b = [*NUMBERS[:9], *[""] * 31], [*[""] * 9, *NUMBERS[9:]]
    path = write(tmp_path / "a.csv", a=a, b=b)
    with pytest.raises(ValueError, match="'b' begins after 'a' has ended; leave one out"):
        load(path)
    with pytest.raises(
        ValueError, match="'b' holds no values; leave the column out with --columns"
    ):
        load(write(tmp_path / "a.csv", a=NUMBERS, b=[""] * 40))


# Splits


@pytest.mark.parametrize(("frequency", "steps"), [("h", 1), ("15min", 4)])
def test_the_standard_split_of_ett(tmp_path, frequency, steps):
    path = ett(tmp_path / "a.parquet", 14_500 * steps, frequency)
    series = load(path)
    assert series.ends == (8640 * steps, 11520 * steps, 14400 * steps)
    assert series.counts().endswith(f"{2880 * steps:,} test, {100 * steps:,} unused)")
    assert series.origin == f"{path}, in the standard split of ETT"
    assert load(path, columns=("OT",)).ends == series.ends
    assert load(path, test_part=0.2).ends[-1] == 14_500 * steps


def test_what_looks_like_ett_but_is_not(tmp_path):
    assert load(ett(tmp_path / "a.parquet", 14_399, "h")).ends == (10079, 11519, 14399)
    assert load(ett(tmp_path / "a.parquet", 14_500, "D")).ends[-1] == 14_500
    path = ett(tmp_path / "a.parquet", 14_500, "h")
    pd.read_parquet(path).drop(columns="OT").to_parquet(path)
    assert load(path).ends[-1] == 14_500


def test_parts_too_short_for_window_and_horizon(tmp_path):
    series = load(write(tmp_path / "a.csv"))  # 28, 4 and 8 rows
    series.check_trainable(24, 4)
    with pytest.raises(
        ValueError, match=r"training part has 28 rows, but a window of 25 .* need 29"
    ):
        series.check_trainable(25, 4)
    with pytest.raises(
        ValueError, match=r"a\.csv: the validation part has 4 .* horizon of 5 need 5"
    ):
        series.check_trainable(3, 5)
    few = load(write(tmp_path / "a.csv", DAYS[:3]), validation_part=0.4, test_part=0.4)
    with pytest.raises(ValueError, match=r"training part has 1 rows, .* need 3"):
        few.check_trainable(2, 1)
    for rows, season in ((12, 1), (40, 28)):
        few = load(write(tmp_path / "a.csv", DAYS[:rows]), season=season)
        with pytest.raises(ValueError, match=f"evaluation needs 10 and more than the {season} of"):
            few.check_trainable(2, 1)
    series = load(write(tmp_path / "a.csv"), validation_part=0.2, test_part=0.1)
    with pytest.raises(
        ValueError, match=r"test part has 4 rows, .* give a smaller window or horizon"
    ):
        series.check_trainable(3, 5)


# Where values lie


def test_the_mapped_file(tmp_path):
    path = write(tmp_path / "a.csv")
    cache = tmp_path / "new" / "cache"
    first = load(path, cache=cache)
    assert [file.name for file in cache.iterdir()] == ["a.csv.npy"]
    assert Path(first.values.filename) == cache / "a.csv.npy"
    before = first.values.copy()
    write(tmp_path / "a.csv", x=2 * NUMBERS)
    second = load(path, cache=cache)
    np.testing.assert_array_equal(first.values, before)  # who still reads the old one keeps it
    np.testing.assert_allclose(second.values, 2 * before)
    write(tmp_path / "a.csv", x=with_entry(NUMBERS, 30, "oops"))
    with pytest.raises(ValueError, match="oops"):
        load(path, cache=cache)
    assert [file.name for file in cache.iterdir()] == ["a.csv.npy"]


def test_without_a_cache_nothing_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    series = load(write(tmp_path / "a.csv"))
    assert not list((tmp_path / "temporary").iterdir())
    np.testing.assert_allclose(series.values[:, 0], NUMBERS, rtol=1e-6)


def test_memory_is_that_of_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(gaps, "BLOCK", 500)
    shape, file = (20_000, 50), tmp_path / "a.npy"  # 4 MB
    times = np.arange(shape[0]).astype("datetime64[h]")
    chunks = (np.ones((500, 50), "float32") for _ in range(shape[0] // 500))
    tracemalloc.start()
    gaps.write_rows(chunks, np.arange(shape[0]), shape, file)
    gaps.fill(file, times, [str(column) for column in range(50)], 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert np.load(file).shape == shape


def test_chunks_hold_few_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "CELLS", 30)
    table = pd.DataFrame({"date": DAYS, "a": NUMBERS, "b": NUMBERS})
    for name, save in (("a.csv", table.to_csv), ("a.parquet", table.to_parquet)):
        save(tmp_path / name, index=False)
        found = list(tables.Table(tmp_path / name).values(("b", "a")))
        assert [len(chunk) for chunk in found] == [10] * 4
        np.testing.assert_array_equal(np.concatenate(found)[:, 0], NUMBERS)


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ("x", "y")}, r"a\.csv: there is no column 'y' among \['date', 'x'\]"),
        ({"time_column": "when"}, r"no column 'when' among \['date', 'x'\]"),
        ({"columns": ("x", "x")}, "columns must name each column once"),
        ({"columns": ("date",)}, "row 1: 'date' must be a finite number"),
        (
            {"time_column": "x", "columns": ("x",)},
            "row 1: 'x' must be a time from 1678 to 2261, written as ISO8601",
        ),
        ({"time_format": "%H"}, r"no column of times among \['date', 'x'\].* --time-format"),
        ({"time_format": "%H", "time_column": "date"}, "row 1: 'date' must be a time .* as %H"),
        ({"time_format": "%Q"}, "letters of strftime.* received '%Q': 'Q' is a bad"),
        ({"season": 0}, "season must be at least 1 and max_gap at least 0; received 0 and None"),
        ({"max_gap": -1}, "received None and -1"),
        ({"test_part": 0.9}, "above 0 and together below 1; received 0.1 and 0.9"),
        ({"test_part": 0.0}, "above 0 and together below 1; received 0.1 and 0.0"),
        ({"validation_part": -0.1}, "above 0 and together below 1; received -0.1 and 0.2"),
    ],
)
def test_options_that_cannot_be(tmp_path, options, message):
    path = write(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=message) as caught:
        load(path, **options)
    assert isinstance(caught.value, Refusal)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        (DAYS, with_entry(NUMBERS, 30, "oops"), "row 30: 'x' must be a finite number .* 'oops'"),
        (DAYS, with_entry(NUMBERS, 30, "-inf"), "row 30: 'x' must be a finite number .* '-inf'"),
        (DAYS, with_entry(NUMBERS, 30, "1e39"), r"row 30: .* below 3.4e38; received '1e\+39'"),
        (DAYS, with_entry(NUMBERS, 30, "True"), "row 30: 'x' must be a finite number"),
        (with_entry(DAYS, 30, "soon"), NUMBERS, "row 30: 'date' must be a time .* received 'soon'"),
        (with_entry(DAYS, 30, ""), NUMBERS, "row 30: 'date' must be a time"),
        (with_entry(DAYS, 30, "1600-01-01"), NUMBERS, "row 30: 'date' must be a time from 1678"),
        (with_entry(DAYS, 30, "2020-01-30 00:00Z"), NUMBERS, r"none at row 1, \+00:00 at row 30"),
        (with_entry(DAYS, 1, "2020-01-01 00:00Z"), NUMBERS, r"\+00:00 at row 1, none at row 2"),
        (with_entry(DAYS, 30, "2020-01-30 01:00"), NUMBERS, "D, but 1 of 40 .* 2020-01-30 01:00"),
        (DAYS[[0, 1, *range(30, 40)]], NUMBERS[:12], "12 of 40 .* 2020-01-02 and 2020-01-31"),
        (DAYS + np.arange(40) ** 2 * pd.Timedelta("1h"), NUMBERS, "times fit no regular frequency"),
        (
            (DAYS + np.arange(40) ** 2 * pd.Timedelta("1D")).strftime("%d/%m/%Y"),
            NUMBERS,
            "times fit no regular .* --time-format if day and month",
        ),
        (DAYS[:2], NUMBERS[:2], "at least 3 different ones; received 2"),
        (DAYS[[0, 0, 1]], NUMBERS[:3], "at least 3 different ones; received 2"),
        (DAYS[[0, 1, 2, 0, 1, 2]], NUMBERS[:6], "3 of 3 times occur more than once. If the"),
        ([*DAYS[:20], *DAYS[1:20]], NUMBERS[:39], "19 of 20 times occur more than once"),
        (
            DAYS,
            ["a"] * 40,
            r"no column of numbers next to the times in 'date' among \['date', 'x'\]",
        ),
        (["a"] * 40, NUMBERS, r"no column of times among \['date', 'x'\]; name it with --time-col"),
        ([], [], "the file holds no rows"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path, times, values, message):
    path = write(tmp_path / "a.csv", times, x=values)
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(path)
    assert isinstance(caught.value, Refusal)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "the file holds no rows"),
        (
            "a.csv",
            b"date,x\n2020-01-01,1,5\n2020-01-02,1,7\n",
            "row 1: the row has more fields than",
        ),
        ("a.csv", b"date,x\n2020,1\n2021,4\n2022,3\n2023,1,7\n", "line 5, saw 3"),
        ("a.csv.gz", b"date,x\n", "not a sound gzip file"),
        ("a.csv.gz", gzip.compress(b"date,x\n" * 99, mtime=0)[:-9], "not a sound gzip file"),
        ("a.parquet", b"date,x\n", "the file is not a table: "),
        ("a.parquet.gz", b"", r"a table must be a file that ends in \.csv, \.tsv, \.txt, plain or"),
        ("a.xlsx", b"", "the file is not a sound spreadsheet"),
        ("a.json", b"{}", r"plain or with \.gz, or in \.parquet, \.xlsx"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        load(str(tmp_path / name))
    assert name in str(caught.value)
    assert isinstance(caught.value, Refusal)


def test_other_sources_that_cannot_be_used(tmp_path):
    with pytest.raises(ValueError, match="a table must be a file that ends in"):
        load(str(tmp_path))
    for name in ("folder.csv", "folder.parquet"):
        (tmp_path / name).mkdir()
        with pytest.raises(OSError, match=name):  # of the operating system
            load(str(tmp_path / name))
    with pytest.raises(ValueError, match=r"'sample', 'tfds', or the path .*nowhere\.csv"):
        load(str(tmp_path / "nowhere.csv"))
    pd.DataFrame({"date": DAYS, "x": 1.0}).iloc[:0].to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="the file holds no rows"):
        load(str(tmp_path / "a.parquet"))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "frequency", "shape", "train_end"),
    [
        ("ett/ETTh1.csv", "h", (17420, 7), 8640),
        ("ett/ETTm1.csv", "15min", (69680, 7), 34560),
        ("timeseries/airline-passengers.csv", "MS", (144, 1), 101),
        ("timeseries/daily-min-temperatures.csv", "D", (3652, 1), 2556),
        ("timeseries/monthly-sunspots.csv", "MS", (2820, 1), 1974),
    ],
)
def test_real_files(name, frequency, shape, train_end):
    path = Path(os.environ["RNNLAYERS_DATA"]) / name
    series = load(str(path))
    assert (series.frequency, series.values.shape) == (frequency, shape)
    assert series.ends[0] == train_end
    table = pd.read_csv(path, index_col=0, parse_dates=True)
    places = np.searchsorted(series.times, table.index.to_numpy("datetime64[ns]"))
    np.testing.assert_array_equal(series.values[places], table.to_numpy("float32"))
