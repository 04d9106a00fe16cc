"""The applications, found by their folders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent


@dataclass(frozen=True)
class Demo:
    """How `apps.demo` shows an application; its `app.py` has one, called `DEMO`.

    Args:
        inputs: Returns inputs for `predict`. Its argument is a folder for those that are files.
    """

    inputs: Callable[[Path], Sequence[str]]


def find_applications(folder: Path = FOLDER) -> list[str]:
    """Return the names of the applications: the packages in the folder with an `app.py`."""
    return sorted(path.parent.name for path in folder.glob("*/app.py"))
