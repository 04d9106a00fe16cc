"""Measure and draw reach.svg: how far gradients reach while networks are trained.

    python docs/figures/make_reach.py            # some three minutes
    python docs/figures/make_reach.py --draw     # draw the figures of the last run again

Above, an Elman network and an LSTM on the adding problem: the inputs are 200 random numbers, two of
them marked, and the target is the sum of these two. Below, a network whose gradients explode, with
and without clipping. reach.json has the numbers and the advice that the callback gave.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[2]))

import keras
import matplotlib as mpl
import numpy as np

mpl.use("svg")
import matplotlib.pyplot as plt

import rnnlayers
from rnnlayers.diagnostics import GradientFlow
from rnnlayers.optimizers import ClipByGlobalNorm

FOLDER = Path(__file__).parent
TIME, ROWS, UNITS, STEPS, EVERY = 200, 32, 32, 4000, 100
COLORS = {"Elman": "#e08e3c", "LSTM": "#2c6fad", "LSTM for long spans": "#3f8f5f"}
GUESSING = 1 / 6  # the error of a network that always answers 1: the variance of the sum


def adding(rng, rows):
    """Return `(rows, TIME, 2)` numbers with marks, and the sums of the two that are marked."""
    values, marks = rng.uniform(size=(rows, TIME)), np.zeros((rows, TIME))
    places = rng.integers(0, TIME // 2, rows), rng.integers(TIME // 2, TIME, rows)
    for place in places:
        marks[np.arange(rows), place] = 1
    sums = (values * marks).sum(1, keepdims=True)
    return np.stack([values, marks], -1).astype("float32"), sums.astype("float32")


def batches(rng):
    """Yield batches without end."""
    while True:
        yield adding(rng, ROWS)


def train(layer, optimizer, steps, every):
    """Train a network on the adding problem, and return what the callback saw."""
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(3)
    x, y = adding(rng, 64)
    model = keras.Sequential([keras.Input((TIME, 2)), layer, keras.layers.Dense(1)])
    model.compile(optimizer, loss="mse")
    watch = GradientFlow(x, y, every, tell=None)
    model.fit(batches(rng), steps_per_epoch=steps, verbose=0, callbacks=[watch])

    def values(name):
        found = [row[f"gradients/{name}"] for row in watch.history]
        return [value if np.isfinite(value) else None for value in found]  # JSON has no NaN

    return {
        "step": [row["step"] for row in watch.history],
        "error": values("loss"),
        "gradient_norm": values("gradient_norm"),
        "reach": values(f"{layer.name}/reach"),
        "growth": values(f"{layer.name}/growth"),
        "advice": watch.advice,
    }


def clipped(optimizer):
    """Return an optimizer that clips, and skips steps that are lost."""
    return rnnlayers.ClippedOptimizer(optimizer, ClipByGlobalNorm(1.0), non_finite="skip")


def exploding_layer():
    """Return a network whose state and gradient grow by 3 % a step at first."""
    kernel = keras.initializers.Identity(gain=1.03)
    return rnnlayers.Elman(UNITS, "relu", recurrent_initializer=kernel, name="elman")


def for_long_spans(rng):
    """Return an LSTM whose units begin with time constants of 1 to TIME steps.

    The bias of the forget gate is log(u), u uniform from 1 to TIME - 1, and that of the input gate
    -log(u) (Tallec and Ollivier, 2018, Can recurrent neural networks warp time?, equation 16).
    """
    forget = np.log(rng.uniform(1, TIME - 1, UNITS))
    bias = np.concatenate([-forget, forget, np.zeros(2 * UNITS)])

    def initializer(shape, dtype=None):
        return keras.ops.convert_to_tensor(bias, dtype)

    return rnnlayers.LSTM(UNITS, bias_initializer=initializer, unit_forget_bias=False, name="lstm")


def measure():
    """Return what five trainings gave."""
    networks = {
        "Elman": rnnlayers.Elman(UNITS, name="elman"),
        "LSTM": rnnlayers.LSTM(UNITS, name="lstm"),
        "LSTM for long spans": for_long_spans(np.random.default_rng(3)),
    }
    optimizers = {
        "not clipped": keras.optimizers.SGD(0.01),
        "clipped": clipped(keras.optimizers.SGD(0.01)),
    }
    return {
        "adding": {
            name: train(layer, clipped(keras.optimizers.Adam(3e-3)), STEPS, EVERY)
            for name, layer in networks.items()
        },
        "exploding": {
            name: train(exploding_layer(), optimizer, 150, 1)
            for name, optimizer in optimizers.items()
        },
    }


def draw(found):
    """Return a picture of reach and error over training, and of both runs that may explode."""
    figure, ((reach, error), (norm, loss)) = plt.subplots(
        2, 2, figsize=(8.4, 5.6), layout="constrained"
    )
    for name, run in found["adding"].items():
        style = {"color": COLORS[name], "label": name, "lw": 1.6}
        reach.plot(run["step"], run["reach"], **style)
        error.plot(run["step"], run["error"], **style)
    reach.set(
        ylabel="steps back until 1 % is left", ylim=(0, 1.1 * TIME), title="Adding problem: reach"
    )
    error.axhline(GUESSING, color="grey", ls="--", lw=1, label="a network that guesses")
    error.set(ylabel="mean squared error", yscale="log", title="Adding problem: error")
    for (name, run), color in zip(found["exploding"].items(), COLORS.values(), strict=False):
        style = {"color": color, "label": name, "lw": 1.6, "marker": ".", "ms": 3}
        if run["error"][-1] is None:  # the run ends where it begins
            style |= {"marker": "X", "ms": 9, "ls": "", "zorder": 3}
            style["label"] += ": NaN from the next step on"
        for axes, what in ((norm, "gradient_norm"), (loss, "error")):
            axes.plot(run["step"], [np.nan if v is None else v for v in run[what]], **style)
    norm.set(ylabel="norm of the gradient", yscale="log", title="Exploding: the gradient")
    loss.set(ylabel="mean squared error", yscale="log", title="Exploding: the error")
    for axes in (reach, error, norm, loss):
        axes.set_xlabel("steps of training")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure


if __name__ == "__main__":
    path = FOLDER / "reach.json"
    if "--draw" not in sys.argv:
        path.write_text(json.dumps(measure(), indent=1) + "\n")
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "reach"}):
        figure = draw(json.loads(path.read_text()))
        figure.savefig(FOLDER / "reach.svg", metadata={"Date": None})
