"""Searches for settings: what is tried, kept, resumed and refused."""

import errno
import importlib
import json
import sys
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest

from apps.common import tuning
from apps.common.applications import find_applications
from apps.common.choices import Effort, Range
from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.common.tuning import Search, search_settings
from apps.common.workers import SIZES, Ended
from apps.textgen.search import SPACE
from apps.textgen.settings import Settings


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    for name in ("TF_CONFIG", *SIZES):
        monkeypatch.delenv(name, raising=False)


def search(folder, trials=4, settings=None, space=SPACE, timeout=None, workers=1):
    effort = Effort(trials, timeout, workers)
    search_settings(folder, settings or Settings(), space, effort)


# What needs no Optuna


def every(choices):
    return (choices.low, choices.high) if isinstance(choices, Range) else choices


@pytest.mark.parametrize("name", find_applications())
def test_a_space_holds_the_defaults_and_what_can_be_trained_with(name):
    module = importlib.import_module(f"apps.{name}.search")
    usual = importlib.import_module(f"apps.{name}.settings").Settings()
    for setting, choices in module.SPACE.items():
        if isinstance(choices, Range):
            assert choices.low <= getattr(usual, setting) <= choices.high
        else:
            assert getattr(usual, setting) in choices
            assert isinstance(choices[0], str) or [*choices] == sorted(choices)
        for value in every(choices):
            replace(usual, **{setting: value}).check()
    assert {"units", "learning_rate", "dropout", "cell"} <= module.SPACE.keys()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trials": 0}, "trials must be at least 1; received 0"),
        ({"workers": 0}, "workers must be at least 1; received 0"),
        ({"timeout": 0.0}, "timeout must be a number of seconds above 0; received 0.0"),
        ({"space": {}}, "nothing to search"),
    ],
)
def test_mistakes(tmp_path, options, words):
    with pytest.raises(Refusal, match=words):
        search(tmp_path / "search", **options)
    assert not (tmp_path / "search").exists()


def test_of_several_processes_none_searches(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    with pytest.raises(Refusal, match="tune runs in one process: leave out TF_CONFIG"):
        search(tmp_path / "search")


def test_without_optuna_a_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(Refusal, match=r"not installed: pip install --editable \. --group tune"):
        search(tmp_path / "search")
    assert not (tmp_path / "search").exists()


# What needs it: trainings are played


class Trainings:
    """Takes the place of `watch_together`: a training that takes no time, and whose loss is known.

    Args:
        endings: How trainings end that do not end well, by their place among all, from 1.
    """

    def __init__(self, endings=None):
        self.endings = endings or {}
        self.commands = []

    def __call__(self, command, count):
        self.commands.append(command)
        ending = self.endings.get(len(self.commands))
        if ending is KeyboardInterrupt:
            raise ending
        if ending is not None:
            return ending
        words = dict(zip(command[4::2], command[5::2], strict=True))
        run = Run(tuning.Path(words["--run"]))
        run.checkpoints.mkdir(parents=True)
        loss = abs(int(words.get("--units", 100)) - 200) / 100 + float(words["--dropout"])
        run.history_file.write_text(
            f"epoch,loss,val_loss\n1,9,{loss + 1}\n2,9,{loss}\n3,9,{loss + 2}\n"
        )
        for path in (run.checkpoint(2), run.checkpoint(3), run.model_file):
            path.write_text("a model")
        return Ended(0)


@pytest.fixture
def play(monkeypatch):
    pytest.importorskip("optuna")

    def begin(endings=None):
        trainings = Trainings(endings)
        monkeypatch.setattr(tuning, "watch_together", trainings)
        return trainings

    return begin


def trials_of(folder):
    return json.loads((folder / "trials.json").read_text())["trials"]


@pytest.mark.slow
def test_the_first_trial_has_the_settings_as_they_are_and_the_best_is_kept(play, tmp_path, capsys):
    trainings = play()
    search(tmp_path / "search", trials=30)
    trials = trials_of(tmp_path / "search")
    assert [trial["number"] for trial in trials] == [*range(1, 31)]
    assert trials[0]["settings"] == {name: getattr(Settings(), name) for name in SPACE}
    assert len({json.dumps(trial["settings"]) for trial in trials}) == 30
    for trial in trials:
        assert trial["epoch"] == 2
        for name, value in trial["settings"].items():
            choices = SPACE[name]
            if isinstance(choices, Range):
                assert choices.low <= value <= choices.high
            else:
                assert value in choices
    losses = [trial["loss"] for trial in trials]
    # Chosen by those before: the later ones are better than the first ones, which are random.
    assert sum(losses[20:]) / 10 < 0.6 * sum(losses[1:11]) / 10
    best = losses.index(min(losses)) + 1
    assert (tmp_path / "search" / "best").resolve() == tmp_path / "search" / f"trial_{best}"
    assert f"The best is {tmp_path / 'search' / f'trial_{best}'}" in capsys.readouterr().out
    program = trainings.commands[0]
    assert program[:4] == [sys.executable, "-m", "apps.textgen", "train"]
    assert program[4:6] == ["--config", str(tmp_path / "search" / "search.json")]
    assert "--workers" not in program


@pytest.mark.slow
@pytest.mark.parametrize("killed", [1, 3, 6])
def test_a_search_that_is_interrupted_goes_on_as_if_it_had_not_been(play, tmp_path, killed):
    play()
    search(tmp_path / "unbroken", trials=14)
    play({killed: KeyboardInterrupt})
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "broken", trials=14)
    assert trials_of(tmp_path / "broken")[-1]["state"] == "running"
    search(tmp_path / "broken", trials=9)  # with fewer, and then with more
    search(tmp_path / "broken", trials=14)
    assert trials_of(tmp_path / "broken") == trials_of(tmp_path / "unbroken")
    other = replace(Settings(), seed=2)
    search(tmp_path / "other", trials=14, settings=other)
    assert trials_of(tmp_path / "other") != trials_of(tmp_path / "unbroken")


@pytest.mark.slow
def test_what_is_given_is_not_searched(play, tmp_path):
    trainings = play()
    search(tmp_path / "search", settings=Settings(units=100, cell="lstm"), workers=2)
    for command in trainings.commands[1:]:
        assert "--cell" not in command
        assert command[-2:] == ["--workers", "2"]
    given = {"units": 100, "cell": "lstm"}
    written = json.loads((tmp_path / "search" / "search.json").read_text())
    assert written == {"app": "textgen", **asdict(Settings()), **given}


@pytest.mark.slow
def test_a_trial_that_fails_is_noted_and_the_search_goes_on(play, tmp_path, capsys):
    killed = Ended(1, "error: worker 0 (by signal 9) of 1 was killed", killed=True)
    refused = Ended(2, "error: units must be fewer")
    trainings = play({2: refused, 3: killed, 5: killed, 6: killed, 7: Ended(1)})
    search(tmp_path / "search", trials=6)
    states = [trial["state"] for trial in trials_of(tmp_path / "search")]
    # The third is killed once and resumed, the fourth is killed twice.
    assert states == ["finished", "failed", "finished", "failed", "failed", "finished"]
    assert trainings.commands[2] == trainings.commands[3]
    reasons = [trial["reason"] for trial in trials_of(tmp_path / "search")]
    assert reasons[1] == "units must be fewer"
    assert "(by signal 9) of 1 was killed" in reasons[3]
    assert reasons[4] == "it ended with status 1, see above"
    assert "3 failed" in capsys.readouterr().out


@pytest.mark.slow
def test_settings_that_are_refused_leave_nothing_behind(play, tmp_path):
    play({1: Ended(2, "error: source: there is no file x")})
    with pytest.raises(Refusal, match=r"^source: there is no file x$"):
        search(tmp_path / "search")
    assert not (tmp_path / "search").exists()


@pytest.mark.slow
@pytest.mark.parametrize("place", ["write_trials", "link_best"])
def test_an_error_takes_no_trial_with_it(play, tmp_path, monkeypatch, place):
    play()
    usual, calls = getattr(Search, place), []

    def fail_late(*arguments):
        calls.append(place)
        if len(calls) > 2 or place == "link_best":
            raise OSError(errno.ENOSPC, "no space is left")
        return usual(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Search, place, fail_late)
        with pytest.raises(OSError, match="no space"):
            search(tmp_path / "search", trials=2)
    assert (tmp_path / "search" / "trial_1" / "model.keras").exists()
    search(tmp_path / "search", trials=2)
    assert [trial["state"] for trial in trials_of(tmp_path / "search")] == ["finished"] * 2


@pytest.mark.slow
def test_a_search_goes_on_with_its_own_settings_only(play, tmp_path):
    play()
    folder = tmp_path / "search"
    search(folder, trials=2)
    with pytest.raises(Refusal, match=r"was started with epochs 6 \(asked for: 2\)"):
        search(folder, settings=Settings(epochs=2))
    (folder / "trials.json").write_text('{"trials": [{"number": "x", "settings": {}}]}')
    with pytest.raises(Refusal, match=r"trials\.json: number must be a whole number"):
        search(folder)
    (folder / "trials.json").write_text('{"trials": 3}')
    with pytest.raises(Refusal, match=r"trials\.json is damaged"):
        search(folder)
    trial = {"number": 1, "settings": {"units": 1}, "state": "finished", "loss": 1.0, "epoch": 1}
    (folder / "trials.json").write_text(json.dumps({"trials": [trial]}))
    with pytest.raises(Refusal, match="the trials there are of another search"):
        search(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    with pytest.raises(Refusal, match="is not empty and holds no search"):
        search(tmp_path / "other")


@pytest.mark.slow
def test_no_trial_begins_after_the_timeout(play, tmp_path, monkeypatch, capsys):
    play()
    clock = iter([0.0, 1.0, 6.0, 11.0, 16.0])
    monkeypatch.setattr(tuning, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    search(tmp_path / "search", trials=9, timeout=10.0)
    assert len(trials_of(tmp_path / "search")) == 2
    assert "10 seconds are over; the same command goes on" in capsys.readouterr().out
