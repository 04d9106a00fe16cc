"""A search for better settings: each trial is a run, and Optuna chooses it by those before.

    search.json     the settings of the search; it goes on with the same settings only
    trials.json     what was tried, and what came of it
    trial_1/        the run of a trial, an ordinary one
    best            a link to the run of the best trial so far
    training.lock   locked by the process that searches, as long as it lives

A trial is judged by what chooses the best epoch of its run, the loss on validation data. Nothing
here looks at test data.

What a trial tries follows from the seed, its number and the trials before. A search that was killed
therefore goes on as if it had not been: its interrupted trial is a run that is resumed.
"""

import dataclasses
import json
import math
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from apps.common.choices import Chooser, Effort, Space
from apps.common.files import clear_abandoned, replacing
from apps.common.json_files import check_types, read_object
from apps.common.locks import lock
from apps.common.refusal import Refusal
from apps.common.reports import format_table
from apps.common.runs import Run
from apps.common.settings import write_settings
from apps.common.workers import is_one_of_several, watch_together

NEW = "choose a new folder"
BEST = "best"


@dataclass(frozen=True)
class Trial:
    """What was tried, and what came of it."""

    number: int  # from 1
    settings: dict  # what the trial sets, by name
    state: Literal["running", "finished", "failed"] = "running"
    loss: float | None = None  # on validation data, in the best epoch
    epoch: int | None = None  # the best one
    reason: str = ""  # why it failed


class Search(Run):
    """The files of a search."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.settings_file = folder / "search.json"
        self.trials_file = folder / "trials.json"

    @classmethod
    def begin(cls, folder: Path, settings: Any) -> "Search":
        """Start a search in a new or empty folder, or go on with one.

        Args:
            folder: The folder.
            settings: The settings of the search, a dataclass.

        Raises:
            Refusal: If the folder holds something else, or a search with other settings.
            OSError: If it cannot be written.
        """
        search = cls(folder)
        if search._holds_no_run():
            raise Refusal(f"run: {folder} is not empty and holds no search; {NEW}")
        search.made = not search.settings_file.exists()
        folder.mkdir(parents=True, exist_ok=True)
        search.lock = lock(search.lock_file)
        clear_abandoned(folder)
        if search.made:
            write_settings(search.settings_file, settings)
        else:
            search.check_same(settings)
        return search

    def run_of(self, number: int) -> Run:
        """Return the run of a trial."""
        return Run(self.folder / f"trial_{number}")

    def trials(self) -> dict[int, Trial]:
        """Read the trials, by number.

        Raises:
            Refusal: If the file is damaged.
            OSError: If it cannot be read.
        """
        if not self.trials_file.exists():
            return {}
        found = read_object(self.trials_file, "the trials of a search", NEW).get("trials")
        try:
            trials = [check_types(Trial(**each), str(self.trials_file), NEW) for each in found]
        except TypeError as error:
            raise Refusal(f"{self.trials_file} is damaged ({error}): {NEW}") from error
        return {trial.number: trial for trial in trials}

    def write_trials(self, trials: Iterable[Trial]) -> None:
        """Write `trials.json`."""
        values = {"trials": [dataclasses.asdict(trial) for trial in trials]}
        with replacing(self.trials_file) as temporary:
            temporary.write_text(json.dumps(values, indent=2) + "\n", "utf-8")

    def link_best(self, trials: Iterable[Trial]) -> Path:
        """Have `best` lead to the run of the best trial, and return the folder of that run."""
        best = self.run_of(best_of(trials).number).folder
        if sys.platform != "win32":  # where links take a privilege
            with replacing(self.folder / BEST) as temporary:
                temporary.unlink()
                temporary.symlink_to(best.name)
        return best


def search_settings(run: Path, settings: Any, space: Space, effort: Effort) -> None:
    """Train with settings out of a space, and print what came of it.

    The first trial has the settings as they are. Those that differ from the defaults of their class
    are not searched.

    Args:
        run: The folder of the search.
        settings: The settings, a dataclass of `apps.<application>.settings` with a `seed`.
        space: What is tried, by the name of the setting.
        effort: How long.

    Raises:
        Refusal: If Optuna is missing, or the settings cannot be trained with at all. The failure of
            a later trial is noted with the trial.
        OSError: If the folder cannot be written.
    """
    settings.check()
    effort.check()
    if is_one_of_several():
        raise Refusal("tune runs in one process: leave out TF_CONFIG, mpirun and srun")
    usual = type(settings)()
    space = {n: c for n, c in space.items() if getattr(settings, n) == getattr(usual, n)}
    if not space:
        raise Refusal(
            "tune has nothing to search: all settings that it would try differ from the defaults"
        )
    chooser = Chooser(space, settings)
    end = time.monotonic() + (effort.timeout or math.inf)
    with Search.begin(run, settings) as search:
        known = search.trials()
        for number in range(1, effort.trials + 1):
            before = [(t.settings, t.loss) for t in known.values() if t.loss is not None]
            trial = known.get(number) or Trial(number, chooser.choose(number, before))
            if trial.state != "running":
                continue
            if time.monotonic() > end:
                print(f"Search: {effort.timeout:g} seconds are over; the same command goes on")
                break
            known[number] = trial
            search.write_trials(known.values())
            words = ", ".join(f"{name} {value}" for name, value in trial.settings.items())
            print(f"Trial {number} of {effort.trials}: {words}", flush=True)
            known[number] = _carry_out(search, trial, type(settings).__module__, effort.workers)
            search.write_trials(known.values())
        _report(search, known)


def best_of(trials: Iterable[Trial]) -> Trial:
    """Return the trial with the lowest loss.

    Raises:
        Refusal: If none has finished.
    """
    finished = [trial for trial in trials if trial.loss is not None]
    if not finished:
        raise Refusal("no trial has finished: the reasons are above")
    return min(finished, key=lambda trial: trial.loss)


def _carry_out(search: Search, trial: Trial, module: str, workers: int) -> Trial:
    """Train the run of a trial by its command, and return the trial with what came of it.

    A process of its own ends with what it has in memory, and cannot take the search with it.

    Raises:
        Refusal: If the first trial is refused before an epoch is complete. So would all others be.
    """
    run = search.run_of(trial.number)
    command = [sys.executable, "-m", module.rpartition(".")[0], "train"]
    command += ["--config", str(search.settings_file), "--run", str(run.folder)]
    for name, value in trial.settings.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    if workers > 1:
        command += ["--workers", str(workers)]
    reason = ""
    for _ in range(2):  # a training that is killed is resumed once: it may have had too much memory
        if run.model_file.exists():
            break
        ended = watch_together(command, workers)
        lines = ended.words.splitlines() or [f"it ended with status {ended.status}, see above"]
        reason = lines[-1].removeprefix("error: ")
        if not ended.killed:
            break
    try:
        if not run.model_file.exists():
            raise Refusal(reason)
        epoch = run.best_epoch()
        losses = run.history().set_index("epoch")[run.monitor]
        return dataclasses.replace(trial, state="finished", loss=float(losses[epoch]), epoch=epoch)
    except Refusal as refusal:
        if trial.number == 1 and not run.any_epoch():
            raise
        print(f"Trial {trial.number} has failed: {refusal}")
        return dataclasses.replace(trial, state="failed", reason=str(refusal))


def _report(search: Search, known: Mapping[int, Trial]) -> None:
    """Print a table of the trials, the best first, and where the run of the best one is."""
    trials = sorted(known.values(), key=lambda t: math.inf if t.loss is None else t.loss)
    rows = [
        {
            search.monitor: t.loss,
            "epoch": t.epoch,
            **{name: str(value) for name, value in t.settings.items()},
            "state": t.state,
        }
        for t in trials
    ]
    table = pd.DataFrame(rows, index=pd.Index([t.number for t in trials], name="trial"))
    print(f"\n{format_table(table.astype({'epoch': 'Int64'}))}")
    failed = sum(trial.state == "failed" for trial in trials)
    if failed:
        print(f"{failed} failed; {search.trials_file} has the reasons")
    best = search.link_best(trials)
    print(
        f"The best is {best}\nIts {search.monitor} is the lowest of several and flatters it; "
        f"evaluate says what it is worth"
    )
