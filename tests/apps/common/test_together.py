"""How an application joins the other processes of a training, here without any."""

import json
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.common import together
from apps.common.refusal import Refusal
from apps.common.together import (
    as_one_process,
    check_same_batches,
    join_workers,
    missing_workers_refused,
)
from apps.common.training import load_callbacks
from apps.common.workers import SIZES, THREADS
from rnnlayers import distribute


@dataclass(frozen=True)
class Settings:
    batch_size: int = 8


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    for name in ("TF_CONFIG", THREADS, together.START_TIMEOUT, *SIZES):
        monkeypatch.delenv(name, raising=False)


def test_a_process_alone_works_in_the_folder_of_the_run(tmp_path):
    assert join_workers(tmp_path / "run", Settings(), 1) == tmp_path / "run"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("workers", "environment", "words"),
    [
        (0, {}, "workers must be at least 1; received 0"),
        (2, {}, "the number of processes that were started, 1, or be left out; received 2"),
        (1, {"TF_CONFIG": "{"}, "TF_CONFIG must be JSON with the cluster and the task"),
        (1, {"RNNLAYERS_START_TIMEOUT": "soon"}, "must be a number of seconds; received 'soon'"),
    ],
)
def test_mistakes(tmp_path, monkeypatch, workers, environment, words):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Refusal, match=words):
        join_workers(tmp_path, Settings(), workers)


def test_a_chief_that_never_comes_is_one_line(tmp_path, monkeypatch):
    task = {"type": "worker", "index": 1}
    cluster = {"cluster": {"worker": ["127.0.0.1:9", "127.0.0.1:10009"]}, "task": task}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    monkeypatch.setenv(together.START_TIMEOUT, "1")
    with pytest.raises(Refusal, match=r"process 1 did not reach the chief at 127.0.0.1:9 within 1"):
        join_workers(tmp_path, Settings(), 1)


def test_the_others_get_what_a_training_reads_of_the_run(tmp_path):
    run, kept = tmp_path / "run", {"settings.json", "history.csv", "member_1/model.keras"}
    kept |= {"checkpoints/epoch_0001.keras", "characters.txt"}
    others = {"training.lock", "tensorboard/train/events.txt", "plots/a.json", "cache/rows.csv"}
    others |= {".12-settings.json"}  # left by a kill
    for name in kept | others:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(name)
    copy = together._unpacked(together._packed(run), tmp_path / "copy")
    found = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    assert found == kept
    assert all((copy / name).read_text() == name for name in kept)
    assert (copy / "plots").is_dir()  # a run that is resumed expects its folders


def test_of_a_new_run_there_is_nothing(tmp_path):
    folder = together._unpacked(together._packed(tmp_path / "absent"), tmp_path / "copy")
    assert not folder.exists()


def test_a_process_that_is_gone_is_one_line(monkeypatch):
    error = tf.errors.UnavailableError(None, None, "first line\nrecvmsg:Connection reset by peer")
    with pytest.raises(tf.errors.UnavailableError), missing_workers_refused():
        raise error  # of one process: some other fault
    monkeypatch.setattr(distribute, "size", lambda: 2)
    with pytest.raises(Refusal) as refusal, missing_workers_refused():
        raise error
    assert "another of the 2 processes has ended" in str(refusal.value)
    assert "(UnavailableError: recvmsg:Connection reset by peer)" in str(refusal.value)


def test_other_data_are_refused(monkeypatch):
    """What each process would find of its own data, compared as if they were gathered."""
    first = np.arange(6.0).reshape(3, 2)
    datas = [first, first + np.eye(3, 2), first]
    found = []
    monkeypatch.setattr(distribute, "size", lambda: 3)
    monkeypatch.setattr(distribute, "gather", lambda n, name: [found.append(n) or n] * 3)
    for data in datas:
        check_same_batches(training=tf.data.Dataset.from_tensor_slices(data).batch(2))
    more = tf.data.Dataset.from_tensor_slices(np.concatenate([first, first])).batch(2)
    check_same_batches(training=more)  # the same first batch, and another number of them
    assert found[0] == found[2] not in (found[1], found[3])
    monkeypatch.setattr(distribute, "gather", lambda n, name: found[:3])
    with pytest.raises(Refusal, match="worker 1 has other validation data than worker 0"):
        check_same_batches(validation=more)


def test_callbacks_of_the_user_are_the_chiefs(monkeypatch):
    assert len(load_callbacks(["keras.callbacks:TerminateOnNaN"])) == 1
    monkeypatch.setattr(distribute, "is_chief", lambda: False)
    assert load_callbacks(["keras.callbacks:TerminateOnNaN"]) == []


def test_checkpoints_are_those_of_one_process(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.25), "mse")
    wrapped = model.optimizer = distribute.DistributedOptimizer(model.optimizer)
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    with as_one_process(model):
        model.save(tmp_path / "model.keras")
    assert model.optimizer is wrapped
    loaded = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert type(loaded) is keras.optimizers.Adam
    assert int(loaded.iterations) == 1
    for ours, theirs in zip(wrapped.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
