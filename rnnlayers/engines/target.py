"""What the graph that is being traced is for."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum


class Target(Enum):
    """Where a graph will run."""

    HERE = "here"
    TENSORFLOW = "any TensorFlow"  # without parts that are compiled where they are loaded
    ELSEWHERE = "another runtime"  # which reads plain loops only


_target: ContextVar[Target] = ContextVar("target", default=Target.HERE)


def traced_for() -> Target:
    """Return what the graph that is being traced is for."""
    return _target.get()


@contextmanager
def portable(target: Target = Target.TENSORFLOW) -> Iterator[None]:
    """Trace layers without compiled parts, for an export."""
    token = _target.set(target)
    try:
        yield
    finally:
        _target.reset(token)
