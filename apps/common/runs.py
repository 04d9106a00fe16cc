"""A run: the folder that holds everything of one training.

    settings.json   what decides the run; a run is resumed with the same settings only
    checkpoints/    the model after the newest and after the best epoch, with its optimizer
    history.csv     one line for each epoch
    tensorboard/    the same for TensorBoard
    model.keras     the model of the best epoch; it exists once training has finished
    metrics.json    what `evaluate` measured
    plots/          pictures
    training.lock   locked by the process that trains, as long as it lives

A run of several networks holds a run for each of them, in a folder of its own.

A kill costs the epoch that it interrupts and nothing else: every file is written under a temporary
name and then renamed, and the history is written before its checkpoint. What processes that were
killed have left half written is removed when the training goes on.
"""

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import keras
import pandas as pd

from apps.common.epochs import Epochs
from apps.common.files import TEMPORARY, clear_abandoned, replacing
from apps.common.json_files import check_types, read_object
from apps.common.locks import Lock, lock
from apps.common.model_files import check_clock, load_model
from apps.common.refusal import Refusal
from apps.common.settings import RESTORE, Settings, read_settings, write_settings


@dataclass(frozen=True)
class Metrics:
    """What `evaluate` measured, as far as others than people read it."""

    split: str
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]


class Run(Epochs):
    """The files of a run. `begin` starts or resumes one, and `open` opens one that has a model.

    `with Run.begin(...)` removes what it made if an error comes before the first epoch is complete,
    so that a training that is refused leaves no folder behind.
    """

    made = False  # whether `begin` made the folder or found it empty
    lock: Lock | None = None  # on the folder, while this object trains

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.settings_file = folder / "settings.json"
        self.model_file = folder / "model.keras"
        self.metrics_file = folder / "metrics.json"
        self.lock_file = folder / "training.lock"
        self.plots = folder / "plots"

    @classmethod
    def begin(cls, folder: Path, settings: Any) -> "Run":
        """Start a run in a new or empty folder, or resume one that was interrupted.

        A run that was interrupted in its first epoch starts again, also with other settings.

        Args:
            folder: The folder.
            settings: A dataclass of what decides the run.

        Raises:
            Refusal: If the folder holds something else, a finished run, or a run with other
                settings.
            OSError: If it cannot be written.
        """
        check_clock()
        run = cls(folder)
        run._refuse_finished()
        if run._holds_no_run():
            raise Refusal(f"{folder} is not empty and holds no run; choose a new folder")
        run.made = not run.settings_file.exists()
        folder.mkdir(parents=True, exist_ok=True)
        run.lock = lock(run.lock_file)
        run._refuse_finished()  # another process may have done that in between
        clear_abandoned(folder)
        if run.any_epoch():
            run.check_same(settings)
            print(f"Run: {folder} goes on after epoch {run.epochs_done()}")
            return run
        if run.settings_file.exists() and (differing := run.differences(settings)):
            print(
                f"Run: {folder} was interrupted in its first epoch, and starts again with other "
                f"settings; before: {', '.join(differing)}"
            )
        for new in (run.checkpoints, run.plots):
            new.mkdir(exist_ok=True)
        write_settings(run.settings_file, settings)
        return run

    def _refuse_finished(self) -> None:
        if self.model_file.exists():
            clear_abandoned(self.folder)
            raise Refusal(
                f"{self.folder} holds a finished run, which is not overwritten; "
                f"choose another folder or remove this one"
            )

    def _holds_no_run(self) -> bool:
        """Return whether the folder holds something, and that is no run."""
        if self.settings_file.exists() or not self.folder.exists():
            return False
        # A kill before the settings were written leaves these.
        return any(
            path != self.lock_file and not TEMPORARY.fullmatch(path.name)
            for path in self.folder.iterdir()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A run that is interrupted by hand stays, with what it has read and cached.
        if isinstance(error, Exception) and self.made and not self.any_epoch():
            if sys.platform == "win32":  # where an open file cannot be removed
                self.lock = None
            shutil.rmtree(self.folder)
        self.lock = None

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """Open a run that has a model: its training has finished, or has completed an epoch.

        Raises:
            Refusal: If there is none.
        """
        run = cls(folder)
        if not run.settings_file.exists():
            raise Refusal(f"run: there is no run at {folder}; make one with the train command")
        if not run.model_file.exists() and not run.epochs_done():
            raise Refusal(
                f"run: the training in {folder} has not finished an epoch; "
                f"wait, or repeat the train command that started it, to go on with it"
            )
        clear_abandoned(folder)
        return run

    def settings(self, kind: type[Settings]) -> Settings:
        """Read the settings as an instance of the dataclass `kind`.

        Raises:
            Refusal: If they are damaged, or are those of another application or a later version.
        """
        return read_settings(self.settings_file, kind)

    def check_fits(self, settings: Any, **of_model: Any) -> None:
        """Refuse settings with which the model of the run cannot be used.

        Args:
            settings: The settings of the run.
            **of_model: What fields are by the model.

        Raises:
            Refusal: If one differs.
        """
        for name, expected in of_model.items():
            if (value := getattr(settings, name)) != expected:
                raise Refusal(
                    f"{self.settings_file}: {name} must be {expected!r}, as it is in the model; "
                    f"received {value!r}: {RESTORE}"
                )

    def check_same(self, settings: Any) -> None:
        """Refuse settings that differ from those of the run.

        Raises:
            Refusal: If some differ.
        """
        if differing := self.differences(settings):
            raise Refusal(
                f"run: {self.folder} was started with {', '.join(differing)}; "
                f"give the same settings to go on, or choose another folder"
            )

    def differences(self, settings: Any) -> list[str]:
        """Return in words which settings of the run differ from these.

        Raises:
            Refusal: If those of the run are damaged, or of another application.
        """
        asked, held = (
            json.loads(json.dumps(dataclasses.asdict(values)))  # a list and a tuple are the same
            for values in (settings, self.settings(type(settings)))
        )
        return [
            f"{name} {held[name]!r} (asked for: {asked[name]!r})"
            for name in asked
            if asked[name] != held[name]
        ]

    def inside(self, name: str) -> Path:
        """Return the path of a file of the run.

        Raises:
            Refusal: If the name leads out of the folder.
        """
        if Path(name).is_absolute() or os.pardir in Path(name).parts:
            raise Refusal(f"{self.folder}: a file of a run must lie inside it; received {name!r}")
        return self.folder / name

    def write_lines(self, name: str, lines: Iterable[str]) -> None:
        """Write a text file of the run, one line for each string."""
        with replacing(self.inside(name)) as temporary:
            temporary.write_text("\n".join(lines), "utf-8")

    def read_lines(self, name: str) -> list[str]:
        """Read what `write_lines` wrote.

        Raises:
            Refusal: If the file is damaged.
            OSError: If it cannot be read.
        """
        try:
            return self.inside(name).read_text("utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise Refusal(f"{self.folder / name} is damaged ({error}): {RESTORE}") from error

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a table of the run as CSV."""
        with replacing(self.inside(name)) as temporary:
            table.to_csv(temporary, index=False)

    def write_model(self, name: str, model: keras.Model) -> None:
        """Write a model under a name of its own."""
        check_clock()
        with replacing(self.inside(name)) as temporary:
            model.save(temporary)

    def read_model(self, name: str) -> keras.Model:
        """Read what `write_model` wrote.

        Raises:
            Refusal: If the file is damaged.
            OSError: If it cannot be read.
        """
        return load_model(self.inside(name), compile=False)

    def write_metrics(self, metrics: dict) -> None:
        """Write `metrics.json`."""
        with replacing(self.metrics_file) as temporary:
            temporary.write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")

    def metrics(self) -> Metrics | None:
        """Read `metrics.json`, if `evaluate` has written it.

        Raises:
            Refusal: If it is damaged.
            OSError: If it cannot be read.
        """
        if not self.metrics_file.exists():
            return None
        remedy = "remove it, and write it again with the evaluate command"
        values = read_object(self.metrics_file, "what evaluate measured", remedy)
        given = [values.get(field.name) for field in dataclasses.fields(Metrics)]
        return check_types(Metrics(*given), str(self.metrics_file), remedy)

    def model(self) -> keras.Model:
        """Return the model of the best epoch, so far if the training has not finished.

        Raises:
            Refusal: If its file is damaged.
            OSError: If it cannot be read.
        """
        tried = 0
        while not self.model_file.exists():
            epoch = self.best_epoch()
            try:
                model = load_model(self.checkpoint(epoch), compile=False)
            except FileNotFoundError:
                if tried == epoch:
                    raise
                tried = epoch  # the training has found a better one in between
                continue
            print(
                f"Run: the training in {self.folder} has not finished; this is the model of epoch "
                f"{epoch}, the best of {self.epochs_done()} so far"
            )
            return model
        return load_model(self.model_file)
