"""Full disks, read-only folders, clocks that jump, second processes: nothing is lost."""

import contextlib
import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from apps.common.files import allocate
from apps.common.model_files import load_model
from apps.common.refusal import Refusal
from apps.common.reports import report
from apps.common.runs import Run
from tests.apps.common.test_locks import HOLD, other_process
from tests.apps.one_weight import Settings, train

each_disk = pytest.mark.parametrize(
    "mounted", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["simulated", "mounted"]
)


@pytest.fixture(scope="module", autouse=True)
def _eagerly():
    """Compile nothing: there are many trainings, and each is of twelve steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return train(tmp_path_factory.mktemp("runs") / "unbroken", epochs=3)


@pytest.fixture(scope="module")
def broken_off(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "broken_off"
    with contextlib.suppress(KeyboardInterrupt):
        train(folder, epochs=3, callbacks=[Interrupt(2)])
    return folder


@pytest.fixture
def unfinished(broken_off, tmp_path):
    """A run that was broken off after two epochs."""
    return Run(shutil.copytree(broken_off, tmp_path / "run"))


class Interrupt(keras.callbacks.Callback):
    """Breaks a training off after some epochs, as the user does."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epochs:
            raise KeyboardInterrupt


@contextlib.contextmanager
def small_disk(folder, size):
    """Mount a small disk, which `remount` changes; the test is skipped where nobody may mount."""
    folder.mkdir()

    def mount(*options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    if not shutil.which("mount") or not mount(f"size={size}"):
        pytest.skip("only root can mount a file system")
    try:
        yield lambda *options: mount("remount", *options)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def assert_ends_as(unbroken, folder):
    run = train(folder, epochs=3)
    assert run.history_file.read_bytes() == unbroken.history_file.read_bytes()
    (ours,), (theirs,) = (each.model().trainable_weights for each in (run, unbroken))
    np.testing.assert_array_equal(ours, theirs)
    assert not list(folder.rglob(".*"))


@each_disk
def test_a_full_disk_costs_the_epoch_that_cannot_be_written(
    tmp_path, unbroken, monkeypatch, mounted
):
    def save(model, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with contextlib.ExitStack() as stack:
        if mounted:
            remount = stack.enter_context(small_disk(tmp_path / "disk", "56k"))
        else:
            (tmp_path / "disk").mkdir()
            with pytest.raises(KeyboardInterrupt):
                train(tmp_path / "disk" / "run", epochs=3, callbacks=[Interrupt(1)])
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setattr(keras.Model, "save", save)
        words = r"epoch [23] cannot be written \(\[Errno 28\] No space left on device: '.*'\): "
        with pytest.raises(Refusal, match=words + "epoch [12] is kept; mend that and repeat"):
            train(tmp_path / "disk" / "run", epochs=3)
        if mounted:
            assert remount("size=9m")
        else:
            patch.undo()
        assert_ends_as(unbroken, tmp_path / "disk" / "run")


def test_what_a_full_disk_cannot_hold_is_no_mapping(tmp_path):
    with small_disk(tmp_path / "disk", "64k"):
        rows = np.lib.format.open_memmap(tmp_path / "disk" / "rows.npy", "w+", "float32", (10**6,))
        with pytest.raises(OSError, match="No space left"):
            allocate(tmp_path / "disk" / "rows.npy")
        del rows


def test_a_run_that_cannot_be_written_is_named_and_can_be_used(tmp_path, unbroken, capsys):
    with small_disk(tmp_path / "disk", "9m") as remount:
        folder = tmp_path / "disk" / "run"
        with pytest.raises(KeyboardInterrupt):
            train(folder, epochs=3, callbacks=[Interrupt(2)])
        assert remount("ro")
        with pytest.raises(OSError, match=r"Read-only file system: '.*training\.lock'"):
            train(folder, epochs=3)
        assert Run.open(folder).model().count_params() == 1
        with pytest.raises(OSError, match=r"Read-only file system: '.*metrics\.json'"):
            report(Run(folder), "halves", "sample", {"mse": 0.25}, {"none": {"mse": 0.5}})
        assert "0.2500" in capsys.readouterr().out  # what was computed is seen
        assert remount("rw")
        assert_ends_as(unbroken, folder)


def test_a_clock_that_jumps(tmp_path, unbroken, monkeypatch):
    jumps = itertools.cycle([0.0, 86400.0, -86400.0, 1e9, -1e9])
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + next(jumps))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", epochs=3, callbacks=[Interrupt(1)])
    for days in (-365, 365):
        for path in (tmp_path / "run").rglob("*"):
            os.utime(path, (now() + 86400 * days,) * 2)
        if days < 0:
            with pytest.raises(KeyboardInterrupt):
                train(tmp_path / "run", epochs=3, callbacks=[Interrupt(2)])
    assert_ends_as(unbroken, tmp_path / "run")


def test_a_clock_that_has_forgotten_the_time(tmp_path, unbroken, monkeypatch):
    class Forget(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                forgotten = time.gmtime(0)
                patch.setattr(time, "localtime", lambda *_: forgotten)

    with pytest.MonkeyPatch.context() as patch:
        with pytest.raises(Refusal, match=r"must say a year from 1980 .* it says 1970: set"):
            train(tmp_path / "run", epochs=3, callbacks=[Forget()])
        with pytest.raises(Refusal, match="it says 1970"):
            train(tmp_path / "run", epochs=3)
    assert Run(tmp_path / "run").epochs_done() == 1
    assert_ends_as(unbroken, tmp_path / "run")


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of POSIX")
def test_a_second_process_is_refused_and_changes_nothing(unfinished, unbroken, capsys):
    before = {path: path.stat().st_mtime_ns for path in unfinished.folder.rglob("*")}
    with other_process(HOLD, unfinished.lock_file) as other:
        before[unfinished.lock_file] = unfinished.lock_file.stat().st_mtime_ns
        for settings in (Settings(), replace(Settings(), seed=2)):
            with pytest.raises(Refusal, match=rf"in use by process {other.pid} .* end it, or"):
                Run.begin(unfinished.folder, settings)
        # Others may read what has been trained until now.
        assert Run.open(unfinished.folder).model().count_params() == 1
        words = f"has not finished; this is the model of epoch {unfinished.best_epoch()}, the best"
        assert words in capsys.readouterr().out
    after = {path: path.stat().st_mtime_ns for path in unfinished.folder.rglob("*")}
    assert after == before
    assert_ends_as(unbroken, unfinished.folder)


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of POSIX")
def test_a_second_process_before_the_first_epoch(tmp_path):
    run = Run.begin(tmp_path / "run", Settings())
    run.lock = None
    with other_process(HOLD, run.lock_file), pytest.raises(Refusal, match="in use by process"):
        Run.begin(run.folder, replace(Settings(), seed=2))
    assert run.settings(Settings) == Settings()


def test_other_settings_after_a_kill_in_the_first_epoch_are_named(tmp_path, capsys):
    Run.begin(tmp_path / "run", Settings())
    assert "interrupted" not in capsys.readouterr().out
    Run.begin(tmp_path / "run", replace(Settings(), seed=2))
    words = "starts again with other settings; before: seed 1 (asked for: 2)"
    assert words in capsys.readouterr().out


def test_other_settings_do_not_take_over_a_run_of_several_networks(tmp_path):
    run = Run.begin(tmp_path / "run", Settings())
    inner = Run.begin(run.folder / "member_1", Settings())
    inner.checkpoint(1).touch()
    with pytest.raises(Refusal, match="started with seed 1"):
        Run.begin(run.folder, replace(Settings(), seed=2))
    assert run.settings(Settings) == Settings()


def test_a_folder_that_a_kill_left_before_the_settings_is_new(tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("training.lock", ".77-settings.json"):
        (tmp_path / "run" / name).touch()
    run = Run.begin(tmp_path / "run", Settings())
    assert run.made
    assert not (tmp_path / "run" / ".77-settings.json").exists()


def test_the_model_of_an_unfinished_run_survives_a_better_epoch(unfinished, monkeypatch):
    """The training removes the best checkpoint while it is read, since there is a better one."""
    best = [1, 2, 2]
    monkeypatch.setattr(unfinished, "best_epoch", lambda: best.pop(0))
    unfinished.checkpoint(1).unlink(missing_ok=True)
    assert unfinished.model().count_params() == 1
    unfinished.checkpoint(2).unlink()
    best[:] = [2, 2]
    with pytest.raises(FileNotFoundError):
        unfinished.model()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "No columns"),
        ("epoch,loss\n1,1\n2,1\n", "val_loss"),
        ("epoch,val_loss\n1,1\n", "it does not hold the epochs from 1 to 2, in order"),
        ("epoch,val_loss\n2,1\n1,1\n", "in order"),
        ("epoch,val_loss\n1,low\n2,1\n", "could not convert"),
    ],
)
def test_a_damaged_history_is_named(unfinished, content, words):
    unfinished.history_file.write_text(content)
    with pytest.raises(Refusal, match=rf"history\.csv is damaged \(.*{words}.*\): restore it"):
        unfinished.best_epoch()


def test_a_training_that_has_diverged(unfinished):
    table = pd.read_csv(unfinished.history_file).assign(val_loss=float("nan"))
    table.to_csv(unfinished.history_file, index=False)
    with pytest.raises(Refusal, match="diverged: val_loss is no number in any epoch"):
        unfinished.best_epoch()


def test_checkpoints_are_counted_and_others_files_are_not(tmp_path):
    run = Run.begin(tmp_path, Settings())
    for name in ("epoch_x", "epoch_", "epoch_0009", "epoch_10000", "epoch_9999"):
        (run.checkpoints / f"{name}.keras").touch()
    assert run.epochs_done() == 10_000


@pytest.mark.parametrize(
    "config",
    [None, b"{}", b"[" * 100_000, json.dumps({"class_name": "Dense"}).encode()],
    ids=["none", "empty", "deep", "dense"],
)
def test_an_archive_that_is_no_model(tmp_path, config):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("metadata.json", b"{}")
        if config is not None:
            archive.writestr("config.json", config)
    with pytest.raises(Refusal, match=r"a\.keras holds no model that can be loaded .*: restore it"):
        load_model(tmp_path / "a.keras")


@pytest.mark.parametrize("name", ["../a.txt", "/tmp/a.txt", "plots/../../a.txt"])
def test_files_of_a_run_lie_inside_it(tmp_path, name):
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    for write in (lambda: run.write_lines(name, ["a"]), lambda: run.read_lines(name)):
        with pytest.raises(Refusal, match="must lie inside it"):
            write()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
