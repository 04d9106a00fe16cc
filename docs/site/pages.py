"""Which file of the repository becomes which page, and what is rewritten on the way."""

import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from latex2mathml.converter import convert

ROOT = Path(__file__).parents[2]

# Patterns of files and their places in the site; `{}` is the name of the file or of its folder.
PLACES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "CODE_OF_CONDUCT.md": "code_of_conduct.md",
    "docs/*.md": "{}.md",
    "apps/*/README.md": "apps/{}.md",
    "benchmarks/README.md": "results/index.md",
    "benchmarks/results/*.md": "results/{}.md",
    "saved_models/README.md": "saved_models.md",
}
TUTORIALS = "docs/tutorials/[0-9]*.py"
PICTURES = ("docs/figures/*.svg", "docs/images/*.png", "benchmarks/results/*.png")

_BLOCK = r"```.*?```|(?<=\n\n)(?: {4}[^\n]*\n+)+"
_BLOCKS = re.compile(f"({_BLOCK})", re.DOTALL)
_CODE = re.compile(f"({_BLOCK}|`[^`\n]+`)", re.DOTALL)
_LINK = re.compile(
    r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?!https?:|mailto:|#)(?P<path>[^)#\s]+)"
    r"(?P<anchor>#[^)\s]*)?\)"
)
_INLINE = r"(?<![\w$\\])\$(?P<inline>[^$\s](?:[^$\n]*[^$\s])?)\$(?!\w)"
_MATH = re.compile(rf"\$\$(?P<block>.+?)\$\$|{_INLINE}", re.DOTALL)


def place_files(tutorials: bool = True) -> dict[Path, PurePosixPath]:
    """Return the place in the site of each file that becomes a page or a picture of one.

    Args:
        tutorials: Whether the site has the tutorials, which `tutorials.py` writes.
    """
    places = {}
    if tutorials:
        for path in sorted(ROOT.glob(TUTORIALS)):
            places[path] = PurePosixPath("tutorials", f"{path.stem}.md")
    for pattern, place in PLACES.items():
        for path in sorted(ROOT.glob(pattern)):
            name = path.parent.name if path.name == "README.md" else path.stem
            places[path] = PurePosixPath(place.format(name))
    for pattern in PICTURES:
        for path in sorted(ROOT.glob(pattern)):
            places[path] = PurePosixPath("images", path.name)
    return places


def write_pages(places: dict[Path, PurePosixPath], to: Path, home: str | None) -> None:
    """Write pages and pictures.

    Args:
        places: Those of `place_files`.
        to: The folder of the site's pages.
        home: Address of the repository, for links to files that are no pages; None if not known.
    """
    for path, place in places.items():
        if path.suffix == ".py":
            continue
        target = to / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            text = move_links(path.read_text("utf-8"), path, place, places, home)
            target.write_text(set_mathematics(text), "utf-8")
        else:
            target.write_bytes(path.read_bytes())


def move_links(
    text: str,
    path: Path,
    place: PurePosixPath,
    places: dict[Path, PurePosixPath],
    home: str | None,
) -> str:
    """Return Markdown whose links lead to the same things from its place in the site.

    A link to a file that is no page leads into the repository, or is plain text if its address is
    not known.
    """

    def moved(link: re.Match[str]) -> str:
        target = (path.parent / link["path"]).resolve()
        anchor, shown = link["anchor"] or "", link["text"]
        if target in places:
            address = os.path.relpath(places[target], place.parent)
            if shown.strip("`").endswith(".md"):  # a path says nothing to a reader of the site
                shown = title_of(target)
        elif home:
            address = f"{home}/blob/HEAD/{target.relative_to(ROOT).as_posix()}"
        else:
            return shown
        return f"{link['image']}[{shown}]({address}{anchor})"

    return _outside(_BLOCKS, text, lambda part: _LINK.sub(moved, part))


def title_of(path: Path) -> str:
    """Return the first heading of a Markdown file."""
    return path.read_text("utf-8").partition("\n")[0].removeprefix("# ")


def set_mathematics(text: str) -> str:
    r"""Return Markdown with its formulas, `$\LaTeX$` and `$$`, as MathML, which browsers draw."""

    def drawn(formula: re.Match[str]) -> str:
        block = formula["block"]
        if block:
            return convert(block.strip(), display="block")
        # A line that began with <math> would end its paragraph.
        return f"<span>{convert(formula['inline'].strip())}</span>"

    return _outside(_CODE, text, lambda part: _MATH.sub(drawn, part))


def _outside(code: re.Pattern[str], text: str, change: Callable[[str], str]) -> str:
    """Return a text with a change made to all of it but its code."""
    parts = code.split(text)
    return "".join(part if number % 2 else change(part) for number, part in enumerate(parts))
