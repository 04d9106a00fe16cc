"""The tutorials: scripts that run, as pages with what they print and draw, and as notebooks."""

import concurrent.futures
import re
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from traitlets.config import Config

from docs.site.pages import set_mathematics

FOLDER = Path(__file__).parents[1] / "tutorials"
CHECK = "check"  # the tag of a cell that only the tests need
SECONDS = 120  # for one tutorial


def find_tutorials() -> list[Path]:
    """Return the tutorials in the order of their numbers."""
    return sorted(FOLDER.glob("[0-9]*.py"), key=lambda path: int(path.stem.partition("_")[0]))


def write_tutorials(to: Path) -> list[str]:
    """Run every tutorial, write its page and its notebook, and return the pages in order."""
    to.mkdir(parents=True, exist_ok=True)
    paths = find_tutorials()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _ in pool.map(lambda path: write_tutorial(path, to), paths):
            pass
    return [f"tutorials/{path.stem}.md" for path in paths]


def write_tutorial(path: Path, to: Path) -> None:
    """Run a tutorial, and write `<name>.md`, `<name>.ipynb` and its pictures."""
    notebook = jupytext.read(path)
    notebook.cells = [cell for cell in notebook.cells if CHECK not in cell.metadata.get("tags", ())]
    jupytext.write(notebook, to / f"{path.stem}.ipynb")
    options = {"timeout": SECONDS, "kernel_name": "python3", "coalesce_streams": True}
    NotebookClient(notebook, **options).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = drop_logs(cell.outputs)
    exporter = MarkdownExporter(config=Config({"TagRemovePreprocessor": {"enabled": False}}))
    text, resources = exporter.from_notebook_node(
        notebook, {"unique_key": path.stem, "output_files_dir": f"{path.stem}_files"}
    )
    for name, picture in resources["outputs"].items():
        target = to / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(picture)
    text = re.sub(r"!\[(?:png|svg)\]", "![What the code above draws]", text)
    text = f"{text}\n[Open as a notebook]({path.stem}.ipynb)\n"
    (to / f"{path.stem}.md").write_text(set_mathematics(text), "utf-8")


def drop_logs(outputs: list[Any]) -> list[Any]:
    """Return the outputs of a cell without what TensorFlow logs, which tells a reader nothing."""
    kept = [output for output in outputs if output.get("name") != "stderr"]
    for output in kept:
        if output.get("name") == "stdout":
            text = re.sub(r"^INFO:tensorflow:.*\n", "", output["text"], flags=re.MULTILINE)
            output["text"] = text
    return kept
