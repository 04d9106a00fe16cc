"""The one list of cases that feeds every suite. A new cell adds one entry."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import rnnlayers
from rnnlayers.testing.numbers import EVERY_PATTERN
from tests import equations


@keras.saving.register_keras_serializable(package="tests")
def bent(x):
    """An activation that Keras does not know by name."""
    return 0.5 * ops.tanh(x) + 0.25 * x


@dataclass(frozen=True)
class Case:
    """A cell with arguments, and what it must agree with.

    Every suite runs every case, except where options of layers are tested and not arguments of
    cells: there a `variant`, whose step is computed as that of another case, would show nothing
    more.
    """

    name: str
    cell: type[rnnlayers.RecurrentCell]
    layer: type[rnnlayers.Recurrent] | None  # None: `Recurrent` runs the cell
    equation: Callable[..., tuple[np.ndarray, ...]]  # one step in NumPy: tests/equations.py
    keras_layer: type[keras.Layer] | None = None  # the twin in Keras, where there is one
    arguments: dict[str, Any] = field(default_factory=dict)
    variant: bool = False

    def __str__(self) -> str:
        return self.name

    def make_cell(self, units=4, **options):
        return self.cell(units, **{**self.arguments, **options})

    def make_layer(self, units=4, **options):
        options = {**self.arguments, **options}
        if self.layer is not None:
            return self.layer(units, **options)
        names = inspect.signature(self.cell).parameters
        of_cell = {name: options[name] for name in options if name in names or name == "dtype"}
        of_layer = {name: options[name] for name in options if name not in names}
        return rnnlayers.Recurrent(self.cell(units, **of_cell), **of_layer)

    def make_keras_layer(self, units=4, **options):
        return self.keras_layer(units, **{**self.arguments, **options})

    def make_twins(self, features=3, batch=None, **options):
        """Return our layer and the Keras layer of the same options and random weights."""
        ours, theirs = self.make_layer(**options), self.make_keras_layer(**options)
        randomize(ours, features, batch)
        theirs.build((batch, None, features))
        theirs.set_weights(ours.get_weights())
        return ours, theirs

    def step(self, cell):
        """Return the cell's step in NumPy float64: `(x, states) -> states`."""
        return equations.bind(self.equation, cell)


ELMAN = (rnnlayers.ElmanCell, rnnlayers.Elman, equations.elman, keras.layers.SimpleRNN)
LSTM = (rnnlayers.LSTMCell, rnnlayers.LSTM, equations.lstm, keras.layers.LSTM)
GRU = (rnnlayers.GRUCell, rnnlayers.GRU, equations.gru, keras.layers.GRU)

CASES = [
    Case("elman", *ELMAN),
    Case("elman-relu", *ELMAN, {"activation": "relu"}, variant=True),
    Case(
        "elman-sigmoid-no-bias",
        *ELMAN,
        {"activation": "sigmoid", "use_bias": False},
        variant=True,
    ),
    Case("elman-callable", *ELMAN, {"activation": bent}, variant=True),
    Case("lstm", *LSTM),
    Case(
        "lstm-no-bias",
        *LSTM,
        {"use_bias": False, "recurrent_activation": "hard_sigmoid"},
        variant=True,
    ),
    Case("lstm-callable", *LSTM, {"activation": bent, "unit_forget_bias": False}, variant=True),
    Case("gru", *GRU),
    Case("gru-no-bias", *GRU, {"use_bias": False, "activation": "relu"}, variant=True),
    Case("gru-reset-before", *GRU, {"reset_after": False}),
    Case(
        "gru-reset-before-no-bias",
        *GRU,
        {"reset_after": False, "use_bias": False, "recurrent_activation": "hard_sigmoid"},
        variant=True,
    ),
]
BY_NAME = {case.name: case for case in CASES}
CORE = [case for case in CASES if not case.variant]
NAMED = [case for case in CORE if case.layer is not None]
TWINS = [case for case in CASES if case.keras_layer is not None]
CORE_TWINS = [case for case in CORE if case.keras_layer is not None]

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_core = pytest.mark.parametrize("case", CORE, ids=str)
each_named = pytest.mark.parametrize("case", NAMED, ids=str)
each_twin = pytest.mark.parametrize("case", TWINS, ids=str)
each_core_twin = pytest.mark.parametrize("case", CORE_TWINS, ids=str)


def in_turn(cases, options):
    """Pair each case with one of the options, so that each of both occurs; not their product."""
    pairs = max(len(cases), len(options))
    return [(cases[i % len(cases)], options[i % len(options)]) for i in range(pairs)]


def some(values, quick=1):
    """Return parameters of which the first ones are quick, and the others slow tests."""
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            marks=() if number < quick else pytest.mark.slow,
        )
        for number, value in enumerate(values)
    ]


def randomize(layer, features=3, batch=None, seed=0):
    """Build a layer or a cell with random weights: constant ones cannot show a swapped gate."""
    if not layer.built:
        layer.build((batch, None, features))
    rng = np.random.default_rng(seed)
    layer.set_weights([0.5 * rng.normal(size=weight.shape) for weight in layer.weights])
    return layer


def sample(batch=6, timesteps=6, features=3, dtype="float32", seed=1):
    """Return random sequences `(batch, timesteps, features)`."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, timesteps, features)).astype(dtype)


def sample_states(layer, batch=6, dtype="float32", seed=2):
    """Return random states `(batch, size)`, one for each state of the layer."""
    rng = np.random.default_rng(seed)
    sizes = [state.shape[-1] for state in layer.get_initial_state(1)]
    return [rng.normal(size=(batch, size)).astype(dtype) for size in sizes]


MASKS = {
    "no mask": None,
    "every pattern": EVERY_PATTERN,
    "all masked": np.zeros_like(EVERY_PATTERN),
}
each_mask = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
