"""Tries the files of an application for other runtimes, and compares its README with them.

    RNNLAYERS_WRITE_TABLES=1 python -m pytest -n 0 -k other_runtimes tests/apps

writes the tables into the READMEs.
"""

import json
import os
import re
from pathlib import Path

import pytest

from apps.common.other_runtimes import SUFFIXES, write_files

APPS = Path(__file__).parents[3] / "apps"
HEAD = "| function | inputs | outputs | ONNX | LiteRT |\n|---|---|---|---|---|\n"
TITLE = "## Other runtimes"


def check(app, model, numeric, folder, tolerance=1e-5):
    """Write all files that can be, and return for each function the runtimes that have it."""
    pytest.importorskip("tf2onnx", reason="the extra `onnx` is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    litert = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="the extra `litert` is not installed"
    )
    written = write_files(folder, model, tuple(SUFFIXES), numeric, tolerance)
    files = {folder / f"{name}{SUFFIXES[kind]}" for name in written for kind in written[name]}
    files |= {folder / name for name in numeric.vocabularies}
    assert set(folder.iterdir()) == files
    for name, strings in numeric.vocabularies.items():
        assert json.loads((folder / name).read_text("utf-8")) == list(strings)
    table = HEAD
    for name, kinds in written.items():
        assert "onnx" in kinds
        session = onnxruntime.InferenceSession(folder / f"{name}.onnx")
        names = [
            ", ".join(f"`{put.name}`" for put in puts)
            for puts in (session.get_inputs(), session.get_outputs())
        ]
        if "litert" in kinds:
            interpreter = litert.Interpreter(str(folder / f"{name}.tflite"))
            signature = interpreter.get_signature_list()[name]
            assert sorted(signature["outputs"]) == sorted(put.name for put in session.get_outputs())
        answers = ["yes" if kind in kinds else "no" for kind in SUFFIXES]
        table += " | ".join([f"| `{name}`", *names, *answers]) + " |\n"
    readme = APPS / app / "README.md"
    if "RNNLAYERS_WRITE_TABLES" in os.environ:
        readme.write_text(with_table(readme.read_text("utf-8"), table), "utf-8")
    assert table in readme.read_text("utf-8"), (
        f"{readme} lacks this table, which RNNLAYERS_WRITE_TABLES=1 would write:\n{table}"
    )
    return written


def with_table(readme, table):
    """Return the text of a README with the table in its section, which comes last if it is new."""
    if HEAD in readme:
        return re.sub(rf"{re.escape(HEAD)}(\|.*\n)*", lambda _: table, readme)
    return f"{readme.rstrip()}\n\n{TITLE}\n\n{table}"
