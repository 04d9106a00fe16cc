"""The table of scores: narrow enough, and honest about baselines."""

import pytest

from apps.common.reports import MAX_WIDTH, report
from apps.common.runs import Run


def test_a_table_names_the_baselines_that_are_better(tmp_path, capsys):
    baselines = {"ridge": {"mae": 0.5, "r2": 0.1}, "naive": {"mae": 0.7, "coverage": 0.9}}
    ours = {"mae": 0.6, "r2": 0.2, "coverage": 0.8}
    report(Run(tmp_path), "x", "sample", ours, baselines, ["mae"], ["coverage"])
    assert "better: mae by ridge, 0.5000 against 0.6000\n" in capsys.readouterr().out
    report(Run(tmp_path), "x", "sample", ours, {}, ["mae"])
    assert capsys.readouterr().out.endswith("No baseline is better.\n")


@pytest.mark.parametrize(("metrics", "baselines"), [(30, 3), (3, 30), (30, 30)])
def test_a_table_fits_a_terminal(tmp_path, capsys, metrics, baselines):
    scores = {f"metric_{number}": 0.25 for number in range(metrics)}
    report(Run(tmp_path), "x", "sample", scores, {f"b{n}": scores for n in range(baselines)})
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= MAX_WIDTH
    assert text.count("0.2500") == metrics * (baselines + 1)
