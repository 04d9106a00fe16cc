"""Build the site: `python -m docs.site.build`, or `make docs`.

The pages are put together in `.site/pages`: the documents of the repository, each link moved with
them; the tutorials with what they print and draw; the reference from the docstrings. Zensical makes
`.site/public` of them, and a link that leads nowhere ends the build with an error.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from docs.site.charts import draw_results
from docs.site.pages import ROOT, place_files, write_pages
from docs.site.reference import write_reference
from docs.site.tutorials import write_tutorials
from hatch_build import find_home

HERE = Path(__file__).parent
WORK = ROOT / ".site"


def main() -> None:
    """Build all of the site, or without the tutorials, which take most of the time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--no-tutorials", action="store_true", help="leave the tutorials out")
    given = parser.parse_args()
    pages = WORK / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    places = place_files(tutorials=not given.no_tutorials)
    write_pages(places, pages, find_home(os.environ))
    draw_results(pages / "results")
    (pages / "site").mkdir()
    for name in ("style.css", "scroll.js"):
        shutil.copy(HERE / name, pages / "site")
    results = sorted(str(place) for place in places.values() if place.parts[0] == "results")
    written = {
        "LEARN": [] if given.no_tutorials else write_tutorials(pages / "tutorials"),
        "REFERENCE": write_reference(pages / "reference"),
        "RESULTS": ["results/index.md", *(page for page in results if "index" not in page)],
    }
    config = (HERE / "zensical.toml").read_text("utf-8")
    for name, names in written.items():
        config = config.replace(f'"{name}"', str(names))
    check_navigation(tomllib.loads(config), pages)
    (WORK / "zensical.toml").write_text(config, "utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    sys.exit(subprocess.run(command, cwd=WORK, env=environment, check=False).returncode)  # noqa: S603


def check_navigation(config: dict, pages: Path) -> None:
    """Raise `ValueError` if a page is in no menu, or an entry of a menu is no page."""

    def entries(of):
        if isinstance(of, str):
            yield of
        for part in of.values() if isinstance(of, dict) else of if isinstance(of, list) else ():
            yield from entries(part)

    named = set(entries(config["project"]["nav"]))
    there = {path.relative_to(pages).as_posix() for path in pages.rglob("*.md")}
    if named != there:
        raise ValueError(
            f"docs/site/zensical.toml: its `nav` must have every page once. It lacks "
            f"{sorted(there - named)}, and has {sorted(named - there)}, which are not there."
        )


if __name__ == "__main__":
    main()
