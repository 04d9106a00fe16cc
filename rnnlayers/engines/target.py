"""What the graph that is being traced is for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum

import tensorflow as tf


class Target(Enum):
    """Where a graph will run."""

    HERE = "here"
    TENSORFLOW = "any TensorFlow"  # without parts that are compiled where they are loaded
    ELSEWHERE = "another runtime"  # which reads plain loops only


_target: ContextVar[Target] = ContextVar("target", default=Target.HERE)


def traced_for() -> Target:
    """Return what the graph that is being traced is for."""
    target = _target.get()
    if target is Target.HERE and not tf.executing_eagerly():
        return _asked_by_keras()
    return target


def _asked_by_keras() -> Target:
    """Return what Keras traces for, if `model.export` or its `ExportArchive` is at work.

    Keras gives a layer no other sign of it than the modules of the functions that wait for it.
    """
    waiting, frame = set(), sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        package, *path = frame.f_globals.get("__name__", "").split(".")
        if package == "keras" and "export" in path:
            waiting.add(path[-1])
    if waiting & {"onnx", "litert", "openvino"}:
        return Target.ELSEWHERE
    return Target.TENSORFLOW if waiting else Target.HERE


@contextmanager
def portable(target: Target = Target.TENSORFLOW) -> Iterator[None]:
    """Trace layers without compiled parts, for an export."""
    token = _target.set(target)
    try:
        yield
    finally:
        _target.reset(token)
