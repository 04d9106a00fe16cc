"""The reference: every public name of the library, from its docstring."""

import importlib
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import rnnlayers
from rnnlayers.layers.named import CellLayer

# Pages of what the package itself exports, by the modules that define it; a layer brings its cell.
PAGES = {
    "layers": (
        "Layers",
        (
            "layers.named",
            "layers.recurrent",
            "layers.bidirectional",
            "layers.stack",
            "layers.attentive",
        ),
    ),
    "lstm_family": ("Relatives of the LSTM", ("layers.lstm_family",)),
    "gru_family": ("Relatives of the GRU", ("layers.gru_family", "layers.gated_family")),
    "elman_family": ("Relatives of the Elman network", ("layers.elman_family",)),
    "linear_family": ("Linear recurrences", ("layers.linear_family",)),
    "around": (
        "Around any cell",
        (
            "cells.zoneout",
            "cells.weight_drop",
            "cells.clipped_gradient",
            "cells.attention",
            "cells.attentive",
        ),
    ),
    "contract": (
        "Your own cell",
        (
            "cells.base",
            "cells.gated",
            "cells.linear",
            "cells.chunked",
            "cells.parts",
            "cells.standard",
            "layers.explain",
        ),
    ),
}
# Further doors, each of which is a page with all that it exports.
DOORS = {
    "convert": "To and from Keras and PyTorch",
    "optimizers": "Clipping",
    "distribute": "Several processes and machines",
    "decoding": "Decoding",
    "models": "Encoders and decoders",
    "export": "Export",
    "diagnostics": "Diagnostics",
    "testing": "Testing your own cell",
}


def write_reference(to: Path) -> list[str]:
    """Write a page for each group of names and a page of all, and return them in order."""
    to.mkdir(parents=True, exist_ok=True)
    groups = {**_of_the_package(), **_of_the_doors()}
    lines = ["# Reference", "", "Every public name, in a line."]
    for page, (title, names) in groups.items():
        lines += ["", f"## {title}", "", "| name | what it is |", "|---|---|"]
        for name in names:
            short = name.rpartition(".")[2]
            lines.append(f"| [`{short}`]({page}.md#{name}) | {_summary(_find(name))} |")
        # What the methods of a cell do is said once, where the contract is.
        options = "    options:\n      members: false\n" if page.endswith("_family") else ""
        text = "".join(f"\n::: {name}\n{options}" for name in names)
        (to / f"{page}.md").write_text(f"# {title}\n{text}", "utf-8")
    (to / "index.md").write_text("\n".join([*lines, ""]), "utf-8")
    return ["reference/index.md", *(f"reference/{page}.md" for page in groups)]


def _of_the_package() -> dict[str, tuple[str, list[str]]]:
    """Return the names that `rnnlayers` exports, by page."""
    left = {name: getattr(rnnlayers, name) for name in rnnlayers.__all__}
    doors = {
        value
        for door in DOORS
        for value in _exports(door).values()
        if inspect.isclass(value) or inspect.isfunction(value)
    }
    groups = {}
    for page, (title, modules) in PAGES.items():
        names = []
        for name, value in sorted(left.items(), key=lambda item: item[0].lower()):
            if value.__module__.removeprefix("rnnlayers.") in modules:
                names.append(name)
                if isinstance(value, type) and issubclass(value, CellLayer):
                    names.append(value.cell_class.__name__)
        groups[page] = (title, [f"rnnlayers.{name}" for name in names])
    shown = {name for _, names in groups.values() for name in names}
    missing = [
        name
        for name, value in left.items()
        if f"rnnlayers.{name}" not in shown and value not in doors
    ]
    if missing:
        raise ValueError(f"PAGES of {__file__} has no page for {', '.join(missing)}.")
    return groups


def _of_the_doors() -> dict[str, tuple[str, list[str]]]:
    return {
        door: (title, [f"rnnlayers.{door}.{name}" for name in _exports(door)])
        for door, title in DOORS.items()
    }


def _exports(door: str) -> dict[str, Any]:
    module = importlib.import_module(f"rnnlayers.{door}")
    names: Iterable[str] = module.__all__
    return {name: getattr(module, name) for name in names}


def _find(name: str) -> Any:
    module, _, short = name.rpartition(".")
    return getattr(importlib.import_module(module), short)


def _summary(value: Any) -> str:
    """Return the first paragraph of a docstring in a line."""
    paragraph = (inspect.getdoc(value) or "").partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")
