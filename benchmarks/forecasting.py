"""Compare the forecaster with published results on Electricity Transformer Temperature.

    python -m benchmarks.forecasting --data FOLDER        # of ETTh1.csv and ETTm1.csv

Standard split, all variables, every test window; MSE and MAE on the series scaled by the training
part, the mean over windows, steps and variables. A finished run is not trained again, so the
command can be interrupted and repeated.
"""

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from apps.common.files import replacing
from apps.forecasting import app as forecasting
from benchmarks.results import describe_machine

RESULTS = Path(__file__).parent / "results"
HORIZONS = (96, 192, 336, 720)
# Chosen on the validation part of ETTh1.
RECIPE = {
    "window": 720,
    "segment": 48,
    "units": 192,
    "dropout": 0.5,
    "batch_size": 32,
    "learning_rate": 1.4e-3,
    "decay": 0.7,
    "epochs": 8,
    "patience": 2,
    "scaling": "series",
}
# ETTm1 has four times as many windows as ETTh1; each epoch has a random part of them.
MORE = {"ETTh1": {}, "ETTm1": {"limit": 10_000}}


class Published(NamedTuple):
    """The results of a paper at each horizon; None where they are not known here."""

    source: str
    mse: tuple[float, ...]
    mae: tuple[float | None, ...] = (None,) * len(HORIZONS)


SEGRNN = "Lin et al. 2023, arXiv:2308.11200, look-back 720"
PUBLISHED = {
    "ETTh1": {
        "SegRNN": Published(SEGRNN, (0.351, 0.392, 0.423, 0.466), (0.392, 0.414, 0.433, 0.472)),
        "best of SegRNN and FITS": Published(
            f"{SEGRNN}; FITS: Xu et al. 2024", (0.351, 0.392, 0.423, 0.427)
        ),
        "DLinear": Published("Zeng et al. 2023, every test window", (0.381, 0.419, 0.454, 0.499)),
        "GRU": Published("a plain one", (1.135, 1.123, 1.080, 1.089)),
    },
    "ETTm1": {"best of SegRNN and FITS": Published(SEGRNN, (0.293, 0.328, 0.357, 0.410))},
}


def main(argv: Sequence[str] | None = None) -> None:
    """Train and score runs, and write the table of all results."""
    parser = argparse.ArgumentParser("python -m benchmarks.forecasting", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the CSV files")
    parser.add_argument("--series", nargs="+", choices=PUBLISHED, default=[*PUBLISHED])
    parser.add_argument("--horizons", nargs="+", type=int, choices=HORIZONS, default=HORIZONS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--runs", type=Path, default=Path("runs/ett"), help="where the runs go")
    parser.add_argument("--to", type=Path, default=RESULTS, help="where the table goes")
    parser.add_argument(
        "--add", action="store_true", help="keep the rows of the table in that folder"
    )
    given = parser.parse_args(argv)
    earlier = earlier_rows(given.to) if given.add else []
    known = {f"{row['series']}_{row['horizon']}_{row['seed']}" for row in earlier}
    for series in given.series:
        for seed in given.seeds:
            for horizon in given.horizons:
                run = given.runs / f"{series}_{horizon}_{seed}"
                if run.name not in known and not (run / "metrics.json").exists():
                    train(given.data / f"{series}.csv", series, horizon, seed, run)
                    forecasting.evaluate(run)
    write(given.runs, given.to, earlier)


def train(data: Path, series: str, horizon: int, seed: int, run: Path) -> None:
    """Train one run and note how long this took."""
    begun, noted = time.monotonic(), run / "seconds.json"
    settings = {**RECIPE, **MORE[series], "horizon": horizon, "seed": seed}
    forecasting.train(run, forecasting.Settings(source=str(data), **settings))
    noted.write_text(json.dumps(time.monotonic() - begun))


def earlier_rows(folder: Path) -> list[dict]:
    """Return the rows of an earlier table, if it was made with the same recipe."""
    results = json.loads((folder / "forecasting.json").read_text())
    if results["recipe"] != RECIPE or results["more"] != MORE:
        raise ValueError(f"--add: the table in {folder} was made with another recipe; leave it out")
    return results["rows"]


def write(runs: Path, folder: Path, earlier: Sequence[dict] = ()) -> Path:
    """Write the scores of the runs as JSON, and as a page with published results.

    Args:
        runs: The folder of the runs.
        folder: The folder for the two files.
        earlier: Rows of earlier runs.
    """
    rows = list(earlier)
    known = {f"{row['series']}_{row['horizon']}_{row['seed']}" for row in earlier}
    for file in sorted(runs.glob("*/metrics.json")):
        if file.parent.name in known:
            continue
        series, horizon, seed = file.parent.name.split("_")
        metrics = json.loads(file.read_text())
        scores = {"rnnlayers": metrics["metrics"], **metrics["baselines"]}
        seconds = json.loads((file.parent / "seconds.json").read_text())
        rows += [
            {"series": series, "horizon": int(horizon), "seed": int(seed), "model": model}
            | {name: score[name] for name in ("mse", "mae")}
            | ({"coverage": score["coverage"], "seconds": seconds} if model == "rnnlayers" else {})
            for model, score in scores.items()
        ]
    results = {"recipe": RECIPE, "more": MORE, "machine": describe_machine({}), "rows": rows}
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "forecasting.json") as temporary:
        temporary.write_text(json.dumps(results, indent=1) + "\n")
    path = folder / "forecasting.md"
    with replacing(path) as temporary:
        temporary.write_text(render(pd.DataFrame(rows)))
    print(f"\n{path.read_text()}\n{path}")
    return path


def render(rows: pd.DataFrame) -> str:
    """Return the page of all runs."""
    command = "`python -m benchmarks.forecasting --data FOLDER`"
    lines = ["# forecasting", "", (__doc__ or "").split("\n\n")[2].strip(), "", f"{command}."]
    for series, part in rows.groupby("series"):
        seeds = part.groupby("horizon")["seed"].nunique()
        counts = " to ".join(map(str, sorted({seeds.min(), seeds.max()})))
        lines += ["", f"## {series}: MSE / MAE, seeds: {counts}", ""]
        lines += [_line(["", *(f"horizon {h}" for h in HORIZONS)]), _line(["---"] * 5)]
        for model, scores in part.groupby("model", sort=False):
            by_horizon = scores.groupby("horizon")[["mse", "mae"]]
            means, spread = by_horizon.mean(), by_horizon.agg(lambda values: values.std(ddof=0))
            cells = [
                f"{means.mse[h]:.3f} / {means.mae[h]:.3f}"
                + (f" (± {spread.mse[h]:.3f} / {spread.mae[h]:.3f})" if spread.mse[h] else "")
                if h in means.index
                else ""
                for h in HORIZONS
            ]
            lines.append(_line([f"**{model}**" if model == "rnnlayers" else model, *cells]))
        for model, published in PUBLISHED[series].items():
            pairs = zip(published.mse, published.mae, strict=True)
            cells = [f"{mse:.3f}" + ("" if mae is None else f" / {mae:.3f}") for mse, mae in pairs]
            lines.append(_line([f"{model} ({published.source})", *cells]))
        ours = part[part["model"] == "rnnlayers"].groupby("horizon")
        for name, form in (("coverage", "{:.2f}"), ("seconds", "{:,.0f} s")):
            values = ours[name].mean()
            cells = [form.format(values[h]) if h in values.index else "" for h in HORIZONS]
            title = {"coverage": "coverage of 0.1 to 0.9", "seconds": "training, both networks"}
            lines.append(_line([title[name], *cells]))
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
