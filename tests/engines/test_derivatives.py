"""Derivatives of the compiled engine: of cells that bring none, and all against differences."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnlayers
from rnnlayers.cells import ElmanCell, GRUCell
from rnnlayers.engines.derivatives import AutomaticDerivative, OwnDerivative
from tests.cases import MASKS, each_case, sample, sample_states
from tests.engines import custom_cells
from tests.engines.test_plan import plan_of
from tests.engines.twins import assert_engines_agree, twins

pytestmark = pytest.mark.usefixtures("either_way")

CELLS = {
    "softmax": (functools.partial(ElmanCell, activation="softmax"), AutomaticDerivative),
    "no known slope": (functools.partial(GRUCell, activation=ops.sin), AutomaticDerivative),
    "reads a weight": (custom_cells.PeepholeCell, AutomaticDerivative),
    "units meet": (custom_cells.LayerNormLSTMCell, AutomaticDerivative),
    "second product": (custom_cells.DeepCell, AutomaticDerivative),
    "step extended": (custom_cells.CoupledCell, AutomaticDerivative),
    "products changed": (custom_cells.DampedCell, AutomaticDerivative),
    "read": (custom_cells.ReadingCell, AutomaticDerivative),
    "states of two sizes": (custom_cells.ProjectedLSTMCell, AutomaticDerivative),
    "diagonal": (custom_cells.DiagonalCell, AutomaticDerivative),
    "blocks": (custom_cells.BlockCell, AutomaticDerivative),
    "many parts": (custom_cells.ManyPartsCell, AutomaticDerivative),
    "a product for nothing": (custom_cells.IgnoringCell, AutomaticDerivative),
    "noise": (custom_cells.NoisyCell, AutomaticDerivative),
    "by hand": (custom_cells.TwiceCell, OwnDerivative),
    "only a name": (custom_cells.RenamedCell, OwnDerivative),
}


def make(cell, engine, **options):
    """Return a layer; under dropout, most operands of products are no states."""
    drops = not issubclass(getattr(cell, "func", cell), custom_cells.PlainCell)
    dropout = {"recurrent_dropout": 0.4, "seed": 5} if drops else {}
    cell = cell(4, dtype="float64", **dropout)
    return rnnlayers.Recurrent(cell, engine=engine, dtype="float64", **options)


def double(layer):
    return sample(dtype="float64"), sample_states(layer, dtype="float64")


@pytest.mark.parametrize(("cell", "derivative"), CELLS.values(), ids=CELLS.keys())
def test_any_cell_equals_stepwise(cell, derivative):
    layers = twins(functools.partial(make, cell), return_sequences=True, return_state=True)
    call = {"mask": MASKS["every pattern"], "training": True}
    assert_engines_agree(layers, *double(layers[0]), dtype="float64", **call)
    assert type(plan_of(layers[0].cell).derivative) is derivative


@pytest.mark.parametrize(
    "cell",
    [
        custom_cells.ManyPartsCell,
        custom_cells.NoisyCell,
        custom_cells.PeepholeCell,
        custom_cells.ReadingCell,
    ],
)
def test_it_equals_stepwise_in_segments_too(cell):
    options = {"return_sequences": True, "remat": 4, "go_backwards": True}
    layers = twins(functools.partial(make, cell), **options)
    call = {"mask": MASKS["every pattern"], "training": True}
    assert_engines_agree(layers, *double(layers[0]), dtype="float64", **call)


@each_case
def test_gradients_are_the_limits_of_differences(case):
    layer, _ = twins(case.make_layer, dtype="float64", return_sequences=True, return_state=True)
    mask = MASKS["every pattern"][3:5]
    x, states = sample(2, dtype="float64"), sample_states(layer, 2, "float64")
    origin = [x, *states, *layer.get_weights()]
    rng = np.random.default_rng(7)
    directions = [rng.normal(size=value.shape) for value in origin]

    def slopes(distance):
        """Return the loss at a distance along the directions, and its gradients there."""
        moved = [v + distance * d for v, d in zip(origin, directions, strict=True)]
        layer.set_weights(moved[1 + len(states) :])
        x, *starts = (tf.constant(value) for value in moved[: 1 + len(states)])
        with tf.GradientTape() as tape:
            tape.watch([x, starts])
            outputs = layer(x, initial_state=starts, mask=mask)
            loss = tf.add_n([tf.reduce_sum(output**2) for output in outputs])
        weights = [variable.value for variable in layer.trainable_variables]
        return loss, tape.gradient(loss, [x, *starts, *weights])

    _, gradients = slopes(0.0)
    ours = sum(np.sum(g * d) for g, d in zip(gradients, directions, strict=True))
    expected = (slopes(1e-6)[0] - slopes(-1e-6)[0]) / 2e-6
    np.testing.assert_allclose(ours, expected, rtol=1e-7)
