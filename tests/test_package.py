"""The public door: what it shows, and that it is light to open."""

import inspect
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import rnnlayers

ROOT = Path(__file__).parent.parent


def test_the_public_names_are_those_announced():
    public = {
        name
        for name, value in vars(rnnlayers).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public == set(rnnlayers.__all__)


def test_every_public_part_of_a_model_round_trips_through_its_configuration():
    for name in rnnlayers.__all__:
        public = getattr(rnnlayers, name)
        if inspect.isclass(public) and not issubclass(
            public, rnnlayers.StepEndpoints | Exception | tuple
        ):
            assert hasattr(public, "get_config"), name
            registered = keras.saving.get_registered_name(public)
            assert registered == f"rnnlayers>{public.__name__}"


def test_every_public_name_says_what_it_takes():
    for name in rnnlayers.__all__:
        doc = inspect.getdoc(getattr(rnnlayers, name))
        assert doc
        assert "Args:" in doc, f"{name} has no section `Args`"


def test_the_library_needs_none_of_the_applications_packages():
    extras = ("pandas", "matplotlib", "sklearn", "tensorflow_datasets", "tyro", "tqdm", "pytest")
    extras += ("onnx", "onnxruntime", "tf2onnx", "ai_edge_litert")
    blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in extras)
    code = f"import sys; {blocked}; import rnnlayers, rnnlayers.testing"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr


def test_another_backend_of_keras_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ImportError, match=r"'jax' here\. Set .* KERAS_BACKEND to 'tensorflow'"):
        rnnlayers.requirements.check_backend()
