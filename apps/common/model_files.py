"""Models as `.keras` files: an archive that is checked before Keras reads it."""

import time
import zipfile
from pathlib import Path
from typing import Any

import keras

from apps.common.refusal import Refusal
from apps.common.settings import RESTORE

# What Keras raises if the contents of an archive make no sense; h5py's errors have no number.
UNLOADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError, OSError)
YEARS = (1980, 2107)  # of the files in an archive


def check_clock() -> None:
    """Refuse to write a model while the clock says a year that no archive can hold.

    Raises:
        Refusal: If it does, as on a machine that has forgotten the time.
    """
    year, (first, last) = time.localtime().tm_year, YEARS
    if not first <= year <= last:
        raise Refusal(
            f"the clock of this machine must say a year from {first} to {last}, since the archive "
            f"of a model has no others; it says {year}: set it and repeat the command"
        )


def load_model(path: Path, **options: Any) -> keras.Model:
    """Load a `.keras` file after checking that it is not damaged.

    Raises:
        Refusal: If the file is damaged, or holds no model that can be loaded.
        OSError: If it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile as error:
        damaged = str(error)
    if damaged:
        raise Refusal(
            f"{path} is damaged ({damaged}); remove it and repeat the command that wrote it, which "
            f"goes on from what is left"
        )
    try:
        return keras.models.load_model(path, **options)
    except UNLOADABLE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = f"{type(error).__name__}: {str(error).strip():.200}"
        raise Refusal(f"{path} holds no model that can be loaded ({reason}): {RESTORE}") from error
