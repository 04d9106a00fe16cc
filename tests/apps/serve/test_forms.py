"""The forms of the page and the applications' exports name the same inputs and outputs."""

import importlib
import json
import re
import typing
from pathlib import Path

import pytest
import tensorflow as tf

from apps.common.applications import find_applications
from apps.common.runs import Run
from apps.common.signatures import DEFAULT

SERVE = Path(__file__).parents[3] / "apps" / "serve"
OLD_RUNS = Path(__file__).parents[1] / "old_runs"
PAGE = (SERVE / "page" / "forms.js").read_text("utf-8")
FORM = re.compile(r"{ inputs: (.*?), outputs: (.*?), optional: (.*?), form: (\w+) }")


def forms():
    """Return for each form of the page its inputs, outputs and optional tensors."""
    return {
        name: [set(json.loads(names.replace("'", '"'))) for names in lists]
        for *lists, name in FORM.findall(PAGE)
    }


def source_of(form):
    """Return the code of a form."""
    return re.search(rf"^function {form}\(.*?^}}$", PAGE, re.DOTALL | re.MULTILINE)[0]


@pytest.fixture(scope="module")
def signatures():
    """The inputs and outputs of each application's default endpoint, traced from an old run."""
    return {name: trace(name) for name in find_applications() if (OLD_RUNS / name).is_dir()}


def trace(name):
    app = importlib.import_module(f"apps.{name}.app")
    load = next(
        function
        for function in vars(app).values()
        if getattr(function, "__name__", "").startswith("load_") and takes_a_run(function)
    )
    endpoint, inputs = load(Run.finished(OLD_RUNS / name)).endpoints()[DEFAULT]
    traced = tf.function(endpoint, autograph=False).get_concrete_function(**inputs)
    return set(inputs), set(traced.structured_outputs)


def takes_a_run(function):
    hints = typing.get_type_hints(function)
    return [kind for name, kind in hints.items() if name != "return"] == [Run]


@pytest.mark.parametrize("form", forms())
def test_a_form_fits_an_application(form, signatures):
    needed, outputs, optional = forms()[form]
    fits = [
        name
        for name, (given, answered) in signatures.items()
        if needed <= given <= needed | optional and outputs <= answered
    ]
    assert fits, f"{form} fits none of {signatures}"


def test_no_application_has_two_forms(signatures):
    assert signatures
    for name, (given, answered) in signatures.items():
        fits = [
            form
            for form, (needed, outputs, optional) in forms().items()
            if needed <= given <= needed | optional and outputs <= answered
        ]
        assert len(fits) <= 1, f"{name}, {given} to {answered}, has the forms {fits}"


@pytest.mark.parametrize("form", forms())
def test_a_form_reads_the_outputs_that_it_lists_and_no_others(form):
    inputs, outputs, optional = forms()[form]
    source = source_of(form)
    read = set(re.findall(r"\bout\.(\w+)", source))
    for names in re.findall(r"const {(.*?)} = await predict", source):
        read |= set(re.findall(r"(\w+)(?::|,|\s*$)", re.sub(r"\[.*?\]", "", names)))
    assert outputs <= read <= outputs | optional
    assert all(re.search(rf"\b{name}\b", source) for name in inputs | (optional - read))


def test_every_form_is_in_the_list():
    defined = set(re.findall(r"^function (\w+Form)\(", PAGE, re.MULTILINE))
    assert defined == {*forms(), "jsonForm"}


SOURCES = [*SERVE.glob("*.py"), *SERVE.glob("page/*.*")]


@pytest.mark.parametrize("path", sorted(SOURCES), ids=lambda path: path.name)
def test_no_application_is_named(path):
    tensors = set().union(*(names for lists in forms().values() for names in lists))
    applications = "|".join(set(find_applications()) - tensors)
    assert re.findall(rf"\b({applications})\b", path.read_text("utf-8")) == []
