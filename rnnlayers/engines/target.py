"""The target of the graph that is being traced: here, any TensorFlow, or another runtime."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum

import tensorflow as tf


class Target(Enum):
    """Where a graph will run."""

    HERE = "here"
    TENSORFLOW = "any TensorFlow"  # without parts that XLA compiles after loading
    ELSEWHERE = "another runtime"  # which supports plain loops only


_target: ContextVar[Target] = ContextVar("target", default=Target.HERE)


def traced_for() -> Target:
    """Return where the graph that is being traced will run."""
    target = _target.get()
    if target is Target.HERE and not tf.executing_eagerly():
        return _asked_by_keras()
    return target


def _asked_by_keras() -> Target:
    """Return the target of `model.export` or `ExportArchive` of Keras, if one of them is tracing.

    Keras does not tell a layer so. Only the modules of the calling functions show it.
    """
    callers, frame = set(), sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        package, *path = frame.f_globals.get("__name__", "").split(".")
        if package == "keras" and "export" in path:
            callers.add(path[-1])
    if callers & {"onnx", "litert", "openvino"}:
        return Target.ELSEWHERE
    return Target.TENSORFLOW if callers else Target.HERE


@contextmanager
def portable(target: Target = Target.TENSORFLOW) -> Iterator[None]:
    """Trace layers without compiled parts, for an export."""
    token = _target.set(target)
    try:
        yield
    finally:
        _target.reset(token)
