"""Good traffic goes on while others mean no good."""

import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest
import tensorflow as tf

from apps.common.exports import write_warmup_requests
from apps.common.signatures import WARMUP
from tests.apps.serve.soak import traffic
from tests.apps.serve.test_page import EXAMPLES, IMAGE, MODELS
from tests.apps.serve.test_server import Server

SECONDS = int(os.environ.get("SERVE_SOAK_SECONDS", 3600))  # of the long form
FOLDER = os.environ.get("SERVE_SOAK_MODELS")  # exports of your own
GOOD, HOSTILE = 48, 16  # clients
WAITING = 0.1  # seconds at most for an answer on health, for 99 of 100
TIMES = 3  # as long at most for a good answer as without the others, for 99 of 100
NOISE = 0.25  # seconds that a busy machine may add
# Five seconds hold a hundred answers on health, so 99 of 100 are all of them but one, and a machine
# that turns to other work for a moment is in them. What the short form has to find, answers that
# wait for a hostile one, takes seconds.
NOISE_OF_SECONDS = 1.0
LEVEL = 0.05  # of the memory, in the second half


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """One model for each form of the page, with an example, or the exports that are named."""
    if FOLDER:
        return Path(FOLDER)
    folder = tmp_path_factory.mktemp("soak")
    texts = {"text": [b"An example"]}
    examples = {**EXAMPLES, "probability": texts, "explained": texts, "strange": {"x": 1}}
    examples["caption"] = {"image": [IMAGE.getvalue()]}
    examples["sound"] = examples["speech"] = {"samples": [[0.0, 0.5]]}
    for name, (function, signature) in MODELS.items():
        traced = tf.function(function).get_concrete_function(**signature)
        path = folder / name / "1"
        tf.saved_model.save(tf.Module(), str(path), signatures={"serving_default": traced})
        endpoints = {"serving_default": (function, signature)}
        write_warmup_requests(path / WARMUP, name, endpoints, {"serving_default": examples[name]})
    return folder


@contextlib.contextmanager
def soak(models, log, seconds, settle):
    """Run traffic of both kinds; yield the server, and what was seen without and with them."""
    server = Server(models, log, "--timeout", "5", "--max-connections", "400")

    def run(seconds, hostile, seed=0):
        return asyncio.run(
            traffic(server.port, server.process.pid, seconds, GOOD, hostile, seed=seed)
        )

    try:
        if settle:
            run(settle, HOSTILE, seed=1)
        yield server, run(max(3, min(seconds // 4, 600)), 0), run(seconds, HOSTILE)
    finally:
        server.process.kill()
        server.process.wait()


def check(server, calm, seen, noise=NOISE, waiting=WAITING):
    print(summary("without the hostile", calm), summary("with them", seen), sep="\n")
    print(sorted(seen.hostile.items()))
    for found in (calm, seen):
        assert found.failed == []
        assert {status for _, status, _ in found.good} == {200}
    assert {status for _, status in seen.hostile} <= {200, 400, 408, 413, 429, 503, 504}
    assert seen.hostile.total() > 0
    assert "Traceback" not in server.log.read_text()
    # The machine may be busy with other tests, as the calm traffic shows.
    assert seen.percentile(0.99) <= TIMES * calm.percentile(0.99) + noise
    for share, longest in ((0.9, WAITING), (0.99, waiting)):
        waited = calm.percentile(share, calm.health)
        assert seen.percentile(share, seen.health) <= max(longest, TIMES * waited)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 6


def summary(name, seen):
    return (
        f"{name}: {len(seen.good):,} good answers, p50 {seen.percentile(0.5):.3f} s, p99 "
        f"{seen.percentile(0.99):.3f} s; health p99 {seen.percentile(0.99, seen.health):.3f} s; "
        f"memory {seen.memory[len(seen.memory) // 2]:,} to {seen.memory[-1]:,} MiB"
    )


def test_good_traffic_goes_on_for_seconds(models, tmp_path):
    with soak(models, tmp_path / "log", 5, 0) as found:
        check(*found, noise=NOISE_OF_SECONDS, waiting=NOISE_OF_SECONDS)


@pytest.mark.slow
def test_good_traffic_goes_on_for_an_hour(models, tmp_path):
    """Its length is the environment variable SERVE_SOAK_SECONDS."""
    with soak(models, tmp_path / "log", SECONDS, 60) as found:
        check(*found)
    late = found[2].memory[len(found[2].memory) // 2 :]
    quarter = len(late) // 2
    first, last = (sorted(half)[len(half) // 2] for half in (late[:quarter], late[quarter:]))
    assert last <= (1 + LEVEL) * first
