"""Refuse a release unless its tag, the version of the package and the changelog agree."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def find_version(root: Path) -> str:
    """Return `__version__`, without importing the package."""
    text = (root / "rnnlayers" / "__init__.py").read_text("utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if not found:
        raise SystemExit('error: rnnlayers/__init__.py must have a line __version__ = "..."')
    return found[1]


def check(tag: str, root: Path) -> None:
    """Exit with a sentence unless the tag can be released.

    Args:
        tag: The name of the tag.
        root: The folder of the repository.
    """
    version = find_version(root)
    if tag != f"v{version}":
        raise SystemExit(
            f"error: the tag must be v{version}, the version in rnnlayers/__init__.py; it is {tag}"
        )
    heading = re.search(r"^## (.+)$", (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    dated = heading and re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", heading[1])
    if not dated:
        raise SystemExit(
            f"error: CHANGELOG.md must begin with '## {version} (YYYY-MM-DD)', the day of the "
            f"release; it begins with '## {heading[1] if heading else ''}'"
        )


if __name__ == "__main__":
    check(sys.argv[1], ROOT)
