"""Asks exported models by a C program, so without Python."""

import functools
import io
import re
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from apps.common.signatures import WARMUP
from apps.serve.servable import Servable, warmup_requests

SOURCE = Path(__file__).with_name("predict.c")
README = Path(__file__).parents[3] / "saved_models" / "README.md"


@functools.cache
def program(text=None):
    """Compile a program, that of this folder by default, once a process."""
    if (gcc := shutil.which("gcc")) is None:
        pytest.skip("no gcc is installed")
    package = Path(tf.__file__).parent
    libraries = [package / f"libtensorflow_{name}.so.2" for name in ("cc", "framework")]
    target = Path(tempfile.mkdtemp()) / "predict"
    source = target.with_suffix(".c")
    source.write_text(SOURCE.read_text() if text is None else text)
    command = [gcc, "-Wall", "-Werror", source, "-o", target, f"-I{package / 'include'}"]
    subprocess.run([*command, *libraries, f"-Wl,-rpath,{package}"], check=True)
    return target


def documented():
    """Return the program of saved_models/README.md, compiled, and the text of that document."""
    text = README.read_text()
    return program(re.search("```c\n(.*?)```", text, re.DOTALL)[1]), text


def write(name, array):
    array = np.asarray(array)
    dtype = tf.as_dtype(array.dtype).as_datatype_enum
    head = " ".join(map(str, (name, dtype, array.ndim, *array.shape))) + "\n"
    if array.dtype != object:
        return head.encode() + array.tobytes()
    return head.encode() + b"".join(struct.pack("Q", len(s)) + s for s in array.flat)


def read(stream):
    while head := stream.readline().split():
        name, dtype, _, *shape = (head[0].decode(), *map(int, head[1:]))
        count, kind = int(np.prod(shape)), tf.as_dtype(dtype).as_numpy_dtype
        if kind is not object:
            size = count * np.dtype(kind).itemsize
            yield name, np.frombuffer(stream.read(size), kind).reshape(shape)
            continue
        array = np.empty(count, object)
        for place in range(count):
            array[place] = stream.read(*struct.unpack("Q", stream.read(8)))
        yield name, array.reshape(shape)


def ask(path, definition, inputs):
    """Return what a signature of a SavedModel says, by the C API."""
    outputs = {name: info.name for name, info in definition.outputs.items()}
    request = b"".join(write(definition.inputs[name].name, array) for name, array in inputs.items())
    command = [program(), path, *outputs.values()]
    done = subprocess.run(command, input=request, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    found = dict(read(io.BytesIO(done.stdout)))
    return {name: found[tensor] for name, tensor in outputs.items()}


def check(path):
    """Compare the C API's answers to the warm-up requests of an export with Python's.

    Returns:
        The signatures that were asked.
    """
    program()
    servable, asked = Servable(path), []
    for name, inputs in warmup_requests(path / WARMUP):
        expected = servable.predict(name, inputs)
        found = ask(path, servable.definitions[name], inputs)
        assert found.keys() == expected.keys()
        for key, array in expected.items():
            if array.dtype.kind == "f":
                np.testing.assert_allclose(found[key], array, rtol=1e-4, atol=1e-5, err_msg=key)
            else:
                np.testing.assert_array_equal(found[key], array, err_msg=key)
        asked.append(name)
    return asked
