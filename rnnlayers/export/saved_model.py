"""Export of a SavedModel as the next version in a folder: complete and verified, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rnnlayers.export.graphs import trace
from rnnlayers.export.verify import verify

_SCRATCH = ".export-"  # TensorFlow Serving ignores folders whose name is not a number
_LEFTOVER_AGE = 24 * 3600  # seconds after which an unfinished export counts as dead


def export_model(
    model: Any,
    directory: str | os.PathLike[str],
    endpoints: Mapping[str, tuple[Any, Mapping[str, Any]]] | None = None,
    probes: Mapping[str, Any] | None = None,
    *,
    tolerance: float = 1e-5,
    finish: Callable[[Path], object] | None = None,
) -> Path:
    """Export a model as a SavedModel that runs wherever TensorFlow runs, on a CPU or a GPU.

    The result needs neither this library nor Keras nor Python. It consists of stock TensorFlow
    operators only, never those of cuDNN, even if a GPU is visible here. It appears as
    `<directory>/<version>/`, the layout of TensorFlow Serving, with the next free number. Before
    that, a fresh process (`python -I`, without this library and Keras) loads it, both as Python
    programs and as servers do, and compares its answers with the live model's. An export that fails
    or is killed leaves no version behind, and two simultaneous exports get two numbers.

    Layers of this library are exported without compiled parts. Your own functions with
    `jit_compile=True` are exported unchanged: they run if TensorFlow was built with XLA, as its
    usual packages are.

    Args:
        model: What the endpoints use: a built Keras model or layer, a `tf.Module`, a lookup table,
            or a list of these. Lookup tables (in `StringLookup`, `TextVectorization`, ...) must be
            reachable from here; variables are found in any case.
        directory: The base folder, made if it does not exist. Versions in it are never changed.
        endpoints: `{name: (function, signature)}`. The signature maps the name of each input to
            its `tf.TensorSpec` or `keras.InputSpec`, with `None` for dynamic dimensions. The
            function is called with the tensor if there is one input, else with all as keyword
            arguments, and returns a tensor (named `outputs`), a list (`outputs_0`, ...) or a flat
            dict of tensors. It is traced without AutoGraph: decorate it with `tf.function` if it
            has a Python `if` or loop over tensors. `serving_default` is a server's default
            endpoint. `None` stands for one `serving_default` with the inputs of a functional or
            sequential model (unnamed ones become `inputs`, or `inputs_0`, ...), for any batch size.
        probes: Inputs for the comparison, `{endpoint: {input: value}}`, or a list of such dicts
            for an endpoint. If all have the same batch size, a doubled batch is tried too. An
            endpoint without probes gets two, with different sizes for the dynamic dimensions:
            seeded normal numbers, zeros and ones for integers, three short strings.
        tolerance: The largest allowed `|exported - live| / max(1, |live|)` in a floating-point
            output. In half precision two units in the last place are always allowed; a model that
            computes in half precision but answers in float32 may need 0.01. Other outputs must be
            equal; NaN equals NaN.
        finish: A function of the verified folder, called before the version appears. It may add
            files, such as `assets.extra/tf_serving_warmup_requests`.

    Returns:
        The folder of the new version.

    Raises:
        ValueError: If an argument is wrong, a layer has no weights yet, or an endpoint contains an
            operator that cannot run elsewhere.
        RuntimeError: If the verification fails. The message names the endpoint, the output, the
            largest difference and the tolerance. Nothing is left behind.

    Example:
        >>> import tempfile, keras, rnnlayers
        >>> model = keras.Sequential([keras.Input((None, 3)), keras.layers.GRU(2)])
        >>> path = rnnlayers.export_model(model, tempfile.mkdtemp())
        >>> path.name, (path / "saved_model.pb").is_file()
        ('1', True)

    References:
        https://www.tensorflow.org/guide/saved_model
    """
    base = Path(directory)
    if base.exists() and not base.is_dir():
        raise ValueError(f"directory must be a folder. Received a file: {base}. Choose another.")
    traced = trace(model, endpoints, probes, tolerance)
    base.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(base)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=base) as scratch:
        staged = Path(scratch, "model")
        traced.write(staged)
        verify(staged, traced.calls, tolerance)
        if finish is not None:
            finish(staged)
        return publish(staged, base)


def publish(staged: Path, base: Path) -> Path:
    """Rename `staged` to the next free version in `base`, in one step, and return its path."""
    while True:
        versions = [int(entry.name) for entry in base.iterdir() if _is_version(entry.name)]
        target = base / str(max(versions, default=0) + 1)
        try:
            return staged.rename(target)
        except OSError:  # a folder that is not empty is never replaced
            if not target.exists():
                raise


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _remove_leftovers(base: Path) -> None:
    """Remove the leftovers of killed exports, but not the files of running ones."""
    for entry in base.glob(f"{_SCRATCH}*"):
        try:
            dead = time.time() - entry.stat().st_mtime > _LEFTOVER_AGE
        except FileNotFoundError:  # its owner has just finished
            continue
        if dead:
            shutil.rmtree(entry, ignore_errors=True)
