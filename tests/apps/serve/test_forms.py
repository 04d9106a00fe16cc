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

import numpy as np
import pytest
import tensorflow as tf

from apps.common.applications import find_applications
from apps.common.runs import Run
from apps.common.signatures import DEFAULT, Spec
from apps.recognition import app as recognition
from apps.recognition.datasets import make_spectra
from apps.recognition.exported import Classifier
from apps.recognition.networks import Statistics, build_model
from apps.serve.errors import ServingError
from apps.serve.json_tensors import parse, read_inputs, signature_name, write_outputs
from apps.serve.paths import canonical
from apps.serve.settings import Batching, Limits, Settings

SERVE = Path(__file__).parents[3] / "apps" / "serve"
OLD_RUNS = Path(__file__).parents[1] / "old_runs"
PAGE = "".join(path.read_text("utf-8") for path in sorted(SERVE.glob("page/*.js")))
FORM = re.compile(
    r"{\s+(?:signature: '(\w+)',\s+)?inputs: (.*?),\s+outputs: (.*?),\s+optional: (.*?),\s+"
    r"form: (\w+),?\s+}",
)


class Form(typing.NamedTuple):
    """What a form of the page asks for."""

    signature: str
    inputs: set[str]
    outputs: set[str]
    optional: set[str]

    def fits(self, signatures):
        """Return whether one of the signatures of a model has the tensors."""
        if self.signature not in signatures:
            return False
        given, answered = signatures[self.signature]
        return self.inputs <= given <= self.inputs | self.optional and self.outputs <= answered


def forms():
    """Return the forms of the page."""
    return {
        name: Form(
            signature or DEFAULT, *(set(json.loads(names.replace("'", '"'))) for names in lists)
        )
        for signature, *lists, name in FORM.findall(PAGE)
    }


def source_of(form):
    """Return the code of a form."""
    return re.search(rf"^function {form}\(.*?^}}$", PAGE, re.DOTALL | re.MULTILINE)[0]


@pytest.fixture(scope="module")
def models():
    """A model of each application, from an old run, and those of which an application has more."""
    return {
        **{name: load(name) for name in find_applications() if (OLD_RUNS / name).is_dir()},
        "recognition of series": untrained_classifier(None),
        "recognition of recordings": untrained_classifier(8000),
    }


@pytest.fixture(scope="module")
def endpoints(models):
    """The inputs and the graph of each model's default endpoint."""
    return {name: trace(model, DEFAULT) for name, model in models.items()}


@pytest.fixture(scope="module")
def signatures(models, endpoints):
    """The names of the inputs and outputs of the signatures that forms ask for."""
    found = {name: {DEFAULT: names_of(*traced)} for name, traced in endpoints.items()}
    for asked in {form.signature for form in forms().values()} - {DEFAULT}:
        for name, model in models.items():
            if asked in model.endpoints():
                found[name][asked] = names_of(*trace(model, asked))
    return found


def names_of(inputs, traced):
    return set(inputs), set(traced.structured_outputs)


def untrained_classifier(rate):
    settings = recognition.Settings(units=2, filters=0, bands=4)
    spectra = make_spectra(settings, rate)
    statistics = Statistics(np.zeros(4, "float32"), np.ones(4, "float32"))
    return Classifier(build_model(settings, 3, statistics, spectra, 1), ["a", "b", "c"])


def load(name):
    app = importlib.import_module(f"apps.{name}.app")
    load = next(
        function
        for function in vars(app).values()
        if getattr(function, "__name__", "").startswith("load_") and takes_a_run(function)
    )
    return load(Run.open(OLD_RUNS / name))


def trace(model, name):
    endpoint, inputs = model.endpoints()[name]
    return inputs, tf.function(endpoint, autograph=False).get_concrete_function(**inputs)


def takes_a_run(function):
    hints = typing.get_type_hints(function)
    return [kind for name, kind in hints.items() if name != "return"] == [Run]


@pytest.mark.parametrize("form", forms())
def test_a_form_fits_an_application(form, signatures):
    assert any(map(forms()[form].fits, signatures.values())), f"{form} fits none of {signatures}"


def test_every_model_of_an_application_has_one_form(signatures):
    for name, of_model in signatures.items():
        fits = [form for form, asked in forms().items() if asked.fits(of_model)]
        assert len(fits) == 1, f"{name}, {of_model}, has the forms {fits}"


@pytest.mark.parametrize("form", forms())
def test_a_form_reads_the_outputs_that_it_lists_and_no_others(form):
    _, inputs, outputs, optional = forms()[form]
    source = source_of(form)
    read = set(re.findall(r"\bout\.(\w+)", source))
    for names in re.findall(r"const {([^}]*?)} = await predict", source):
        read |= set(re.findall(r"(\w+)(?::|,|\s*$)", re.sub(r"\[.*?\]", "", names)))
    assert outputs <= read <= outputs | optional
    assert all(re.search(rf"\b{name}\b", source) for name in inputs | (optional - read))


def test_every_form_is_in_the_list():
    defined = set(re.findall(r"^function (\w+Form)\(", PAGE, re.MULTILINE))
    assert defined == {*forms(), "jsonForm"}


SOURCES = [*SERVE.glob("*.py"), *SERVE.glob("page/*.*")]


@pytest.mark.parametrize("path", sorted(SOURCES), ids=lambda path: path.name)
def test_no_application_is_named(path):
    tensors = set().union(*(names for form in forms().values() for names in form[1:]))
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
