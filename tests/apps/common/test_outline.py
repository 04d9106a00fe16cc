"""Help and mistakes are answered from the source of an application, without importing it."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from apps.common.applications import find_applications
from apps.common.outline import outline

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", [*(f"{name}.app" for name in find_applications()), "serve.server"])
def test_the_outline_has_the_commands_of_the_module(name, monkeypatch):
    module = import_module(f"apps.{name}")
    given = {}
    monkeypatch.setattr(
        module,
        "run_command",
        lambda *args: given.update(
            zip(("commands", "argv", "name", "text"), args[:4], strict=True)
        ),
    )
    module.main([])
    functions, description = outline(Path(module.__file__), ROOT)
    assert description == inspect.cleandoc(given["text"])
    assert list(functions) == list(given["commands"])
    for command, function in given["commands"].items():
        assert inspect.signature(functions[command]) == inspect.signature(function)
        assert functions[command].__doc__ == function.__doc__


def test_help_and_mistakes_need_no_tensorflow():
    program = """
import pathlib, sys
from apps.common.outline import answer_early
sys.argv[1:] = {arguments}
try:
    answer_early(pathlib.Path("apps/forecasting/app.py"), "apps.forecasting")
finally:
    print(sorted({{"tensorflow", "keras", "pandas"}} & sys.modules.keys()))
"""
    for arguments, status in ((["train", "--help"], 0), (["train", "--wings", "2"], 2)):
        source = program.format(arguments=arguments)
        ended = subprocess.run(
            [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (ended.returncode, ended.stdout.splitlines()[-1]) == (status, "[]")
