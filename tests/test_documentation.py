"""Every example in a docstring, in the documents and in the README runs and says what it shows."""

import doctest
import importlib
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers

ROOT = Path(__file__).parent.parent
GLOBALS = {
    "np": np,
    "keras": keras,
    "ops": keras.ops,
    "tf": tf,
    "rnnlayers": rnnlayers,
}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "rnnlayers").rglob("*.py"))
]
FOLDERS = ("", "docs", "apps/*", "benchmarks", "saved_models")
DOCUMENTS = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.md".lstrip("/")))


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def examples():
    for name in MODULES:
        for test in doctest.DocTestFinder(exclude_empty=True).find(
            importlib.import_module(name), extraglobs=GLOBALS
        ):
            if test.examples:
                yield pytest.param(test, id=test.name)
    for path in DOCUMENTS:
        text = path.read_text("utf-8").replace("\n```", "\n")  # a fence is no output
        name = name_of(path)
        test = doctest.DocTestParser().get_doctest(text, dict(GLOBALS), name, str(path), 0)
        if test.examples:
            yield pytest.param(test, id=name)


@pytest.mark.parametrize("test", list(examples()))
def test_examples_run(eagerly, test, capsys, tmp_path, monkeypatch, in_process):
    if any("explain_engine" in example.source for example in test.examples):
        tf.config.run_functions_eagerly(False)  # nothing is compiled then
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, clear_globs=False)
    assert not runner.failures, capsys.readouterr().out


@pytest.mark.parametrize("name", rnnlayers.__all__)
def test_every_public_name_has_an_example(name):
    assert ">>> " in (getattr(rnnlayers, name).__doc__ or ""), f"{name} needs an example that runs"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_python_in_documents_is_an_example_that_runs(path):
    for block in re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
        assert ">>> " in block, f"{name_of(path)}: write as an example with its output:\n{block}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path):
    prose = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
        if "://" not in target and not target.startswith("mailto:"):
            assert (path.parent / target).exists(), f"{name_of(path)} links to {target}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_examples_are_fenced(path):
    prose = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    assert "\n>>> " not in prose, f"{name_of(path)}: Markdown takes >>> for a quotation"
