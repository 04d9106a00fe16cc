"""Every tutorial runs as it stands, and what it claims is asserted in its cells tagged `check`."""

import re
import runpy

import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import tensorflow as tf

from docs.site.tutorials import drop_logs, find_tutorials

TUTORIALS = find_tutorials()
QUICK = {"2_backpropagation_through_time"}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=() if path.stem in QUICK else pytest.mark.slow)
        for path in TUTORIALS
    ],
)
def test_tutorial_runs(path, tmp_path, monkeypatch, in_process):
    mpl.use("agg")
    monkeypatch.chdir(tmp_path)
    keras.backend.clear_session()
    runpy.run_path(str(path))
    plt.close("all")
    assert not tf.config.functions_run_eagerly(), "a tutorial leaves TensorFlow as it found it"


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_checks_what_it_claims(path):
    checks = re.findall(r"# %%.*tags=\[\"check\"\].*\n((?:(?!# %%).*\n)+)", path.read_text("utf-8"))
    assert checks, "a cell with the tag `check` asserts what the text says"
    assert all("assert" in check for check in checks)


def test_tutorials_come_in_the_order_of_their_numbers():
    numbers = [int(path.stem.partition("_")[0]) for path in TUTORIALS]
    assert numbers == list(range(1, len(numbers) + 1))


def test_what_tensorflow_logs_is_not_on_the_page():
    log, printed = "INFO:tensorflow:Assets written to: /tmp/assets\n", "INFO of mine\n"
    outputs = [{"name": name, "text": log + printed} for name in ("stdout", "stderr")]
    assert [output["text"] for output in drop_logs(outputs)] == [printed]
