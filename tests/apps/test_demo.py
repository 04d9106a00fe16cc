"""The demonstration: which applications it finds, and the table that it ends in."""

import importlib
import io

import pytest

import apps
from apps import demo
from apps.common.applications import Demo, find_applications

TOY = '''
"""Toy: the sixth application."""

import json
from pathlib import Path

from apps.common.applications import Demo

DEMO = Demo(inputs=lambda folder: ("a", "b"))


def main(argv):
    print("toy", *argv)
    if argv[0] == "evaluate":
        found = {"metrics": {"error": 0.5, "seen": 1.0}}
        found |= {"lower_is_better": ["error"], "unordered": []}
        found["baselines"] = {"worse": {"error": 0.9}, "better": {"error": 0.75}}
        Path(argv[2]).mkdir(parents=True)
        Path(argv[2], "metrics.json").write_text(json.dumps(found))
'''


def test_a_new_application_is_one_folder(tmp_path, monkeypatch, capsys):
    (tmp_path / "apps" / "toy").mkdir(parents=True)
    (tmp_path / "apps" / "toy" / "app.py").write_text(TOY)
    (tmp_path / "apps" / "not_one").mkdir()
    assert find_applications(tmp_path / "apps") == ["toy"]

    monkeypatch.setattr(demo, "find_applications", lambda: find_applications(tmp_path / "apps"))
    monkeypatch.setattr(apps, "__path__", [*apps.__path__, str(tmp_path / "apps")])
    monkeypatch.chdir(tmp_path)
    demo.main([])
    out = capsys.readouterr().out
    assert "$ python -m apps.toy predict --run runs/demo/toy a b" in out
    assert "toy export --run runs/demo/toy --to saved_models" in out
    (row,) = [line.split() for line in out.splitlines() if line.startswith("toy  ")]
    assert row == ["toy", "error", "0.500", "0.750", "better"]


def test_every_application_says_how_to_show_it():
    for name in find_applications():
        shown = importlib.import_module(f"apps.{name}.app").DEMO
        assert isinstance(shown, Demo)


@pytest.mark.parametrize("argv", [["nothing"], ["sentiment", "nothing"]])
def test_what_is_no_application_is_refused(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        demo.main(argv)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: applications must be some of captioning, ")
    assert error.endswith("received nothing\n")


def test_lines_of_applications_that_run_together_have_their_names():
    printed = io.StringIO()
    one, other = (demo.NamedLines(printed, name) for name in ("one", "other"))
    one.write("be")
    other.write("10%\r100%\n\nleft")
    one.write("gun\n")
    assert printed.getvalue() == "other       | 100%\nother       |\none         | begun\n"


def test_the_table_reads_on_100_columns():
    scores = {"a_metric_of_some_length": 12345.678, "only_ours": 1.0, "coverage": 0.8}
    baselines = {"exponential_smoothing": {**scores, "a_metric_of_some_length": 9.0}, "none": {}}
    del baselines["exponential_smoothing"]["only_ours"]
    result = {"metrics": scores, "baselines": baselines, "lower_is_better": []}
    result["unordered"] = ["coverage"]
    lines = demo.table({"translation": result, "captioning": result})
    assert max(map(len, lines)) <= 100
    assert [line.split()[:2] for line in lines[1:]] == [
        ["translation", "a_metric_of_some_length"],
        ["captioning", "a_metric_of_some_length"],
    ]
    assert lines[1].split()[2:] == ["12345.678", "9.000", "exponential_smoothing"]
