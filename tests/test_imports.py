"""Who may import whom, read from the imports themselves, without running them."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RULE = """
rnnlayers: cells <- engines <- layers <- export, testing (each may import what is on its left);
    optimizers and decoding know only Keras and TensorFlow; models may import layers and decoding;
    rnnlayers/__init__.py is the one door.
    Beside itself and the standard library: keras, tensorflow, numpy; export also what converts for
    other runtimes, and these.
apps: rnnlayers <- apps/common <- apps/*.py. Applications never import one another nor a private
    name, and of rnnlayers only what the door shows, or optimizers, decoding and testing at theirs.
Everywhere: the public API of Keras and TensorFlow, never keras.src nor tensorflow.python.
docs/architecture.md says why."""

# For each room of the library, the rooms that it may import, its own apart.
ROOMS = {
    "cells": set(),
    "engines": {"cells"},
    "layers": {"cells", "engines"},
    "models": {"cells", "engines", "layers", "decoding"},
    "export": {"cells", "engines", "layers"},
    "testing": {"cells", "engines", "layers"},
    "optimizers": set(),
    "decoding": set(),
}
WITH_A_DOOR = {"optimizers", "decoding", "testing"}
OUTSIDE = {"keras", "tensorflow", "numpy"}
FURTHER = {"export": {"onnx", "onnxruntime", "tf2onnx", "ai_edge_litert"}}  # extras of a room


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
        if first == "rnnlayers":
            return len(rest) > 2 or (*rest, "")[0] in ROOMS.keys() - WITH_A_DOOR
        return first == "apps" and (*rest, "common")[0] != "common"
    if first != "rnnlayers":
        further = FURTHER.get(path.parts[1], set())
        return first not in OUTSIDE | further | sys.stdlib_module_names
    in_a_room = len(path.parts) > 2
    return in_a_room and rest[0] not in ROOMS[path.parts[1]] | {path.parts[1]}


def is_private(name):
    """Return whether a name lies in a private part of Keras or TensorFlow."""
    return f"{name}.".startswith(("keras.src.", "tensorflow.python."))


@pytest.mark.parametrize(
    "path", [*modules("rnnlayers"), *modules("apps")], ids=lambda path: path.as_posix()
)
def test_every_import_obeys_the_rule(path):
    wrong = [name for name in imports(path) if breaks_rule(path, name)]
    assert not wrong, f"{path} must not import {', '.join(wrong)}.{RULE}"


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
        ("rnnlayers/cells/x.py", "from rnnlayers.engines import fused", False),
        ("rnnlayers/cells/x.py", "from ..engines import fused", False),
        ("rnnlayers/cells/x.py", "from . import base", True),
        ("rnnlayers/cells/x.py", "import rnnlayers.layers", False),
        ("rnnlayers/cells/x.py", "from rnnlayers import LSTM", False),
        ("rnnlayers/layers/x.py", "def f():\n    import rnnlayers.engines.fused", True),
        ("rnnlayers/layers/x.py", "from rnnlayers.export import verify", False),
        ("rnnlayers/optimizers/x.py", "import keras, json", True),
        ("rnnlayers/optimizers/x.py", "import rnnlayers.cells", False),
        ("rnnlayers/layers/x.py", "import pandas", False),
        ("rnnlayers/layers/x.py", "import onnx", False),
        ("rnnlayers/export/x.py", "import onnx", True),
        ("rnnlayers/layers/x.py", "from keras.src import backend", False),
        ("rnnlayers/layers/x.py", "from tensorflow.python.ops import array_ops", False),
        ("rnnlayers/layers/x.py", "import keras.src", False),
        ("apps/x.py", "from apps.common import runs", True),
        ("apps/x.py", "from apps.common.sources.reviews import load", True),
        ("apps/x.py", "from apps import translation", False),
        ("apps/x.py", "import apps.translation", False),
        ("apps/x.py", "from apps.common.runs import _secret", False),
        ("apps/x.py", "import rnnlayers", True),
        ("apps/x.py", "from rnnlayers import LSTM", True),
        ("apps/x.py", "from rnnlayers.testing import check_cell", True),
        ("apps/x.py", "from rnnlayers.testing.cells import check_cell", False),
        ("apps/x.py", "from rnnlayers.layers.recurrent import Recurrent", False),
        ("apps/x.py", "from rnnlayers import layers", False),
        ("apps/common/x.py", "from apps import sentiment", False),
        ("apps/common/x.py", "from apps.common import runs", True),
    ],
)
def test_the_rule_itself(path, source, allowed):
    wrong = [name for name in imports(Path(path), source) if breaks_rule(Path(path), name)]
    assert not wrong if allowed else wrong
