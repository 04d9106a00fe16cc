"""The scan engine equals the stepwise engine, at lengths within, at and beyond its chunks."""

import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.engines.scan import CHUNK
from tests.cases import randomize, some
from tests.engines.twins import assert_engines_agree

CELLS = (rnnlayers.MinGRUCell, rnnlayers.SRUCell, rnnlayers.LRUCell)
OPTIONS = ({}, {"go_backwards": True}, {"truncate": 3})


def twins(cell, **options):
    options = {"return_sequences": True, "return_state": True, **options}
    return [
        randomize(
            rnnlayers.Recurrent(cell(4, dtype="float64"), engine=engine, dtype="float64", **options)
        )
        for engine in ("scan", "stepwise")
    ]


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("length", some([3 * CHUNK - 1, CHUNK, CHUNK + 1, 1], 2))
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.__name__)
def test_it_equals_stepwise(cell, length, options):
    layers = twins(cell, **options)
    rng = np.random.default_rng(0)
    states = [rng.normal(size=(3, size)) for size in layers[0].cell.state_sizes]
    mask = rng.random((3, length)) > 0.3
    mask[0] = False
    assert_engines_agree(
        layers, rng.normal(size=(3, length, 3)), states, "float64", mask=mask, training=True
    )


@pytest.mark.parametrize("training", [False, True])
def test_it_equals_stepwise_where_it_is_compiled(training):
    scan, stepwise = twins(rnnlayers.LRUCell)
    x = np.random.default_rng(0).normal(size=(3, 2 * CHUNK + 1, 3))
    outputs = [
        tf.function(lambda x, layer=layer: layer(x, training=training))(x)
        for layer in (scan, stepwise)
    ]
    for ours, theirs in zip(*outputs, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
