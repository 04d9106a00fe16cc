"""What the server and its client import, each in a fresh process."""

import os
import subprocess
import sys

import pytest


def output_of(program, **environment):
    environment = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_server_starts_without_keras():
    """Where TensorFlow may greet, too: the command does not import it quietly then."""
    program = """
import runpy, sys
sys.argv = ["apps.serve", "no_such_folder"]
try:
    runpy.run_module("apps.serve", run_name="__main__", alter_sys=True)
except SystemExit as stop:
    assert stop.code == 2
assert "tensorflow" in sys.modules and "apps.serve.server" in sys.modules
slow = {"keras", "matplotlib", "pandas", "sklearn"} & sys.modules.keys()
print("imported:", *slow)
"""
    assert output_of(program, TF_CPP_MIN_LOG_LEVEL="3").splitlines()[-1] == "imported:"


def test_packages_that_are_not_installed_are_named():
    program = """
import contextlib, io, runpy, sys
sys.modules["fastapi"] = sys.modules["uvicorn"] = None
with contextlib.redirect_stderr(io.StringIO()) as error:
    try:
        runpy.run_module("apps.serve", run_name="__main__")
    except SystemExit as stop:
        assert stop.code == 2
print(error.getvalue(), end="")
"""
    expected = (
        "error: the server needs fastapi, uvicorn; run `make setup` in a clone of the project, or "
        "`pip install --editable . --group serving` with pip 25.1 or later\n"
    )
    assert output_of(program) == expected


def test_the_client_leaves_keras_and_tensorflow_to_its_user():
    program = """
import sys
from apps.serve.client import Client
print({"keras", "tensorflow"} & sys.modules.keys())
"""
    assert output_of(program) == "set()\n"


def test_keras_is_hidden_only_meanwhile(monkeypatch):
    from apps.serve import without_keras

    keras = sys.modules.get("keras")
    with without_keras():
        assert sys.modules.get("keras") is keras  # who has it keeps it
    monkeypatch.delitem(sys.modules, "keras")
    with without_keras(), pytest.raises(ModuleNotFoundError):
        import keras as hidden  # noqa: F401
    assert "keras" not in sys.modules
