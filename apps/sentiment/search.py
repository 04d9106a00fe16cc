"""What `tune` searches."""

from pathlib import Path

from apps.common.choices import USUAL, Effort, Range
from apps.common.tuning import search_settings
from apps.sentiment.settings import Settings

SPACE = {
    "cell": ("gru", "lstm"),
    "units": (32, 48, 64, 96, 128, 192),
    "vector_dropout": Range(0.0, 0.5),
    "dropout": Range(0.2, 0.7),
    "learning_rate": Range(5e-4, 1e-2, log=True),
    "batch_size": (16, 32, 64, 128),
}


def tune(run: Path, settings: Settings, effort: Effort = USUAL) -> None:
    """Search for better settings by the loss on validation data. The same command goes on.

    Args:
        run: The folder of the search. The run of a trial is in a folder inside it, and `best` leads
            to that of the best one.
        settings: The settings of the search. Those that differ from the defaults are not searched.
        effort: How long.
    """
    search_settings(run, settings, SPACE, effort)
