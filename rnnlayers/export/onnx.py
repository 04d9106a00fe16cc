"""Writes an ONNX file: whole and verified, or not at all."""

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
from rnnlayers.export.endpoints import Probe
from rnnlayers.export.files import check_file, replacing
from rnnlayers.export.graphs import trace
from rnnlayers.export.verify import check_answers

OPSET = 18  # of 2022: what runs ONNX today runs this, such as ONNX Runtime from 1.14 on
_NEEDED = "the extra `onnx` is not installed: pip install 'rnnlayers[onnx]'"


def export_onnx(
    model: Any,
    file: str | os.PathLike[str],
    endpoint: tuple[Any, Mapping[str, Any]] | None = None,
    probes: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    *,
    tolerance: float = 1e-5,
) -> Path:
    """Exports a model as an ONNX file, for ONNX Runtime and others: in browsers, on phones, in C.

    A recurrent layer becomes an operator `Loop`, and so does decoding, for any batch and any number
    of steps that the signature leaves open, except none of either. Since an output cannot have the
    name of an input, a state `h` that is both comes out as `next_h`. The file appears only after
    ONNX Runtime has answered as the live model does; one that was there is replaced then.

    Args:
        model: See `export_model`.
        file: The file, which ends in `.onnx`.
        endpoint: `(function, signature)`, as an entry of the `endpoints` of `export_model`; a file
            holds one. `None` stands for the inputs of a functional or sequential model.
        probes: Inputs on which to compare, `{input: value}`, or a list of these; made up if None.
        tolerance: See `export_model`.

    Returns:
        The path of the file.

    Raises:
        ImportError: If `tf2onnx` or `onnxruntime` is not installed, the extra `onnx`.
        ValueError: If an argument is wrong, or ONNX has no such operator: it knows next to none
            for strings, so cut texts into ids outside.
        RuntimeError: If the verification failed. Nothing is left behind.

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
        raise ImportError(_NEEDED) from error
    name = "serving_default"
    endpoints = None if endpoint is None else {name: endpoint}
    given = None if probes is None else {name: probes}
    traced = trace(model, endpoints, given, tolerance, Target.ELSEWHERE, distinct=True)
    content = _convert(traced.functions[name])
    with replacing(path) as staged:
        staged.write_bytes(content)
        session = onnxruntime.InferenceSession(staged, providers=["CPUExecutionProvider"])
        answers = (_answer(session, probe) for _, probe, _ in traced.calls)
        check_answers(traced.calls, answers, tolerance, "ONNX Runtime")
    return path


def _convert(function: Any) -> bytes:
    """A `ConcreteFunction` as ONNX."""
    import onnx
    import tf2onnx

    traced = SimpleNamespace(get_concrete_function=lambda *_: function)
    try:
        with _silent("tf2onnx", "tensorflow"):
            model, _ = tf2onnx.convert.from_function(
                traced, (), opset=OPSET, custom_op_handlers={"SelectV2": (_select, [])}
            )
    except Exception as error:
        raise ValueError(f"endpoint cannot be written as ONNX: {error}") from error
    unknown = sorted({node.op_type for node in _nodes(model.graph) if not _is_known(node)})
    if unknown:
        raise ValueError(
            f"endpoint cannot be written as ONNX, which has no {', '.join(unknown)}. Leave that "
            "part out and export the rest: text is cut into ids, and ids are spelled, outside."
        )
    # Tensors from outside the function, which are its last inputs, become constants here; tf2onnx
    # has done it with variables.
    outside = function.captured_inputs
    inside = function.inputs[len(function.inputs) - len(outside) :]
    values = {put.name: value for put, value in zip(inside, outside, strict=True)}
    for put in [put for put in model.graph.input if put.name in values]:
        model.graph.input.remove(put)
        if any(put.name in node.input for node in _nodes(model.graph)):
            constant = onnx.numpy_helper.from_array(np.asarray(values[put.name]), put.name)
            model.graph.initializer.append(constant)
    return model.SerializeToString()


def _select(context: Any, node: Any, *_: Any) -> None:
    """Chooses one of two numbers; left alone, tf2onnx multiplies both, and 0 * inf is NaN."""
    import tf2onnx

    kind = context.get_dtype(node.output[0])
    if tf2onnx.utils.map_onnx_to_numpy_type(kind) in (np.float32, np.float64):
        node.type = "Where"
    else:  # which ONNX Runtime has not for all others
        tf2onnx.onnx_opset.controlflow.Select.version_7(context, node)


@contextmanager
def _silent(*names: str) -> Iterator[None]:
    """Keeps loggers from telling, without their errors, what is told afterwards with ours."""
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
    """Every node of a graph, and of the graphs in its loops and branches."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g)


def _is_known(node: Any) -> bool:
    import onnx

    return onnx.defs.has(node.op_type, node.domain)


def _answer(session: Any, probe: Probe) -> dict[str, np.ndarray]:
    # An input that nothing reads is no input any more.
    inputs = {put.name: probe[put.name].numpy() for put in session.get_inputs()}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))
