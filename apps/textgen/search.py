"""What `tune` searches."""

from pathlib import Path

from apps.common.choices import USUAL, Effort, Range
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


def tune(run: Path, settings: Settings, effort: Effort = USUAL) -> None:
    """Search for better settings by the loss on validation data. The same command goes on.

    Args:
        run: The folder of the search. The run of a trial is in a folder inside it, and `best` leads
            to that of the best one.
        settings: The settings of the search. Those that differ from the defaults are not searched.
        effort: How long.
    """
    search_settings(run, settings, SPACE, effort)
