"""The binary of the native engine: where it is, and whether it is used."""

import ctypes
import functools
import os
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from rnnlayers.engines.native.build import BINARY


class Library(NamedTuple):
    """The loaded binary.

    Args:
        ops: Its operators.
        target: The instruction set for which the kernels in use are compiled.
    """

    ops: Any
    target: str


@functools.cache
def load(binary: Path = BINARY) -> Library | str:
    """Return the loaded binary, or the reason in words why there is none."""
    if not binary.exists():
        return "this installation has no binary of it; `docs/platforms.md` says how to build it"
    try:
        ops = tf.load_op_library(str(binary))
        target = ctypes.CDLL(str(binary)).rnnlayers_native_target
    except (tf.errors.OpError, OSError, AttributeError) as error:
        return f"its binary could not be loaded: {error}"
    target.restype = ctypes.c_char_p
    return Library(ops, target().decode())


def find() -> Library | str:
    """Return the binary, unless `RNNLAYERS_NATIVE=0` switches it off, or the reason why not."""
    if os.environ.get("RNNLAYERS_NATIVE") == "0":
        return "RNNLAYERS_NATIVE=0 switches it off"
    return load()
