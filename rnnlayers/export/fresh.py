"""The fresh process of the verification, which has TensorFlow and NumPy only.

`verify.py` runs this file as a script in a process where neither this library nor Keras can be
imported. So this file must import nothing but TensorFlow and NumPy.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

Answer = Callable[[str, dict[str, np.ndarray]], dict[str, Any]]


def encode(tensors: dict[str, Any]) -> dict[str, str]:
    """Return named arrays of any dtype as text."""
    return {
        name: base64.b64encode(tf.make_tensor_proto(value).SerializeToString()).decode()
        for name, value in tensors.items()
    }


def decode(texts: dict[str, str]) -> dict[str, np.ndarray]:
    """Return the arrays of a text from `encode`."""
    return {
        name: tf.make_ndarray(TensorProto.FromString(base64.b64decode(text)))
        for name, text in texts.items()
    }


def load_as_python(model: str) -> Answer:
    """Load a model the way Python programs do."""
    loaded = tf.saved_model.load(model)

    def answer(endpoint: str, inputs: dict[str, np.ndarray]) -> dict[str, Any]:
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = loaded.signatures[endpoint](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}

    return answer


def load_as_server(model: str) -> Answer:
    """Load a model the way TensorFlow Serving and the C API do: a session with tensor names."""
    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph)
    with graph.as_default():
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], model)

    def answer(endpoint: str, inputs: dict[str, np.ndarray]) -> dict[str, Any]:
        signature = loaded.signature_def[endpoint]
        return session.run(
            {name: tensor.name for name, tensor in signature.outputs.items()},
            {signature.inputs[name].name: value for name, value in inputs.items()},
        )

    return answer


LOADERS = {"tf.saved_model.load": load_as_python, "a session, as in serving": load_as_server}


def main(model: str, questions: str, answers: str) -> None:
    """Answer the probes in the file `questions` with every loader; write the file `answers`."""
    calls = json.loads(Path(questions).read_text())
    given: dict[str, list[dict[str, str]]] = {}
    for loader, load in LOADERS.items():
        answer = load(model)
        given[loader] = []
        for endpoint, inputs in calls:
            try:
                given[loader].append(encode(answer(endpoint, decode(inputs))))
            except Exception as error:
                error.add_note(f"This happened in endpoint {endpoint!r}, loaded with {loader}.")
                raise
    Path(answers).write_text(json.dumps(given))


if __name__ == "__main__":
    main(*sys.argv[-3:])
