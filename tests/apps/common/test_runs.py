import dataclasses
import json

import keras
import numpy as np
import pytest

from apps.common.files import replacing
from apps.common.refusal import Refusal
from apps.common.runs import Run


@dataclasses.dataclass(frozen=True)
class Settings:
    units: int = 4
    seed: int = 1


class KilledError(Exception):
    pass


def make_model():
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("before")

    def broken_off():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KilledError

    with pytest.raises(KilledError):
        broken_off()
    assert path.read_text() == "before"
    with replacing(path) as temporary:
        temporary.write_text("after")
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_other_settings_are_refused_once_there_is_something_to_lose(tmp_path):
    Run.begin(tmp_path / "run", Settings(units=0))
    run = Run.begin(tmp_path / "run", Settings(units=2))
    assert run.settings(Settings) == Settings(units=2)
    run.checkpoint(1).touch()
    with pytest.raises(Refusal, match=r"started with units 2 \(asked for: 3\)"):
        Run.begin(tmp_path / "run", Settings(units=3))
    Run.begin(tmp_path / "run", Settings(units=2))


@pytest.mark.parametrize(("epochs", "kept"), [(0, False), (1, True)])
@pytest.mark.parametrize("inner", ["", "member_1"])
def test_a_training_that_is_refused_leaves_no_folder(tmp_path, epochs, kept, inner):
    run = Run.begin(tmp_path / "run", Settings())
    for epoch in range(epochs):
        checkpoint = Run(run.folder / inner).checkpoint(epoch + 1)
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.touch()
    with pytest.raises(Refusal), run:
        raise Refusal("the data are empty")
    assert run.folder.exists() == kept


def test_what_is_kept_when_a_training_breaks_off(tmp_path):
    with pytest.raises(KeyboardInterrupt), Run.begin(tmp_path / "run", Settings()):
        raise KeyboardInterrupt
    assert Run(tmp_path / "run").settings_file.exists()
    with pytest.raises(Refusal), Run.begin(tmp_path / "run", Settings(units=1)):
        raise Refusal("this call has not made the folder")
    assert Run(tmp_path / "run").settings_file.exists()


def test_a_run_of_another_application(tmp_path):
    run = Run.begin(tmp_path, Settings())
    values = json.loads(run.settings_file.read_text())
    run.settings_file.write_text(json.dumps({**values, "app": "weather"}))
    with pytest.raises(Refusal, match=r"is a run of apps\.weather, and this is apps\.common"):
        run.settings(Settings)


def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(Refusal, match="not empty and holds no run"):
        Run.begin(tmp_path, Settings())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Run.begin(tmp_path / "file" / "run", Settings())


def test_runs_that_are_absent_or_have_not_finished(tmp_path):
    with pytest.raises(Refusal, match="there is no run"):
        Run.open(tmp_path)
    Run.begin(tmp_path, Settings())
    with pytest.raises(Refusal, match="has not finished"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", r"cannot be read \(.*\): restore it, or train again in a new folder"),
        ("[]", r"must hold settings of this application; received \[\]"),
        (json.dumps({"units": 1, "wings": 2}), "received wings: choose a run of this application"),
    ],
)
def test_settings_that_cannot_be_read(tmp_path, content, words):
    run = Run.begin(tmp_path, Settings())
    run.settings_file.write_text(content)
    with pytest.raises(Refusal, match=rf"settings\.json .*{words}"):
        run.settings(Settings)


def test_a_model_beside_the_one_that_is_trained(tmp_path):
    run, model = Run.begin(tmp_path, Settings()), make_model()
    run.write_model("other.keras", model)
    assert not run.model_file.exists()
    for ours, theirs in zip(run.read_model("other.keras").weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    content = (tmp_path / "other.keras").read_bytes()
    (tmp_path / "other.keras").write_bytes(content[:-99])
    with pytest.raises(Refusal, match=r"other\.keras is damaged"):
        run.read_model("other.keras")
    with pytest.raises(OSError, match=r"absent\.keras"):
        run.read_model("absent.keras")
