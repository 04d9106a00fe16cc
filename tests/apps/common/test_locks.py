"""One process at a time writes; a lock ends with its process, and with it what it left."""

import contextlib
import os
import signal
import subprocess
import sys
import threading

import pytest

from apps.common import locks
from apps.common.files import clear_abandoned, replacing
from apps.common.refusal import Refusal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no file system of POSIX")

# Neither imports TensorFlow, so a process is there at once.
HOLD = """
import sys, time
from pathlib import Path
from apps.common.locks import lock

held = lock(Path(sys.argv[1]))
print("ready", flush=True)
time.sleep(60)
"""
WRITE = """
import sys, time
from pathlib import Path
from apps.common.files import replacing

with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def other_process(code, file):
    """Run code in another process until it is ready, and kill it afterwards."""
    command = [sys.executable, "-c", code, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_a_lock_says_who_holds_it_and_ends_with_kill_9(tmp_path):
    file = tmp_path / "x.lock"
    with other_process(HOLD, file) as holder:
        words = rf"is in use by process {holder.pid} on .* since 20.*: wait until it ends"
        with pytest.raises(Refusal, match=words):
            locks.lock(file)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        held = locks.lock(file)
    assert f"process {os.getpid()} " in file.read_text()
    del held


def test_a_thread_may_take_its_own_lock_twice_and_another_may_not(tmp_path):
    file, refused = tmp_path / "x.lock", []

    def take():
        try:
            locks.lock(file)
        except Refusal:
            refused.append(True)

    held = locks.lock(file)
    assert locks.lock(file) is held
    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    assert refused == [True]
    del held
    take()
    assert refused == [True]


def test_a_lock_whose_file_was_removed_is_taken_on_the_new_one(tmp_path, monkeypatch):
    file, take = tmp_path / "x.lock", locks._take

    def take_after_removal(stream):
        take(stream)
        monkeypatch.setattr(locks, "_take", take)
        file.unlink()

    monkeypatch.setattr(locks, "_take", take_after_removal)
    with locks.open_locked(file) as stream:
        assert os.path.samestat(os.fstat(stream.fileno()), file.stat())


def test_a_file_system_without_locks(tmp_path, monkeypatch, capsys):
    def take(stream):
        raise OSError(locks.WITHOUT_LOCKS[0], "not supported")

    monkeypatch.setattr(locks, "_take", take)
    assert locks.lock(tmp_path / "x.lock")
    assert "has no locks; make sure that no other process writes there" in capsys.readouterr().out
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
        clear_abandoned(tmp_path)
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_what_a_killed_writer_left_is_removed_and_what_one_writes_is_not(tmp_path):
    inner = tmp_path / "run" / "plots"
    inner.mkdir(parents=True)
    for name in (".hidden", ".12-", "12-a.txt", ".12x-a.txt"):  # none of ours
        (inner / name).touch()
    kept = set(inner.iterdir())
    with other_process(WRITE, inner / "dead.txt") as dead:
        dead.kill()
        dead.wait()
        (inner / f".{os.getpid()}-of_another_container.txt").touch()
        with other_process(WRITE, inner / "alive.txt") as alive:
            assert len(set(inner.iterdir()) - kept) == 3
            clear_abandoned(tmp_path)
            (left,) = set(inner.iterdir()) - kept
            assert left.name == f".{alive.pid}-alive.txt"
            assert left.read_text() == "half"
    clear_abandoned(tmp_path)
    assert set(inner.iterdir()) == kept


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    words = r"No space left on device: '.*/a\.txt'"
    with pytest.raises(OSError, match=words) as caught, replacing(tmp_path / "a.txt"):
        raise OSError(28, "No space left on device")
    assert caught.value.errno == 28
    with pytest.raises(FileNotFoundError, match="other"), replacing(tmp_path / "a.txt"):
        (tmp_path / "other").read_text()
    assert not list(tmp_path.iterdir())
