"""What a search chooses from, and how: by Optuna, from what came of the trials before."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from apps.common.refusal import Refusal


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, or of their logarithms, in three digits."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Effort:
    """How long a search goes on, as options of its command."""

    trials: int = 20  # trainings in all; the first has the settings as they are
    timeout: float | None = None  # seconds after which no training begins
    workers: int = 1  # processes of each training on this machine, each with a share of every batch

    def check(self) -> None:
        """Refuse what is out of range.

        Raises:
            Refusal: If something is.
        """
        for name in ("trials", "workers"):
            if (number := getattr(self, name)) < 1:
                raise Refusal(f"{name} must be at least 1; received {number}")
        if self.timeout is not None and not 0 < self.timeout < math.inf:
            raise Refusal(f"timeout must be a number of seconds above 0; received {self.timeout}")


USUAL = Effort()

# For each setting that is searched a range, sizes in increasing order, or names.
Space = Mapping[str, Range | Sequence[int] | Sequence[str]]


class Chooser:
    """Chooses what a trial tries: at first the settings as they are, then by those before.

    Args:
        space: What is tried, by the name of the setting.
        settings: The settings, a dataclass with a `seed`.

    Raises:
        Refusal: If Optuna is missing.
    """

    def __init__(self, space: Space, settings: Any):
        self.optuna = _import_optuna()
        self.space = space
        self.settings = settings
        self.distributions = {name: self._distribution(each) for name, each in space.items()}

    def choose(self, number: int, before: Iterable[tuple[Mapping, float]]) -> dict[str, Any]:
        """Choose the settings of a trial.

        Args:
            number: The number of the trial, from 1.
            before: What finished trials had set, and their losses.

        Raises:
            Refusal: If a trial had set what is not in the space.
        """
        if number == 1:
            return {name: getattr(self.settings, name) for name in self.space}
        # Drawn from the number, random choices are those of a search that was not interrupted.
        seed = np.random.SeedSequence((self.settings.seed, number)).generate_state(1)
        sampler = self.optuna.samplers.TPESampler(seed=int(seed[0]))
        study = self.optuna.create_study(sampler=sampler)
        try:
            for values, loss in before:
                study.add_trial(self._told(values, loss))
        except (KeyError, ValueError) as error:
            raise Refusal(
                f"run: the trials there are of another search ({error}); choose a new folder"
            ) from error
        codes = study.ask(self.distributions).params
        return {name: _decoded(self.space[name], code) for name, code in codes.items()}

    def _told(self, values: Mapping, loss: float) -> Any:
        codes = {name: _coded(self.space[name], value) for name, value in values.items()}
        return self.optuna.trial.create_trial(
            params=codes, distributions=self.distributions, value=loss
        )

    def _distribution(self, choices: Range | Sequence[int] | Sequence[str]) -> Any:
        kinds = self.optuna.distributions
        if isinstance(choices, Range):
            return kinds.FloatDistribution(choices.low, choices.high, log=choices.log)
        if isinstance(choices[0], str):
            return kinds.CategoricalDistribution(choices)
        # The places of sizes, so that they have an order.
        return kinds.IntDistribution(0, len(choices) - 1)


def _coded(choices: Any, value: Any) -> Any:
    """Return a value as Optuna knows it."""
    is_size = not isinstance(choices, Range) and not isinstance(value, str)
    return choices.index(value) if is_size else value


def _decoded(choices: Any, code: Any) -> Any:
    """Return the value that Optuna means."""
    if isinstance(choices, Range):
        return float(f"{code:.3g}")
    return code if isinstance(code, str) else choices[code]


def _import_optuna() -> ModuleType:
    try:
        import optuna
    except ImportError as error:
        raise Refusal(
            "tune needs Optuna, which is not installed: pip install --editable . --group tune"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
