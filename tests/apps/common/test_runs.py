import dataclasses
import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest

from apps.common.batches import Batches
from apps.common.files import replacing
from apps.common.runs import Run, load_model


@dataclasses.dataclass(frozen=True)
class Settings:
    units: int = 4
    seed: int = 1


class KilledError(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Ends training after some batches of an epoch, as a kill would."""

    def __init__(self, epoch):
        super().__init__()
        self.fatal = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.fatal and batch == 2:
            raise KilledError


def make_batches(seed=None):
    random = np.random.default_rng(0)
    lengths = random.integers(1, 12, 64)
    ids = [random.integers(1, 9, length) for length in lengths]
    first = np.array([sequence[0] for sequence in ids])
    return Batches(ids, (first > 4).astype("float32"), 8, seed)


def make_model():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int64"),
            keras.layers.Embedding(9, 4),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    return model


def train(folder, epochs=4, patience=9, callbacks=()):
    run = Run.begin(folder, Settings())
    model = run.resumed() or make_model()
    batches = make_batches(seed=1)
    run.fit(model, batches, make_batches(), epochs=epochs, patience=patience, callbacks=callbacks)
    return run


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


def test_a_run_that_was_broken_off_ends_as_an_unbroken_one(tmp_path):
    unbroken = train(tmp_path / "unbroken")
    for epoch in (0, 2):  # the first before any checkpoint, the second after two
        with pytest.raises(KilledError):
            train(tmp_path / "broken", callbacks=[Kill(epoch)])
        assert Run(tmp_path / "broken").epochs_done() == epoch
    broken = train(tmp_path / "broken")
    pd.testing.assert_frame_equal(broken.history(), unbroken.history(), rtol=1e-5)
    assert broken.history()["epoch"].tolist() == [1, 2, 3, 4]
    for ours, theirs in zip(broken.model().weights, unbroken.model().weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(tmp_path_factory.mktemp("trained"), epochs=2).folder


@pytest.fixture
def unfinished(trained, tmp_path):
    """A run of two epochs that was broken off just before its end."""
    run = Run(shutil.copytree(trained, tmp_path / "run"))
    run.model_file.unlink()
    return run


def test_every_epoch_has_its_own_order(tmp_path):
    run, batches = Run.begin(tmp_path, Settings()), make_batches(seed=1)
    run.fit(make_model(), batches, make_batches(), epochs=3, patience=9)
    assert batches.epoch == 2


def test_a_history_ahead_of_its_checkpoint_is_cut(unfinished):
    with unfinished.history_file.open("a") as file:
        file.write("3,0.0,0.0\n")
    assert unfinished.history()["epoch"].tolist() == [1, 2]


class Worsening(keras.callbacks.Callback):
    """Makes every epoch after the second worse."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = [3.0, 1.0, 2.0, 2.5, 2.6, 2.7][epoch]


def test_it_stops_without_improvement_and_keeps_the_best(tmp_path):
    run = train(tmp_path, epochs=6, patience=2, callbacks=[Worsening()])
    assert run.history()["val_loss"].tolist() == [3.0, 1.0, 2.0, 2.5]
    assert run.best_epoch() == 2
    assert [path.name for path in sorted(run.checkpoints.iterdir())] == [
        "epoch_0002.keras",
        "epoch_0004.keras",
    ]
    best = load_model(run.checkpoint(2))
    for ours, theirs in zip(run.model().weights, best.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_killed_between_the_last_epoch_and_the_end_it_does_not_train_on(tmp_path):
    run = train(tmp_path, epochs=6, patience=2, callbacks=[Worsening()])
    run.model_file.unlink()
    run = train(tmp_path, epochs=6, patience=2, callbacks=[Worsening()])
    assert run.epochs_done() == 4
    assert run.model_file.exists()


def test_a_finished_run_is_not_overwritten(trained):
    with pytest.raises(ValueError, match="finished run, which is not overwritten"):
        train(trained, epochs=2)


def test_other_settings_are_refused_once_there_is_something_to_lose(tmp_path):
    Run.begin(tmp_path / "run", Settings(units=0))
    run = Run.begin(tmp_path / "run", Settings(units=2))
    assert run.settings(Settings) == Settings(units=2)
    run.checkpoint(1).touch()
    with pytest.raises(ValueError, match=r"begun with units 2 \(asked for: 3\)"):
        Run.begin(tmp_path / "run", Settings(units=3))
    Run.begin(tmp_path / "run", Settings(units=2))


def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty and holds no run"):
        Run.begin(tmp_path, Settings())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Run.begin(tmp_path / "file" / "run", Settings())


def test_runs_that_are_absent_or_have_not_finished(tmp_path):
    with pytest.raises(ValueError, match="there is no run"):
        Run.finished(tmp_path)
    Run.begin(tmp_path, Settings())
    with pytest.raises(ValueError, match="has not finished"):
        Run.finished(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"units": 1, "wings": 2})])
def test_settings_that_cannot_be_read(tmp_path, content):
    run = Run.begin(tmp_path, Settings())
    run.settings_file.write_text(content)
    with pytest.raises(ValueError, match=r"settings\.json cannot be read"):
        run.settings(Settings)


def test_a_model_beside_the_one_that_is_trained(tmp_path):
    run, model = Run.begin(tmp_path, Settings()), make_model()
    run.write_model("other.keras", model)
    assert not run.model_file.exists()
    for ours, theirs in zip(run.read_model("other.keras").weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    content = (tmp_path / "other.keras").read_bytes()
    (tmp_path / "other.keras").write_bytes(content[:-99])
    with pytest.raises(ValueError, match=r"other\.keras is damaged"):
        run.read_model("other.keras")
    with pytest.raises(OSError, match=r"absent\.keras"):
        run.read_model("absent.keras")


def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 255 for byte in content[middle : middle + 9])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: flip(content) + content[len(content) // 2 + 9 :],
        lambda content: b"no archive",
    ],
)
def test_a_corrupt_checkpoint_is_named(unfinished, damage):
    newest = unfinished.checkpoint(2)
    newest.write_bytes(damage(newest.read_bytes()))
    with pytest.raises(ValueError, match=r"epoch_0002\.keras is damaged .* remove it"):
        train(unfinished.folder, epochs=2)


def test_without_its_newest_checkpoint_a_run_goes_on_from_the_one_before(unfinished):
    shutil.copy(unfinished.checkpoint(2), unfinished.checkpoint(1))
    unfinished.checkpoint(2).unlink()
    assert train(unfinished.folder, epochs=2).history()["epoch"].tolist() == [1, 2]
