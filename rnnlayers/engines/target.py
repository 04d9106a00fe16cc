"""The target of the graph that is being traced: here, any TensorFlow, or another runtime."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from types import FrameType

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
    callers = set()
    for frame in _calling_frames():
        package, *path = frame.f_globals.get("__name__", "").split(".")
        if package == "keras" and "export" in path:
            callers.add(path[-1])
    if callers & {"onnx", "litert", "openvino"}:
        return Target.ELSEWHERE
    return Target.TENSORFLOW if callers else Target.HERE


def is_saved() -> bool:
    """Return whether `tf.saved_model.save` is tracing."""
    return not tf.executing_eagerly() and any(
        "saved_model" in frame.f_globals.get("__name__", "").split(".")
        for frame in _calling_frames()
    )


def is_compiled_as_a_whole() -> bool:
    """Return whether a `tf.function` with `jit_compile=True` is being traced.

    This covers a Keras model that was compiled with `jit_compile=True`, too. Neither TensorFlow nor
    Keras tells a layer so; the functions that are being traced show it.
    """
    if tf.executing_eagerly():
        return False
    kind = type(tf.function(lambda: None))
    functions = (frame.f_locals.get("self") for frame in _calling_frames())
    return any(isinstance(f, kind) and getattr(f, "_jit_compile", False) for f in functions)


def _calling_frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


@contextmanager
def portable(target: Target = Target.TENSORFLOW) -> Iterator[None]:
    """Trace layers without compiled parts, for an export."""
    token = _target.set(target)
    try:
        yield
    finally:
        _target.reset(token)
