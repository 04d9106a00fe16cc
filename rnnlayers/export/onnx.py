"""Export of an ONNX file: complete and verified, or not at all."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from rnnlayers.engines.target import Target
from rnnlayers.export.graphs import trace
from rnnlayers.export.runtimes import (
    UnsupportedOperatorError,
    check_file,
    lacks,
    verify_running,
    write_file,
)

OPSET = 18  # of 2022, supported by current runtimes, such as ONNX Runtime from 1.14 on


def export_onnx(
    model: Any,
    file: str | os.PathLike[str],
    endpoint: tuple[Any, Mapping[str, Any]] | None = None,
    probes: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    *,
    tolerance: float = 1e-5,
) -> Path:
    """Export a model as an ONNX file, for ONNX Runtime and others: in browsers, on phones, in C.

    A recurrent layer becomes an operator `Loop`, and so does decoding. Batch and number of steps
    may be open in the signature, but not zero. Since an output cannot have the name of an input, a
    state `h` that is both is returned as `next_h`. The file appears, or replaces an older one, only
    after ONNX Runtime has given the answers of the live model.

    Args:
        model: See `export_model`.
        file: The file, which ends in `.onnx`.
        endpoint: `(function, signature)`, as in the `endpoints` of `export_model`; a file has one.
            `None` stands for the inputs of a functional or sequential model.
        probes: Inputs for the comparison, `{input: value}`, or a list of these; automatic if None.
        tolerance: See `export_model`.

    Returns:
        The path of the file.

    Raises:
        ImportError: If `tf2onnx` or `onnxruntime` is not installed, the extra `onnx`.
        ValueError: If an argument is wrong. As `UnsupportedOperatorError`, if ONNX lacks an
            operator: it has hardly any for strings, so cut texts into ids outside.
        RuntimeError: If the verification fails. Nothing is left behind.

    Example:
        >>> import tempfile, keras, rnnlayers
        >>> model = keras.Sequential([keras.Input((None, 3)), rnnlayers.LSTM(2)])
        >>> rnnlayers.export_onnx(model, tempfile.mkdtemp() + "/lstm.onnx").name
        'lstm.onnx'

    References:
        https://onnx.ai/onnx/operators/
    """
    path = check_file(file, ".onnx")
    try:
        import onnxruntime
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "tf2onnx or onnxruntime is not installed: pip install 'rnnlayers[onnx]'"
        ) from error
    name = "serving_default"
    endpoints = None if endpoint is None else {name: endpoint}
    given = None if probes is None else {name: probes}
    traced = trace(model, endpoints, given, tolerance, Target.ELSEWHERE)
    content = _convert(traced.functions[name])

    def answer(_: str, probe: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        # The converter removes inputs that nothing reads.
        inputs = {tensor.name: probe[tensor.name] for tensor in session.get_inputs()}
        names = [tensor.name for tensor in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))

    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UnsupportedOperatorError(f"ONNX Runtime cannot load the endpoint: {error}") from error
    verify_running(traced.calls, answer, tolerance, "ONNX Runtime")
    write_file(path, content)
    return path


def _convert(function: Any) -> bytes:
    """Convert a `ConcreteFunction` to ONNX."""
    import onnx
    import tf2onnx

    traced = SimpleNamespace(get_concrete_function=lambda *_: function)
    try:
        with _silent("tf2onnx", "tensorflow"):
            model, _ = tf2onnx.convert.from_function(
                traced, (), opset=OPSET, custom_op_handlers={"SelectV2": (_select, [])}
            )
    except Exception as error:
        raise UnsupportedOperatorError(f"The endpoint cannot become ONNX: {error}") from error
    unknown = sorted({node.op_type for node in _nodes(model.graph) if not _is_known(node)})
    if unknown:
        raise lacks("ONNX", unknown)
    # Captured tensors, which are the function's last inputs, become constants here. tf2onnx has
    # done so with variables.
    outside = function.captured_inputs
    inside = function.inputs[len(function.inputs) - len(outside) :]
    values = {tensor.name: value for tensor, value in zip(inside, outside, strict=True)}
    for given in [given for given in model.graph.input if given.name in values]:
        model.graph.input.remove(given)
        if any(given.name in node.input for node in _nodes(model.graph)):
            constant = onnx.numpy_helper.from_array(np.asarray(values[given.name]), given.name)
            model.graph.initializer.append(constant)
    # TensorFlow writes the names of inputs in small letters.
    signature = function.structured_input_signature[1]
    _rename(model.graph, {spec.name: name for name, spec in signature.items()})
    return model.SerializeToString()


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    """Rename inputs of a graph, and where it or the graphs in it read them."""
    for given in graph.input:
        given.name = names.get(given.name, given.name)
    for node in _nodes(graph):
        node.input[:] = [names.get(name, name) for name in node.input]


def _select(context: Any, node: Any, *_: Any) -> None:
    """Convert a choice of two numbers: tf2onnx multiplies both, and 0 * inf is NaN."""
    import tf2onnx
    from onnx import TensorProto

    kind = context.get_dtype(node.output[0])
    if kind not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16):
        # ONNX Runtime does not choose among all dtypes, and here products are exact.
        tf2onnx.onnx_opset.controlflow.Select.version_7(context, node)
        return
    node.type = "Where"
    if kind == TensorProto.FLOAT16:  # nor among these
        for name in node.input[1:]:
            context.insert_new_node_on_input(node, "Cast", name, to=TensorProto.FLOAT)
        context.insert_new_node_on_output("Cast", node.output[0], to=kind)


@contextmanager
def _silent(*names: str) -> Iterator[None]:
    """Silence loggers whose errors are raised again here."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _nodes(graph: Any) -> Iterator[Any]:
    """Yield every node of a graph and of the graphs in its loops and branches."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g)


def _is_known(node: Any) -> bool:
    import onnx

    return onnx.defs.has(node.op_type, node.domain)
