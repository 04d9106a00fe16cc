"""The forms of the page, the documents and the applications' exports name the same tensors."""

import ast
import base64
import contextlib
import dataclasses
import importlib
import json
import re
import shlex
import typing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import tensorflow as tf

from apps.common.applications import find_applications
from apps.common.runs import Run
from apps.common.signatures import DEFAULT, Spec
from apps.serve.errors import ServingError
from apps.serve.json_tensors import parse, read_inputs, signature_name, write_outputs
from apps.serve.paths import canonical
from apps.serve.settings import Batching, Limits, Settings

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
def endpoints():
    """The inputs and the graph of each application's default endpoint, from an old run."""
    return {name: trace(name) for name in find_applications() if (OLD_RUNS / name).is_dir()}


@pytest.fixture(scope="module")
def signatures(endpoints):
    """The names of the inputs and outputs of these endpoints."""
    return {
        name: (set(inputs), set(traced.structured_outputs))
        for name, (inputs, traced) in endpoints.items()
    }


def trace(name):
    app = importlib.import_module(f"apps.{name}.app")
    load = next(
        function
        for function in vars(app).values()
        if getattr(function, "__name__", "").startswith("load_") and takes_a_run(function)
    )
    endpoint, inputs = load(Run.open(OLD_RUNS / name)).endpoints()[DEFAULT]
    return inputs, tf.function(endpoint, autograph=False).get_concrete_function(**inputs)


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


ROOT = SERVE.parents[1]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "apps").glob("*/README.md"),
    ROOT / "saved_models" / "README.md",
]
COMMAND = re.compile(r"^ *(curl (?:[^\\\n]|\\(?:.|\n))*)", re.MULTILINE)
CLIENT = re.compile(r"\.predict\(\"(\w+)\", ({.*?})\)")
PNG = base64.b64encode(tf.io.encode_png(tf.zeros((2, 2, 3), tf.uint8)).numpy()).decode()


def requests():
    """Yield each request in a document: its method, path and body."""
    for path in sorted(DOCUMENTS):
        text = path.read_text("utf-8")
        name = path.relative_to(ROOT).as_posix()
        for command in COMMAND.findall(text):
            words = shlex.split(command.replace("\\\n", " "), comments=True)
            (url,) = [word for word in words if word.startswith("http")]
            body = words[words.index("-d") + 1] if "-d" in words else None
            yield pytest.param(urlsplit(url).path, body, id=f"{name}: {command[:60]!r}")
        for model, inputs in CLIENT.findall(text):
            body = json.dumps({"inputs": ast.literal_eval(inputs)})
            yield pytest.param(f"/v1/models/{model}:predict", body, id=f"{name}: client")


@pytest.mark.parametrize(("path", "body"), list(requests()))
def test_a_request_in_a_document_is_answered(path, body, endpoints):
    assert canonical("POST" if body else "GET", path) == path
    model = re.match(r"(?:/v1)?/models/(\w+)", path)[1]
    assert model in (*endpoints, "MODEL")
    if body is None:
        return
    document = parse(re.sub(r"\$\(base64 .*?\)", PNG, body).encode())
    assert signature_name(document) in ("", DEFAULT)
    answers = []
    for name in endpoints if model == "MODEL" else [model]:
        inputs, traced = endpoints[name]
        specs = {key: Spec(spec.dtype, tuple(spec.shape)) for key, spec in inputs.items()}
        with contextlib.suppress(ServingError, tf.errors.InvalidArgumentError):
            tensors, by_row = read_inputs(document, specs, 10)
            outputs = traced(**{key: tf.constant(tensors[key]) for key in specs})
            outputs = {key: value.numpy() for key, value in outputs.items()}
            answers.append(json.loads(write_outputs(outputs, by_row)))
            break
    assert answers, f"no application answers {body}"


def test_documents_have_requests():
    found = [case.values[1] for case in requests()]
    assert sum(body is not None for body in found) >= 6


def test_the_options_in_the_table_of_limits_are_there():
    text = (ROOT / "docs" / "serving.md").read_text("utf-8")
    table = text[text.index("| option | default |") :].split("\n\n")[0]
    named = {name.replace("-", "_") for name in re.findall(r"`--([a-z-]+)`", table)}
    options = {
        field.name for kind in (Settings, Limits, Batching) for field in dataclasses.fields(kind)
    }
    assert named <= options
    assert {field.name for field in dataclasses.fields(Limits)} <= named
