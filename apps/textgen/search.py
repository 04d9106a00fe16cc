"""What `tune` searches."""

from pathlib import Path

from apps.common.choices import Range
from apps.common.tuning import search_settings
from apps.textgen.settings import Settings

SPACE = {
    # Not the number of streams: it decides where the text that validates is cut.
    "cell": ("gru", "lstm"),
    "units": (64, 128, 192, 256, 384, 512),
    "layers": (1, 2, 3),
    "dropout": Range(0.0, 0.5),
    "learning_rate": Range(1e-3, 2e-2, log=True),
}


def tune(
    run: Path,
    settings: Settings,
    trials: int = 20,
    timeout: float | None = None,
    workers: int = 1,
) -> None:
    """Search for better settings by the loss on validation data. The same command goes on.

    Args:
        run: The folder of the search. The run of a trial is in a folder inside it, and `best` leads
            to that of the best one.
        settings: The settings of the search. Those that differ from the defaults are not searched.
        trials: The number of trainings in all. The first has the settings as they are.
        timeout: Begin no training after this many seconds.
        workers: Train in this many processes on this machine, each with a share of every batch.
    """
    settings.check()
    search_settings(run, settings, SPACE, trials, timeout, workers)
