"""Every tutorial runs as it stands, and what it claims is asserted in its cells tagged `check`."""

import re
import runpy
from pathlib import Path

import keras
import matplotlib as mpl
import pytest
import tensorflow as tf

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"
TUTORIALS = sorted(FOLDER.glob("[0-9]*.py"))


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_runs(path, tmp_path, monkeypatch):
    mpl.use("agg")
    monkeypatch.chdir(tmp_path)
    keras.backend.clear_session()
    runpy.run_path(str(path))
    assert not tf.config.functions_run_eagerly(), "a tutorial leaves TensorFlow as it found it"


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_checks_what_it_claims(path):
    checks = re.findall(r"# %%.*tags=\[\"check\"\].*\n((?:(?!# %%).*\n)+)", path.read_text("utf-8"))
    assert checks, "a cell with the tag `check` asserts what the text says"
    assert all("assert" in check for check in checks)
