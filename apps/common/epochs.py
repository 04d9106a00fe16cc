"""What the epochs of a training leave in the folder of its run: checkpoints, and the history."""

import re
from pathlib import Path

import keras
import pandas as pd

from apps.common.model_files import load_model
from apps.common.refusal import Refusal
from apps.common.settings import RESTORE

EPOCH = re.compile(r"epoch_(\d+)")  # the stem of a checkpoint


class Epochs:
    """The epochs of a training. They count from one, and the newest may have no checkpoint yet.

    Args:
        folder: The folder of the run.
    """

    monitor = "val_loss"  # lowest in the best epoch

    def __init__(self, folder: Path):
        self.folder = folder
        self.history_file = folder / "history.csv"
        self.checkpoints = folder / "checkpoints"

    def any_epoch(self) -> bool:
        """Return whether this run, or one inside it, has completed an epoch."""
        return next(self.folder.rglob(f"{self.checkpoints.name}/epoch_*.keras"), None) is not None

    def checkpoint(self, epoch: int) -> Path:
        """Return the checkpoint file of an epoch, counted from one."""
        return self.checkpoints / f"epoch_{epoch:04d}.keras"

    def epochs_done(self) -> int:
        """Return the number of epochs up to the newest checkpoint."""
        found = (EPOCH.fullmatch(path.stem) for path in self.checkpoints.glob("epoch_*.keras"))
        return max((int(match[1]) for match in found if match), default=0)

    def history(self) -> pd.DataFrame:
        """Return what was logged for each epoch up to the newest checkpoint.

        Raises:
            Refusal: If the file is damaged.
            OSError: If it cannot be read.
        """
        if not (done := self.epochs_done()):
            return pd.DataFrame()
        try:
            history = pd.read_csv(self.history_file, float_precision="round_trip").head(done)
            numbers = history[["epoch", self.monitor]].astype(float)
        except (ValueError, KeyError) as error:
            raise self._damaged_history(str(error)) from error
        if numbers["epoch"].tolist() != list(range(1, done + 1)):
            raise self._damaged_history(f"it does not hold the epochs from 1 to {done}, in order")
        return history

    def _damaged_history(self, reason: str) -> Refusal:
        return Refusal(f"{self.history_file} is damaged ({reason:.200}): {RESTORE}")

    def best_epoch(self) -> int:
        """Return the epoch with the lowest monitored value.

        Raises:
            Refusal: If there is none, since the training has diverged.
        """
        history = self.history()
        values = history[self.monitor].astype(float)
        if values.isna().all():
            raise Refusal(
                f"run: the training in {self.folder} has diverged: {self.monitor} is no number in "
                f"any epoch; train in a new folder with a lower learning_rate"
            )
        return int(history["epoch"][values.idxmin()])

    def resumed(self) -> keras.Model | None:
        """Return the model of the newest checkpoint, or None in a new run."""
        epoch = self.epochs_done()
        return load_model(self.checkpoint(epoch)) if epoch else None
