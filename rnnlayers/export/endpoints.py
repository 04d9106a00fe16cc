"""Endpoints, which are functions with named inputs and outputs, and example inputs for them."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Probe = dict[str, tf.Tensor]

_AUTOMATIC_NAME = re.compile(r"keras_tensor(_\d+)?")  # Keras numbers its inputs
_DYNAMIC_SIZES = ((1, 8), (3, 12))  # (first axis, every other axis) of the two automatic probes
_STRINGS = ("A short probe.", "", "Ein längerer Satz, naïve \N{SLIGHTLY SMILING FACE} <br/>")


@dataclass(frozen=True)
class Endpoint:
    """One entry of an export: a function, and the name, shape and dtype of each input.

    With `distinct`, an output with the name of an input is renamed, with the prefix `next_`.
    """

    name: str
    function: Callable[..., Any]
    signature: dict[str, tf.TensorSpec]
    distinct: bool = False

    def __call__(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Call the function and name its outputs."""
        single = len(inputs) == 1
        outputs = self.function(*inputs.values()) if single else self.function(**inputs)
        if isinstance(outputs, Mapping):
            named = dict(outputs)
        elif isinstance(outputs, Sequence):
            named = {f"outputs_{position}": value for position, value in enumerate(outputs)}
        else:
            named = {"outputs": outputs}
        for name, value in named.items():
            if not (isinstance(name, str) and isinstance(value, tf.Tensor)):
                raise ValueError(
                    f"endpoints[{self.name!r}] must return a dense tensor, or a flat dict or list "
                    f"of them. Received under {name!r} a {type(value).__name__}. Give every "
                    "tensor its own string as a key, without nesting."
                )
        if not named:
            raise ValueError(
                f"endpoints[{self.name!r}] must return at least one tensor. Received none."
            )
        return self._renamed(named) if self.distinct else named

    def _renamed(self, outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        names = {name: f"next_{name}" if name in self.signature else name for name in outputs}
        if len({*names.values()} | self.signature.keys()) < len(outputs) + len(self.signature):
            raise ValueError(
                f"endpoints[{self.name!r}]: an output with the name of an input gets the prefix "
                f"`next_`, and that name is taken. Rename an output. Inputs: "
                f"{list(self.signature)}, outputs: {list(outputs)}."
            )
        return {names[name]: value for name, value in outputs.items()}

    def trace(self) -> Any:
        """Trace the function, and return a `ConcreteFunction` with this signature."""

        def traced(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            return self(inputs)

        # Without AutoGraph, which would rewrite library code too. Keras traces its layers so.
        function = tf.function(traced, autograph=False)
        try:
            return function.get_concrete_function(**self.signature)
        except Exception as error:
            error.add_note(f"This happened while tracing endpoints[{self.name!r}] as a graph.")
            raise

    def batch_of_one(self) -> Endpoint:
        """Return the endpoint for a batch of one example."""
        signature = {
            name: tf.TensorSpec([1, *spec.shape[1:]], spec.dtype, name) if _batched(spec) else spec
            for name, spec in self.signature.items()
        }
        return replace(self, signature=signature)

    def split(self, probes: Sequence[Probe]) -> list[Probe]:
        """Cut probes into probes with a batch of one example."""
        rows = [name for name, spec in self.signature.items() if _batched(spec)]
        if not rows:
            return list(probes)
        cut = []
        for probe in probes:
            sizes = {name: int(probe[name].shape[0]) for name in rows}
            if len({*sizes.values()}) > 1 or 0 in sizes.values():
                raise ValueError(
                    f"probes[{self.name!r}]: the first dimensions of all inputs must be equal and "
                    f"not 0, so that examples can be tried one by one. Received: {sizes}."
                )
            for row in range(sizes[rows[0]]):
                cut.append({**probe, **{name: probe[name][row : row + 1] for name in rows}})
        return cut


def _batched(spec: tf.TensorSpec) -> bool:
    return spec.shape.as_list()[:1] == [None]


def make_endpoints(model: Any, endpoints: Mapping[str, Any] | None) -> list[Endpoint]:
    """Check the `endpoints` argument of `export_model`, and return the endpoints."""
    if endpoints is None:
        return [_default_endpoint(model)]
    if not isinstance(endpoints, Mapping) or not endpoints:
        raise ValueError(
            "endpoints must be a dict of name -> (function, signature), not empty, or None. "
            f"Received: {endpoints!r}."
        )
    return [_make_endpoint(name, entry) for name, entry in endpoints.items()]


def _make_endpoint(name: Any, entry: Any) -> Endpoint:
    if not isinstance(name, str) or not name or name.startswith("__"):
        raise ValueError(
            f"endpoints: a name must be a string that is not empty and does not start with '__', "
            f"which is reserved for TensorFlow. Received: {name!r}."
        )
    if not (
        isinstance(entry, tuple)
        and len(entry) == 2
        and callable(entry[0])
        and isinstance(entry[1], Mapping)
        and entry[1]
    ):
        raise ValueError(
            f"endpoints[{name!r}] must be (function, signature), where signature maps each "
            "input's name to its tf.TensorSpec, such as "
            f"{{'text': tf.TensorSpec([None], tf.string)}}. Received: {entry!r}."
        )
    function, signature = entry
    if len({str(key).lower() for key in signature}) < len(signature):
        raise ValueError(
            f"endpoints[{name!r}]: the names of inputs must differ in more than capitals, since "
            f"TensorFlow writes them in small letters. Received: {sorted(signature)}. Rename one."
        )
    return Endpoint(
        name, function, {key: _make_spec(name, key, spec) for key, spec in signature.items()}
    )


def _make_spec(endpoint: str, name: Any, spec: Any) -> tf.TensorSpec:
    where = f"endpoints[{endpoint!r}], input {name!r}"
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(
            f"{where}: the name of an input must be a Python identifier, since endpoints are "
            "called by keyword. Rename it."
        )
    shape, dtype = getattr(spec, "shape", None), getattr(spec, "dtype", None)
    if shape is None or dtype is None or tf.TensorShape(shape).rank is None:
        raise ValueError(
            f"{where}: expected a tf.TensorSpec or keras.InputSpec with a dtype and a shape of "
            f"known rank (None for each dynamic dimension). Received: {spec!r}."
        )
    return tf.TensorSpec(shape, dtype, name=name)


def _default_endpoint(model: Any) -> Endpoint:
    """Return `serving_default` for a functional or sequential model and any batch size."""
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise ValueError(
            "endpoints=None needs a functional or sequential Keras model that is built, so that "
            f"its inputs are known. Received: {model!r}. Build it first, or pass endpoints="
            "{'serving_default': (model, {'inputs': tf.TensorSpec(shape, dtype)})}, in "
            "export_onnx endpoint=(model, {...})."
        )
    # A sequential model inside another model has the tensors of that model as its `input`.
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    signature = {}
    inputs = keras.tree.flatten_with_path(structure)
    for position, (path, tensor) in enumerate(inputs):
        if path and isinstance(path[-1], str):
            name = path[-1]
        elif not _AUTOMATIC_NAME.fullmatch(tensor.name):
            name = tensor.name
        else:
            name = "inputs" if len(inputs) == 1 else f"inputs_{position}"
        signature[name] = tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)

    def serve(*one: tf.Tensor, **several: tf.Tensor) -> Any:
        tensors = one or [several[name] for name in signature]
        return model(keras.tree.pack_sequence_as(structure, tensors))

    return _make_endpoint("serving_default", (serve, signature))


def make_probes(
    endpoints: Sequence[Endpoint], probes: Mapping[str, Any] | None
) -> dict[str, list[Probe]]:
    """Return example inputs for every endpoint, given or automatic; see `export_model`."""
    probes = {} if probes is None else probes
    names = [endpoint.name for endpoint in endpoints]
    if not isinstance(probes, Mapping) or not set(probes) <= set(names):
        raise ValueError(
            "probes must be a dict from endpoint names to example inputs. The endpoints are "
            f"{names}. Received: {list(probes) if isinstance(probes, Mapping) else probes!r}."
        )
    return {
        endpoint.name: _given_probes(endpoint, probes[endpoint.name])
        if endpoint.name in probes
        else _automatic_probes(endpoint)
        for endpoint in endpoints
    }


def _given_probes(endpoint: Endpoint, given: Any) -> list[Probe]:
    given = [given] if isinstance(given, Mapping) else given
    if not isinstance(given, Sequence) or not given:
        raise ValueError(
            f"probes[{endpoint.name!r}] must be a dict from input names to values, or a list of "
            f"such dicts. Received: {given!r}."
        )
    probes = [_given_probe(endpoint, position, probe) for position, probe in enumerate(given)]
    dynamic = [name for name, spec in endpoint.signature.items() if _batched(spec)]
    sizes = {int(probe[name].shape[0]) for probe in probes for name in dynamic}
    if len(sizes) == 1:  # a single size would not reveal a fixed size in the graph
        doubled = {name: tf.concat([probes[0][name]] * 2, axis=0) for name in dynamic}
        probes.append({**probes[0], **doubled})
    return probes


def _given_probe(endpoint: Endpoint, position: int, probe: Any) -> Probe:
    where = f"probes[{endpoint.name!r}][{position}]"
    if not isinstance(probe, Mapping) or set(probe) != set(endpoint.signature):
        raise ValueError(
            f"{where} must be a dict with exactly the inputs {list(endpoint.signature)}. "
            f"Received: {list(probe) if isinstance(probe, Mapping) else probe!r}."
        )
    tensors = {}
    for name, spec in endpoint.signature.items():
        try:
            tensors[name] = tf.convert_to_tensor(probe[name], dtype=spec.dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{where}[{name!r}] must be convertible to a {spec.dtype.name} tensor: {error}"
            ) from error
        if not spec.shape.is_compatible_with(tensors[name].shape):
            raise ValueError(
                f"{where}[{name!r}] must have the shape {tuple(spec.shape)} of the signature. "
                f"Received: {tuple(tensors[name].shape)}."
            )
    return tensors


def _automatic_probes(endpoint: Endpoint) -> list[Probe]:
    random = np.random.default_rng(0)
    return [
        {
            name: _automatic_tensor(endpoint, spec, first, others, random)
            for name, spec in endpoint.signature.items()
        }
        for first, others in _DYNAMIC_SIZES
    ]


def _automatic_tensor(
    endpoint: Endpoint, spec: tf.TensorSpec, first: int, others: int, random: np.random.Generator
) -> tf.Tensor:
    shape = [
        (others if axis else first) if size is None else size
        for axis, size in enumerate(spec.shape)
    ]
    values: Any
    if spec.dtype == tf.string:
        values = np.resize(np.array(_STRINGS, object), shape)
    elif spec.dtype.is_floating or spec.dtype.is_complex:
        values = random.standard_normal(shape)
    elif spec.dtype.is_integer or spec.dtype.is_bool:
        values = random.integers(0, 2, shape)  # 0 and 1 are ids of any vocabulary
    else:
        raise ValueError(
            f"endpoints[{endpoint.name!r}], input {spec.name!r}: no example can be made for "
            f"dtype {spec.dtype.name}. Pass probes={{{endpoint.name!r}: ...}}."
        )
    return tf.cast(values, spec.dtype)
