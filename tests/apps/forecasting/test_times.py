"""Times are read as people write them, or refused with what to do."""

import numpy as np
import pandas as pd
import pytest

from apps.common.refusal import Refusal
from apps.forecasting import centuries
from tests.apps.forecasting.written import (
    BERLIN,
    DAYS,
    HOURS,
    MONTHS,
    ROWS,
    VALUES,
    check,
    lines,
    read,
)

BERLIN_TEXT = BERLIN.strftime("%Y-%m-%d %H:%M") + " Europe/Berlin"
QUARTERS = pd.date_range("1970-01-01", periods=ROWS, freq="QS")
YEARS = pd.date_range("1950-04-01", periods=ROWS, freq="YS-APR")
WEEKS = pd.date_range("2019-12-30", periods=ROWS, freq="W-MON")
ISO_WEEKS = [f"{day.year}-W{day.week:02}" for day in (day.isocalendar() for day in WEEKS)]
UNIX = HOURS.astype("int64") // 10**9
EXCEL = (HOURS - pd.Timestamp("1899-12-30")) / pd.Timedelta("1D")


@pytest.fixture
def now(monkeypatch):
    """Let the tests run in November 2026."""
    monkeypatch.setattr(centuries, "today", lambda: pd.Timestamp("2026-11-28"))


@pytest.mark.parametrize(
    ("times", "written", "header"),
    [
        (MONTHS, MONTHS.strftime("%d/%m/%Y"), "date,y"),
        (MONTHS, MONTHS.strftime("%d.%m.%y"), "date,y"),
        (MONTHS, MONTHS.strftime("%m-%d-%Y"), "date,y"),
        (MONTHS + pd.offsets.MonthEnd(0), MONTHS.shift(1, "ME").strftime("%d/%m/%Y"), "date,y"),
        (MONTHS, MONTHS.strftime("%y-%m-%d"), "date,y"),
        (DAYS, DAYS.strftime("%d.%m.%y"), "date,y"),
        (DAYS, DAYS.strftime("%y.%m.%d"), "date,y"),
        (DAYS, [f"{day:%y}/{day.month}/{day.day}" for day in DAYS], "date,y"),
        (HOURS, HOURS.strftime("%y/%m/%d %H:%M"), "date,y"),
        (DAYS[:12], DAYS[:12].strftime("%Y.%m.%d"), "date,y"),
        (DAYS, [f"{day.month}/{day.day}/{day:%y}" for day in DAYS], "date,y"),
        (QUARTERS, QUARTERS.strftime("%d/%m/%Y"), "date,y"),
        (YEARS, YEARS.strftime("%d/%m/%Y"), "date,y"),
        (YEARS, YEARS.strftime("%m/%d/%Y"), "date,y"),
        (HOURS, HOURS.strftime("%m/%d/%Y %I:%M:%S %p"), "time,y"),
        (HOURS, HOURS.strftime("%d/%m/%Y %I:%M %p").str.replace("AM", "a.m."), "time,y"),
        (HOURS, HOURS.strftime("%b %d, %Y %I %p"), "time,y"),
        (HOURS, [f"{hour:%d.%m.%Y %H:%M}".removesuffix(" 00:00") for hour in HOURS], "time,y"),
        (
            HOURS,
            [f"{hour - pd.Timedelta('1h'):%d.%m.%Y} {(hour.hour or 24):02}:00" for hour in HOURS],
            "time,y",
        ),
        (HOURS, HOURS.strftime("%d%b%Y:%H:%M:%S").str.upper(), "time,y"),
        (HOURS, HOURS.strftime("%Y%m%d%H"), "time,y"),
        (HOURS, [f"{hour} - {hour + pd.Timedelta('1h')}" for hour in HOURS], "time,y"),
        (HOURS, HOURS.strftime("%Y%m%d%H%M%S"), "time,y"),
        (HOURS, UNIX, "timestamp,y"),
        (HOURS, UNIX * 1000, "timestamp,y"),
        (HOURS, [f"{second}.0" for second in UNIX], "Unix Time,y"),
        (HOURS, UNIX * 10**6, "ts,y"),
        (HOURS, UNIX, "t,y"),
        (HOURS, EXCEL, "date,y"),
        (DAYS, (DAYS - pd.Timestamp("1899-12-30")).days, "date,y"),
        (DAYS, DAYS.strftime("%Y%m%d"), "day,y"),
        (MONTHS, MONTHS.strftime("%b-%y"), "month,y"),
        (MONTHS, MONTHS.strftime("%b %Y").str.replace("Sep", "Sept"), "month,y"),
        (MONTHS, MONTHS.strftime("%Y-%b"), "when,y"),
        (MONTHS, MONTHS.strftime("%B %Y"), "month,y"),
        (MONTHS, MONTHS.strftime("%Y%m"), "date,y"),
        (MONTHS, MONTHS.strftime("%m/%Y"), "date,y"),
        (MONTHS, MONTHS.strftime("%YM%m"), "period,y"),
        (MONTHS, MONTHS.year + np.round((MONTHS.month - 1) / 12, 4), "time,y"),
        (QUARTERS, [f"{day.year}Q{day.quarter}" for day in QUARTERS], "date,y"),
        (QUARTERS, [f"Q{day.quarter} {day.year}" for day in QUARTERS], "date,y"),
        (QUARTERS, [f"{day.year}-Q{day.quarter}" for day in QUARTERS], "quarter,y"),
        (WEEKS, ISO_WEEKS, "week,y"),
        (YEARS - pd.DateOffset(months=3), YEARS.year, "year,y"),
        (DAYS, DAYS.strftime("%A, %B %d, %Y"), "date,y"),
        (BERLIN.tz_convert(None), BERLIN.strftime("%Y-%m-%d %H:%M:%S %Z"), "time,y"),
        (BERLIN.tz_convert(None), BERLIN_TEXT, "time,y"),
        (BERLIN.tz_convert(None), BERLIN.strftime("%d.%m.%Y %H:%M %Z"), "time,y"),
    ],
)
def test_times(tmp_path, times, written, header):
    count = len(times)
    quoted = [f'"{entry}"' for entry in written]
    check(read(tmp_path, lines(quoted, VALUES[:count], header=header)), times, VALUES[:count])


@pytest.mark.parametrize(
    ("columns", "header"),
    [
        ((HOURS.strftime("%d/%m/%Y"), HOURS.strftime("%H:%M:%S")), "Date,Time,y"),
        ((HOURS.strftime("%m/%d/%Y"), HOURS.strftime("%I:%M %p")), "Date,Time,y"),
        ((HOURS.strftime("%d/%m/%Y"), HOURS.strftime("%H.%M.%S")), "Date,Time,y"),
        ((HOURS.date, HOURS.hour), "date,hour,y"),
        ((HOURS.date, [f"{hour:02}:00-{hour + 1:02}:00" for hour in HOURS.hour]), "Date,Time,y"),
        ((HOURS.date, HOURS.hour * 100), "date,hour,y"),
        (((HOURS - pd.Timedelta("1h")).date, (HOURS.hour - 1) % 24 + 1), "date,Hour,y"),
        ((HOURS.year, HOURS.month, HOURS.day, HOURS.hour), "year,month,day,hour,y"),
    ],
)
def test_times_in_several_columns(tmp_path, columns, header):
    series = read(tmp_path, lines(*columns, VALUES, header=header))
    assert series.names == ("y",)
    check(series, HOURS)


def test_parts_of_longer_times(tmp_path):
    content = lines(MONTHS.year, MONTHS.strftime("%b"), VALUES, header="Year,Month,y")
    check(read(tmp_path, content), MONTHS)
    years, quarters = QUARTERS.year.astype(float), QUARTERS.quarter.astype(float)
    check(read(tmp_path, lines(years, quarters, VALUES, header="year,quarter,y")), QUARTERS)


def test_the_reading_taken_is_said_where_there_are_several(tmp_path, capsys):
    read(tmp_path, lines(MONTHS.strftime("%d/%m/%Y"), VALUES))
    line = "Data: 'date': read 01/02/2005 as 2005-02-01 (%d/%m/%Y), as the times are then regular; "
    assert line + "say otherwise with --day-first True or False" in capsys.readouterr().out
    read(tmp_path, lines(DAYS.strftime("%d/%m/%Y"), VALUES))  # 13/01 leaves no doubt
    assert "--day-first" not in capsys.readouterr().out
    read(tmp_path, lines(UNIX, VALUES))
    words = "'date': read as seconds since 1970, in UTC; say otherwise with --time-format"
    assert words in capsys.readouterr().out


def test_a_year_of_two_digits_comes_first(tmp_path, capsys):
    days = pd.date_range("2021-01-01", periods=200, freq="D")  # by their days: 2001 to 2031
    values = np.resize(VALUES, 200)
    for form in ("%y/%m/%d", "%y-%m-%d", "%y.%m.%d", "%y%m%d"):
        check(read(tmp_path, lines(days.strftime(form), values)), days, values)
        assert f"as 2021-01-01 ({form}), as the times are then regular" in capsys.readouterr().out
    check(read(tmp_path, lines(days.strftime("%d/%m/%y"), values)), days, values)
    months = pd.date_range("2005-01-01", periods=200, freq="MS")  # or days from 2001 to 2021
    for form in ("%y/%m/%d", "%d/%m/%y"):
        check(read(tmp_path, lines(months.strftime(form), values)), months, values)
        line = f"as 2005-01-01 ({form}), as the times are then in order and none is missing; say o"
        assert line in capsys.readouterr().out
        two = lines(
            ["A", "B"] * 200, np.repeat(months.strftime(form), 2), range(400), header="s,t,y"
        )
        below = lines(["A"] * 200 + ["B"] * 200, [*months.strftime(form)] * 2, range(400))
        for content in (two, below.replace("date,y", "s,t,y")):
            assert read(tmp_path, content, series_column=("s",)).times[199] == months[-1]
    # Neither reading is beyond doubt: one has gaps, by the other the rows are out of order.
    order = np.argsort(months.strftime("%d/%m/%y"))
    mixed = lines(months.strftime("%d/%m/%y")[order], values[order])
    with pytest.raises(Refusal, match=r"in 2 ways, and its .* say which with .*--time-format"):
        read(tmp_path, mixed)
    check(read(tmp_path, mixed, time_format="%d/%m/%y"), months, values)
    check(read(tmp_path, mixed, day_first=True), months, values)
    none = lines(["21/01/01", "21/01/03", "21/01/04", "21/05/20", "21/07/12"] * 6, VALUES)
    with pytest.raises(Refusal, match="in 2 ways, and its times are regular in none"):
        read(tmp_path, none)
    year = pd.date_range("2021-01-01", periods=12, freq="MS")
    written = lines(year.strftime("%y/%m/%d"), VALUES[:12])
    check(read(tmp_path, written, frequency="MS", like="ISO8601"), year, VALUES[:12])


@pytest.mark.parametrize(
    ("first", "count", "frequency"),
    [
        ("1949-01-01", 144, "MS"),
        ("1958-01-01", 200, "MS"),  # strptime reads 68 and 69 a century apart
        ("1960-01-01", 600, "MS"),  # and this file ends in this century
        ("1915-01-01", 200, "MS"),
        ("1960-02-01", 200, "D"),
    ],
)
def test_years_of_two_digits_lie_in_the_past(tmp_path, first, count, frequency, capsys, now):
    times, values = pd.date_range(first, periods=count, freq=frequency), np.resize(VALUES, count)
    for form in ("%b-%y", "%y-%b", "%d/%m/%y", "%y/%m/%d"):
        if frequency == "D" and "b" in form:
            continue
        content = lines(times.strftime(form), values)
        if first == "1915-01-01":  # or from 2015 to 2031
            with pytest.raises(Refusal, match="1915-01-01 to 1931-08-01 or 2015-01-01 to 2031-08-"):
                read(tmp_path, content, time_format=form)
            continue
        check(read(tmp_path, content), times, values)
        check(read(tmp_path, content, time_format=form), times, values)
        example = f"{times[0]:{form}} as {times[0]:%Y-%m-%d}, as the times would else lie in the fu"
        assert example in capsys.readouterr().out
        content = lines(times.strftime(form.replace("y", "Y")), values)
        check(read(tmp_path, content), times, values)
        assert "future" not in capsys.readouterr().out


def test_years_of_two_digits_that_are_in_no_doubt(tmp_path, capsys, now):
    for last in ("2026-11-01", "2027-10-01"):  # covariates may be known for a year
        times = pd.date_range(end=last, periods=ROWS, freq="MS")
        check(read(tmp_path, lines(times.strftime("%b-%y"), VALUES)), times)
        assert "future" not in capsys.readouterr().out
    leap = pd.date_range("2000-02-29", "2030-02-28", freq="YE-FEB")  # 1900 has no 29 February
    values = np.resize(VALUES, len(leap))
    with pytest.raises(Refusal, match="the times may be "):
        read(tmp_path, lines(leap.strftime("%d.%m.%y"), values), time_format="%d.%m.%y")


def test_options_decide_how_times_are_read(tmp_path):
    content = lines(YEARS.strftime("%d/%m/%Y"), VALUES)
    january = YEARS - pd.DateOffset(months=3) + pd.DateOffset(days=3)
    check(read(tmp_path, content, day_first=False), january)
    check(read(tmp_path, content, time_format="%m/%d/%Y"), january)
    check(read(tmp_path, content, day_first=True), YEARS)
    with pytest.raises(Refusal, match="day_first has no effect with time_format"):
        read(tmp_path, content, day_first=True, time_format="%d/%m/%Y")
    few = lines(DAYS[:12].strftime("%m/%d/%Y"), VALUES[:12])
    check(read(tmp_path, few, day_first=False), DAYS[:12], VALUES[:12])
    months = pd.date_range("2021-01-01", periods=12, freq="MS")
    check(read(tmp_path, few, day_first=True), months, VALUES[:12])
    check(read(tmp_path, few, frequency="ME"), months, VALUES[:12])  # as a model's
    check(read(tmp_path, few, like="%m/%d/%Y"), DAYS[:12], VALUES[:12])
    check(
        read(tmp_path, lines(UNIX, VALUES, header="a,y"), time_format="unix", time_column="a"),
        HOURS,
    )


@pytest.mark.parametrize(
    ("times", "options", "message"),
    [
        (DAYS[:12].strftime("%m/%d/%Y"), {}, "can be read in 2 ways, and its times are regular in"),
        (YEARS.map(lambda day: f"03/04/{day.year}"), {}, "as 1950-04-03 .*--day-first True or Fal"),
        (
            BERLIN.tz_localize(None).strftime("%Y-%m-%d %H:%M") + " Mars/Base",
            {},
            "no time zone 'Mar",
        ),
        (
            pd.date_range("2021-03-27 20:00", periods=ROWS, freq="h").strftime("%Y-%m-%d %H:%M")
            + " Europe/Berlin",
            {},
            "row 7: .* received '2021-03-28 02:00 Europe/Berlin'",
        ),
        (
            DAYS,
            {"frequency": "h"},
            "trained on series with the frequency h, and the times here hav",
        ),
        (DAYS, {"time_format": "%Q"}, "letters of strftime, .* or one of unix, unix_ms, .*'%Q'"),
        (DAYS, {"time_format": "sometimes"}, "no column of times among"),
    ],
)
def test_times_that_are_refused(tmp_path, times, options, message):
    with pytest.raises(Refusal, match=message):
        read(tmp_path, lines(times, VALUES[: len(times)]), **options)
