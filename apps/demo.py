"""Runs every application end to end on its embedded sample: train, evaluate, predict, export.

    python -m apps.demo

Each run goes to its own folder in `runs/demo`, which is made anew each time. Each export becomes
the next version in `saved_models`, where `python -m apps.serve` finds it. The last lines are a
table of the results.
"""

import importlib
import json
import shutil
from pathlib import Path

import pandas as pd

from apps.common.serving.models import versions_in
from apps.common.sources import load

FOLDER = Path("runs/demo")
EXPORTS = Path("saved_models")
# The applications, and inputs for their predictions.
INPUTS = {
    "sentiment": (
        "The plot was anything but dull.",
        "Although the music was superb, the film as a whole was forgettable.",
        "Compared with this film, the remake was truly awful.",
    ),
    "forecasting": (),
    "translation": (
        "My cat is near this strange car.",
        "I do not love some old trees.",
        "Is it true that she has not forgotten the black horses?",
    ),
    "captioning": (str(FOLDER / "pictures"),),
    "textgen": ("The plot was", "My sister chose it"),
}
PICTURES = 3  # drawn for the predictions of captioning


def run_app(name: str, run: Path) -> dict[str, object]:
    """Takes one application from data to SavedModel, as its commands would.

    Args:
        name: The application, a module of this package.
        run: The folder of the run.

    Returns:
        Its row of the table.
    """
    main = importlib.import_module(f"apps.{name}").main
    for command in (
        ("train", "--source", "sample", "--run", str(run)),
        ("evaluate", "--run", str(run)),
        ("predict", "--run", str(run), *INPUTS[name]),
        ("export", "--run", str(run), "--to", str(EXPORTS)),
    ):
        print(
            f"\n$ python -m apps.{name}",
            *(f"'{word}'" if " " in word else word for word in command),
        )
        main(command)
    found = json.loads((run / "metrics.json").read_text())
    metric = next(iter(found["metrics"]))
    return {
        "app": name,
        "metric": metric,
        "value": found["metrics"][metric],
        **{f"({baseline})": scores[metric] for baseline, scores in found["baselines"].items()},
        "exported to": EXPORTS / name / str(max(versions_in(EXPORTS / name))),
    }


def draw_pictures(folder: Path) -> None:
    """Writes some test images of the embedded sample as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture, _ in load("captions", "sample").test[:PICTURES]:
        (folder / f"{picture.name}.png").write_bytes(picture.read())


def main() -> None:
    """Runs all applications and prints the table."""
    draw_pictures(FOLDER / "pictures")
    rows = []
    for name in INPUTS:
        run = FOLDER / name
        if run.exists():
            shutil.rmtree(run)
        rows.append(run_app(name, run))
    table = pd.DataFrame(rows)
    table["exported to"] = table.pop("exported to")  # behind what only some of them have
    table = table.to_string(index=False, na_rep="", float_format="{:.3f}".format)
    print(f"\nResults on the embedded samples; what is in brackets is a baseline\n\n{table}")


if __name__ == "__main__":
    main()
