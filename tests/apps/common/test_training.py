"""Training of a run, on a network of one weight: it trains, breaks off and goes on."""

import platform
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

from apps.common.model_files import load_model
from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.common.training import fit, keep_memory, load_callbacks
from tests.apps.one_weight import Numbers, Settings, make_model, train


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


class Worsening(keras.callbacks.Callback):
    """Makes every epoch after the second worse."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = [3.0, 1.0, 2.0, 2.5, 2.6, 2.7][epoch]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(tmp_path_factory.mktemp("trained"), epochs=2).folder


@pytest.fixture
def unfinished(trained, tmp_path):
    """A run of two epochs that was broken off just before its end."""
    run = Run(shutil.copytree(trained, tmp_path / "run"))
    run.model_file.unlink()
    return run


def test_a_run_that_was_broken_off_ends_as_an_unbroken_one(tmp_path):
    unbroken = train(tmp_path / "unbroken")
    for epoch in (0, 2):  # the first before any checkpoint, the second after two
        with pytest.raises(KilledError):
            train(tmp_path / "broken", callbacks=[Kill(epoch)])
        assert Run(tmp_path / "broken").epochs_done() == epoch
    broken = train(tmp_path / "broken")
    assert broken.history_file.read_bytes() == unbroken.history_file.read_bytes()
    assert broken.history()["epoch"].tolist() == [1, 2, 3, 4]
    (ours,), (theirs,) = (run.model().trainable_weights for run in (broken, unbroken))
    np.testing.assert_array_equal(ours, theirs)
    assert 0.2 < float(ours[0, 0]) < 0.8  # it learns to halve


def test_every_epoch_has_its_own_order(tmp_path):
    run, batches = Run.begin(tmp_path, Settings()), Numbers(1)
    fit(run, make_model(), batches, Numbers(), epochs=3, patience=9)
    assert batches.epoch == 2


def test_it_stops_without_improvement_and_keeps_the_best(tmp_path):
    run = train(tmp_path, epochs=6, patience=2, callbacks=[Worsening()])
    assert run.history()["val_loss"].tolist() == [3.0, 1.0, 2.0, 2.5]
    assert run.best_epoch() == 2
    names = [path.name for path in sorted(run.checkpoints.iterdir())]
    assert names == ["epoch_0002.keras", "epoch_0004.keras"]
    best = load_model(run.checkpoint(2))
    np.testing.assert_array_equal(run.model().get_weights()[0], best.get_weights()[0])

    run.model_file.unlink()  # as if it had been killed after the last epoch
    run = train(tmp_path, epochs=6, patience=2, callbacks=[Worsening()])
    assert run.epochs_done() == 4
    assert run.model_file.exists()


def test_a_kill_before_the_model_is_kept_leaves_no_run_without_its_curves(tmp_path):
    def finish(model):
        raise KilledError

    with pytest.raises(KilledError):
        train(tmp_path, epochs=2, finish=finish)
    assert not Run(tmp_path).model_file.exists()
    assert (Run(tmp_path).plots / "curves.png").stat().st_size > 5000


def test_what_is_kept_can_be_made_of_the_best_model(tmp_path):
    def finish(model):
        model.set_weights([np.full_like(weight, 7.0) for weight in model.get_weights()])
        return model

    run = Run.begin(tmp_path, Settings())
    fit(run, make_model(), Numbers(1), Numbers(), epochs=1, patience=1, finish=finish)
    assert run.model().trainable_weights[0].numpy().item() == 7.0


def test_a_finished_run_is_not_overwritten(trained):
    with pytest.raises(Refusal, match="finished run, which is not overwritten"):
        train(trained, epochs=2)


def test_a_history_ahead_of_its_checkpoint_is_cut(unfinished):
    with unfinished.history_file.open("a") as file:
        file.write("3,0.0,0.0\n")
    assert unfinished.history()["epoch"].tolist() == [1, 2]


def flip(content):
    middle = len(content) // 2
    flipped = bytes(byte ^ 255 for byte in content[middle : middle + 9])
    return content[:middle] + flipped + content[middle + 9 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        flip,
        lambda content: b"no archive",
    ],
    ids=["empty", "half", "flipped", "no archive"],
)
def test_a_corrupt_checkpoint_is_named(unfinished, damage):
    newest = unfinished.checkpoint(2)
    newest.write_bytes(damage(newest.read_bytes()))
    with pytest.raises(Refusal, match=r"epoch_0002\.keras is damaged .* remove it"):
        train(unfinished.folder, epochs=2)


@pytest.mark.slow
def test_without_its_newest_checkpoint_a_run_goes_on_from_the_one_before(unfinished):
    shutil.copy(unfinished.checkpoint(2), unfinished.checkpoint(1))
    unfinished.checkpoint(2).unlink()
    assert train(unfinished.folder, epochs=2).history()["epoch"].tolist() == [1, 2]


# Page faults of a block that is taken, written and freed again and again.
FAULTS = """
import ctypes, resource, sys
from apps.common.training import keep_memory

if sys.argv[1] == "keep":
    assert keep_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
for turn in range(21):
    if turn == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(64 << 20)))
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode):
    command = [sys.executable, "-c", FAULTS, mode]
    return int(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_kept_for_the_next_request():
    assert page_faults("keep") < 10
    assert page_faults("leave") > 20 * 30  # a page or a huge page at a time


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_memory()


def test_callbacks_by_name():
    (callback,) = load_callbacks(["keras.callbacks:TerminateOnNaN"])
    assert isinstance(callback, keras.callbacks.TerminateOnNaN)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("keras", "must be written as module:name; received 'keras'"),
        ("absent:Tracker", "'absent:Tracker' cannot be imported: No module named 'absent'"),
        ("keras:Tracker", "cannot be imported: .* has no attribute 'Tracker'"),
        ("keras.optimizers:Adam", "must return a keras.callbacks.Callback; received <"),
    ],
)
def test_callbacks_that_are_none(name, words):
    with pytest.raises(Refusal, match=words):
        load_callbacks([name])
