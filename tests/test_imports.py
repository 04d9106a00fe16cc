"""Who may import whom, read from the imports themselves, without running them."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from apps.common.applications import find_applications

ROOT = Path(__file__).parent.parent
RULE = """
rnnlayers: types, checks <- cells <- engines <- layers <- convert, export, testing (each may import
    what is on its left); optimizers and decoding import only types, checks, Keras and TensorFlow,
    and distribute the optimizers too;
    models may import layers and decoding, diagnostics what convert may and convert itself.
    rnnlayers/__init__.py is the one door.
    Beside itself and the standard library: keras, tensorflow, numpy; export also what converts for
    other runtimes, and these.
apps: rnnlayers <- apps/common <- apps/<application>. An application imports itself, common and the
    doors of the library (rnnlayers, and those of WITH_A_DOOR below), never
    another application and never a private name. Common knows no application.
    Nothing imports an app.py but the __main__.py beside it, apps/demo.py, tests and benchmarks.
    A settings.py imports nothing of its package. Metrics, baselines and data know neither runs nor
    models.
Everywhere: the public API of Keras and TensorFlow, never keras.src nor tensorflow.python.
docs/architecture.md says why."""

# For each room of the library, the rooms that it may import beside itself and SHARED.
ROOMS = {
    "cells": set(),
    "engines": {"cells"},
    "layers": {"cells", "engines"},
    "models": {"cells", "engines", "layers", "decoding"},
    "convert": {"cells", "engines", "layers"},
    "export": {"cells", "engines", "layers"},
    "testing": {"cells", "engines", "layers"},
    "diagnostics": {"cells", "engines", "layers", "convert"},
    "optimizers": set(),
    "decoding": set(),
    "distribute": {"optimizers"},
}
SHARED = {"types", "checks"}
# In an application: what is computed from arrays and texts, and what holds or makes models.
PURE = {"metrics", "baselines", "data", "sample"}
MODELS = {"model", "networks", "exported", "app"}
WITH_A_DOOR = {"convert", "optimizers", "decoding", "distribute", "testing", "diagnostics"}
OUTSIDE = {"keras", "tensorflow", "numpy"}
FURTHER = {  # extras of a room
    "export": {"onnx", "onnxruntime", "tf2onnx", "ai_edge_litert"},
    "diagnostics": {"matplotlib"},
}


def modules(folder):
    """Return the Python files of a folder, relative to the root of the project."""
    return sorted(path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py"))


def imports(path, source=None):
    """Yield the full name of each thing that a file imports, `a.b.c` for `from a.b import c`."""
    tree = ast.parse((ROOT / path).read_text("utf-8") if source is None else source)
    package = list(path.with_suffix("").parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def breaks_rule(path, name):
    """Return whether a file of the library or of the applications may not import a name."""
    first, *rest = parts = name.split(".")
    if is_private(name) or any(part[0] == "_" and part[-1] != "_" for part in parts):
        return True
    if path.parts[0] == "apps":
        return breaks_rule_of_applications(path, first, *rest)
    if first != "rnnlayers":
        further = FURTHER.get(path.parts[1], set())
        return first not in OUTSIDE | further | sys.stdlib_module_names
    in_a_room = len(path.parts) > 2
    return in_a_room and rest[0] not in ROOMS[path.parts[1]] | SHARED | {path.parts[1]}


def breaks_rule_of_applications(path, first, *rest):
    """Return whether a file of the applications may not import `first.rest`."""
    if first == "rnnlayers":
        return len(rest) > 2 or (*rest, "")[0] in ROOMS.keys() - WITH_A_DOOR
    if first != "apps" or len(path.parts) < 3:  # apps/demo.py shows every application
        return False
    package, module = path.parts[1], path.stem
    room, *names = (*rest, "", "")
    if room == package != "common":
        if names[0] == "app" and module != "__main__":
            return True
        if module == "settings":
            return True
        return module in PURE and names[0] in MODELS
    return room != "common" or (module in PURE and names[0] in ("runs", "training"))


def is_private(name):
    """Return whether a name lies in a private part of Keras or TensorFlow."""
    return f"{name}.".startswith(("keras.src.", "tensorflow.python."))


@pytest.mark.parametrize(
    "path", [*modules("rnnlayers"), *modules("apps")], ids=lambda path: path.as_posix()
)
def test_every_import_obeys_the_rule(path):
    wrong = [name for name in imports(path) if breaks_rule(path, name)]
    assert not wrong, f"{path} must not import {', '.join(wrong)}.{RULE}"


@pytest.mark.parametrize("path", modules("apps/common"), ids=lambda path: path.as_posix())
def test_common_names_no_application(path):
    names = "|".join(find_applications())
    found = re.findall(rf"\b({names})\b", (ROOT / path).read_text("utf-8"))
    assert not found, f"{path} names {', '.join(found)}.{RULE}"


def test_nothing_happens_at_import():
    program = """
import os, sys
before, stderr = dict(os.environ), os.fstat(2)
import apps, apps.demo, apps.serve, apps.common.cli, apps.common.quiet
assert dict(os.environ) == before
assert os.fstat(2) == stderr
assert not {"tensorflow", "keras"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_nothing_private_is_imported_anywhere(folder):
    for path in modules(folder):
        wrong = [name for name in imports(path) if is_private(name)]
        assert not wrong, f"{path} must not import {', '.join(wrong)}.{RULE}"


def test_every_room_has_its_rule():
    rooms = {path.parts[1] for path in modules("rnnlayers") if len(path.parts) > 2}
    assert rooms <= ROOMS.keys(), f"say in {__name__} what {rooms - ROOMS.keys()} may import"


@pytest.mark.parametrize(
    ("path", "source", "allowed"),
    [
        ("rnnlayers/cells/x.py", "from rnnlayers.cells import base", True),
        ("rnnlayers/cells/x.py", "from rnnlayers.engines import compiled", False),
        ("rnnlayers/cells/x.py", "from ..engines import compiled", False),
        ("rnnlayers/cells/x.py", "from . import base", True),
        ("rnnlayers/cells/x.py", "import rnnlayers.layers", False),
        ("rnnlayers/cells/x.py", "from rnnlayers import LSTM", False),
        ("rnnlayers/layers/x.py", "def f():\n    import rnnlayers.engines.compiled", True),
        ("rnnlayers/layers/x.py", "from rnnlayers.export import verify", False),
        ("rnnlayers/optimizers/x.py", "import keras, json", True),
        ("rnnlayers/optimizers/x.py", "import rnnlayers.cells", False),
        ("rnnlayers/optimizers/x.py", "from rnnlayers.checks import check_number", True),
        ("rnnlayers/layers/x.py", "import pandas", False),
        ("rnnlayers/layers/x.py", "import onnx", False),
        ("rnnlayers/export/x.py", "import onnx", True),
        ("rnnlayers/layers/x.py", "from keras.src import backend", False),
        ("rnnlayers/layers/x.py", "from tensorflow.python.ops import array_ops", False),
        ("rnnlayers/layers/x.py", "import keras.src", False),
        ("apps/a/x.py", "from apps.common import runs", True),
        ("apps/a/x.py", "from apps.a.data import load", True),
        ("apps/a/x.py", "from apps import b", False),
        ("apps/a/x.py", "import apps.b", False),
        ("apps/a/x.py", "from apps.b.data import load", False),
        ("apps/a/x.py", "from apps.common.runs import _secret", False),
        ("apps/a/x.py", "import rnnlayers", True),
        ("apps/a/x.py", "from rnnlayers import LSTM", True),
        ("apps/a/x.py", "from rnnlayers.testing import check_cell", True),
        ("apps/a/x.py", "from rnnlayers.testing.cells import check_cell", False),
        ("apps/a/x.py", "from rnnlayers.layers.recurrent import Recurrent", False),
        ("apps/a/x.py", "from rnnlayers import layers", False),
        ("apps/a/x.py", "from apps.a.app import main", False),
        ("apps/a/__main__.py", "from apps.a.app import main", True),
        ("apps/demo.py", "import apps.a.app", True),
        ("apps/a/settings.py", "from apps.a.data import load", False),
        ("apps/a/settings.py", "from apps.common.cli import check", True),
        ("apps/a/metrics.py", "from apps.a.model import build_model", False),
        ("apps/a/baselines.py", "from apps.common.runs import Run", False),
        ("apps/a/data.py", "from apps.common import training", False),
        ("apps/a/plots.py", "from apps.common.runs import Run", True),
        ("apps/common/x.py", "from apps import a", False),
        ("apps/common/x.py", "from apps.a.data import load", False),
        ("apps/common/x.py", "from apps.common import runs", True),
    ],
)
def test_the_rule_itself(path, source, allowed):
    wrong = [name for name in imports(Path(path), source) if breaks_rule(Path(path), name)]
    assert not wrong if allowed else wrong
