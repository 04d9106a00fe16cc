"""The settings of a run are held to what the command line is held to, in every application."""

import contextlib
import dataclasses
import importlib
import io
import json
import shutil
import types
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import tyro

import rnnlayers
from apps.common.applications import find_applications
from apps.common.json_files import SHOWN
from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.common.settings import RESTORE, write_settings
from tests.apps import commands

RUNS = Path(__file__).with_name("old_runs")
NUMBERS = (
    -5,
    0,
    1,
    2,
    3,
    40,
    2**31,
    2**40,
    10**30,
    -0.5,
    0.5,
    1.0,
    1.5,
    float("inf"),
    float("nan"),
)
TEXTS = ("", "x", "/../../x", "../../x", "5", "none", "gru")
OTHERS = (True, None, [], ["a"], [0.5], [[1]], {}, {"a": 1}, "a\0b", "\ud800", "[" * 9)


def settings_of(name):
    return importlib.import_module(f"apps.{name}.settings").Settings


def fields():
    """Return the fields of every application; those of one are enough for the quick suite."""
    return [
        pytest.param(name, field.name, marks=[pytest.mark.slow] if name != "textgen" else [])
        for name in find_applications()
        for field in dataclasses.fields(settings_of(name))
    ]


def from_command_line(kind, field, value):
    """Return the settings with a field as the command line gives them, or None if it refuses."""
    given = [str(each) for each in (value if isinstance(value, list) else [value])]
    options = {"config": (tyro.conf.OmitArgPrefixes,), "args": [f"--{field}", *given]}
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(errors):
            settings = tyro.cli(kind, **options)
        settings.check()
    except (Refusal, SystemExit):
        return None
    return settings


def from_file(path, kind, **values):
    """Return the settings of a file with some values, or None and why they are refused."""
    write_settings(path, kind())
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    try:
        return Run(path.parent).settings(kind), None
    except Refusal as error:
        return None, str(error)


def accepts(hint, value):
    """Return whether a value of JSON is written on the command line as it is in the file."""
    inner = [each for each in get_args(hint) if each is not type(None)]
    if get_origin(hint) is types.UnionType:
        return accepts(inner[0], value)
    if hint is float:
        return type(value) in (int, float)
    if hint is bool or get_origin(hint) in (tuple, Literal):
        return isinstance(value, str) and get_origin(hint) is Literal
    return type(value) is hint


@pytest.mark.parametrize(("name", "field"), fields())
def test_a_file_takes_what_the_command_line_takes(tmp_path, name, field):
    kind, taken = settings_of(name), 0
    hints = get_type_hints(kind, include_extras=True)
    hidden = "Suppress" in str(hints[field])  # from the command line
    hint = get_type_hints(kind)[field]
    for value in (*NUMBERS, *TEXTS, *OTHERS):
        found, refused = from_file(tmp_path / "settings.json", kind, **{field: value})
        if refused is not None:
            assert refused.startswith(str(tmp_path / "settings.json"))
            assert RESTORE in refused
            assert "\n" not in refused
            assert len(refused) < len(str(tmp_path)) + 300 + SHOWN
        if found is not None:
            taken += 1
            found.check()
        if not hidden and accepts(hint, value) and "\0" not in str(value):
            with contextlib.suppress(UnicodeEncodeError):
                str(value).encode()
                assert found == from_command_line(kind, field, value) or value != value
    assert taken < len(NUMBERS + TEXTS + OTHERS)


@pytest.mark.parametrize("name", find_applications())
def test_the_settings_of_a_run_are_taken(tmp_path, name):
    kind = settings_of(name)
    write_settings(tmp_path / "settings.json", kind())
    assert Run(tmp_path).settings(kind) == kind()
    if (RUNS / name).exists():
        Run(RUNS / name).settings(kind)


WRONG = {
    "sentiment": [("orders", 7), ("max_length", -5)],
    "forecasting": [("levels", [0.5]), ("window", 13), ("horizon", None), ("members", 2)],
    "translation": [("beams", 0), ("lowercase", "no")],
    "captioning": [("image_size", "/../../x"), ("image_size", 16), ("max_length", "40")],
    "textgen": [("order", 1e9), ("seed", [1])],
}


@pytest.mark.parametrize(("name", "field", "value"), [(n, *e) for n in WRONG for e in WRONG[n]])
@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_a_run_with_wrong_settings_is_one_line_and_writes_nothing(
    tmp_path, capsys, name, field, value, command
):
    run = tmp_path / "in" / "side" / "run"
    shutil.copytree(RUNS / name, run)
    file = run / "settings.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
    before = {path for path in tmp_path.rglob("*") if path.parent != run / "cache"}
    main = importlib.import_module(f"apps.{name}.app").main
    to = ("--to", str(tmp_path / "models")) if command == "export" else ()
    line = commands.refused(main, capsys, [command, "--run", str(run), *to])
    assert line.startswith(f"error: {file}: {field} must be ")
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("sentiment", "metrics.json", '{"metrics": {"accuracy": "high"}, "split": "test"}'),
        ("textgen", "metrics.json", "[" * 100_000),
        ("translation", "settings.json", "[" * 100_000),
        ("captioning", "pieces.txt", "a\nb"),
        ("textgen", "characters.txt", "x"),
        ("forecasting", "series.json", '{"frequency": 5}'),
        ("forecasting", "series.json", '{"colour": "red"}'),
    ],
)
def test_other_files_of_a_run_that_are_damaged(tmp_path, capsys, monkeypatch, name, file, content):
    """They are refused before the work of the export, which takes long."""
    monkeypatch.setattr(rnnlayers, "export_model", lambda *_, **__: pytest.fail("it has begun"))
    run = tmp_path / "run"
    shutil.copytree(RUNS / name, run)
    (run / file).write_text(content)
    main = importlib.import_module(f"apps.{name}.app").main
    arguments = ["export", "--run", str(run), "--to", str(tmp_path / "models")]
    assert str(run / file) in commands.refused(main, capsys, arguments)
    assert not list((tmp_path / "models").rglob("saved_model.pb"))
