"""Tries what of an application runs on other runtimes, and holds the documentation to it.

    RNNLAYERS_WRITE_TABLES=1 python -m pytest -n 0 -k other_runtimes tests/apps

writes the table anew.
"""

import json
import os
from pathlib import Path

import pytest

from apps.common.other_runtimes import SUFFIXES, write_files

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
HEAD = "| application | function | inputs | outputs | ONNX | LiteRT |\n|---|---|---|---|---|---|\n"


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
    rows = []
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
        rows.append(" | ".join([f"| {app} | `{name}`", *names, *answers]) + " |\n")
    page = PAGE.read_text("utf-8")
    before, table = page.split(HEAD)
    lines = table.splitlines(keepends=True)
    count = next((place for place, line in enumerate(lines) if line[0] != "|"), len(lines))
    held = [line for line in lines[:count] if line.startswith(f"| {app} |")]
    if "RNNLAYERS_WRITE_TABLES" in os.environ and held != rows:
        others = [line for line in lines[:count] if line not in held]
        table = "".join([*others, *rows, *lines[count:]])
        PAGE.write_text(before + HEAD + table, "utf-8")
    else:
        assert held == rows
    return written
