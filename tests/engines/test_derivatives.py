"""Derivatives of the compiled engine: of cells that bring none, and all against differences."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnlayers
from rnnlayers.cells import ElmanCell, GRUCell
from rnnlayers.engines.derivatives import AutomaticDerivative, OwnDerivative, derivative_of
from tests.cases import MASKS, each_case, sample, sample_states
from tests.engines import custom_cells
from tests.engines.twins import assert_engines_agree, twins

pytestmark = pytest.mark.usefixtures("either_way")

CELLS = {
    "softmax": (functools.partial(ElmanCell, activation="softmax"), AutomaticDerivative),
    "no known slope": (functools.partial(GRUCell, activation=ops.sin), AutomaticDerivative),
    "reads a weight": (custom_cells.PeepholeCell, AutomaticDerivative),
    "units meet": (custom_cells.LayerNormLSTMCell, AutomaticDerivative),
    "second product": (custom_cells.DeepCell, AutomaticDerivative),
    "step overridden": (custom_cells.LazyCell, AutomaticDerivative),
    "recur overridden": (custom_cells.DampedCell, AutomaticDerivative),
    "update overridden": (custom_cells.CoupledCell, AutomaticDerivative),
    "gates overridden": (custom_cells.HalvedCell, AutomaticDerivative),
    "derivative overridden": (custom_cells.ShiftedCell, OwnDerivative),
    "only a name": (custom_cells.RenamedCell, OwnDerivative),
}


def make(cell, engine, recurrent_dropout=0.0, dtype=None, **options):
    cell = cell(4, recurrent_dropout=recurrent_dropout, seed=5, dtype=dtype)
    return rnnlayers.Recurrent(cell, engine=engine, dtype=dtype, **options)


@pytest.mark.parametrize(("cell", "derivative"), CELLS.values(), ids=CELLS.keys())
def test_any_cell_equals_stepwise(cell, derivative):
    options = {"return_sequences": True, "return_state": True, "recurrent_dropout": 0.4}
    layers = twins(functools.partial(make, cell), **options)
    call = {"mask": MASKS["every pattern"], "training": True}
    assert_engines_agree(layers, states=sample_states(layers[0]), **call)
    built = layers[0].cell
    assert type(derivative_of(built, [], not built.is_cut_in_three)) is derivative


@pytest.mark.parametrize("options", [{}, {"remat": 4, "go_backwards": True}], ids=str)
def test_units_of_a_row_may_meet(options):
    make_layer = functools.partial(make, custom_cells.LayerNormLSTMCell)
    layers = twins(make_layer, dtype="float64", return_sequences=True, **options)
    x, states = sample(dtype="float64"), sample_states(layers[0], dtype="float64")
    assert_engines_agree(layers, x, states, dtype="float64", mask=MASKS["every pattern"])


@pytest.mark.parametrize("remat", [None, 4])
def test_weights_that_a_step_reads(remat):
    layers = twins(
        functools.partial(make, custom_cells.PeepholeCell), remat=remat, go_backwards=True
    )
    assert_engines_agree(layers, mask=MASKS["every pattern"])


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
