"""Columns that are read next to those to forecast: known in the future, past, and static."""

import numpy as np
import pytest

from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.forecasting.data import load
from apps.forecasting.settings import Settings
from apps.forecasting.sources import keep, kept_by, load_series
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
