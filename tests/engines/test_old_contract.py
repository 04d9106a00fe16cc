"""Cells of the contract before version 0.2 go on working, and say what to change."""

import inspect
import warnings

import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers import GRUCell, LSTMCell, Recurrent
from tests.cases import MASKS, each_core, randomize, sample, sample_states
from tests.engines import custom_cells
from tests.engines.twins import assert_engines_agree
from tests.numbers import assert_same

with pytest.warns(DeprecationWarning, match="before version 0.2") as WARNINGS:
    from tests.engines import old_cells

pytestmark = pytest.mark.usefixtures("eagerly")

CELLS = [
    cell
    for cell in vars(old_cells).values()
    if inspect.isclass(cell) and cell.__module__ == old_cells.__name__
]
CALL = {"mask": MASKS["every pattern"], "training": True}


def make(cell, engine, **options):
    cell = cell(4, dtype="float64", recurrent_dropout=0.4, seed=5)
    return Recurrent(cell, engine=engine, dtype="float64", **options)


def test_each_cell_is_named_in_a_warning():
    methods = ["update", "step", "step", "recur", "update", "update"]
    expected = [f"`{m}` of {cell.__name__}" for m, cell in zip(methods, CELLS, strict=True)]
    assert [str(warning.message).split(" belongs")[0] for warning in WARNINGS] == expected
    assert {warning.filename for warning in WARNINGS} == {old_cells.__file__}


@pytest.mark.parametrize("cell", CELLS)
def test_it_gives_the_numbers_of_the_cell_of_todays_contract(cell):
    options = {"return_sequences": True, "return_state": True}
    old, today = (
        randomize(make(c, engine, **options))
        for c, engine in ((cell, "compiled"), (getattr(custom_cells, cell.__name__), "stepwise"))
    )
    x, states = sample(dtype="float64"), sample_states(today, dtype="float64")
    assert_engines_agree([old, today], x, states, "float64", **CALL)


@pytest.mark.parametrize("cell", CELLS)
def test_one_step_of_it_is_that_of_the_cell_of_todays_contract(cell):
    old, today = (
        randomize(c(4, dtype="float64")) for c in (cell, getattr(custom_cells, cell.__name__))
    )
    x, states = sample(dtype="float64")[:, 0], sample_states(today, dtype="float64")
    assert_same(old(x, states), today(x, states), "float64")
    assert_same(old.step(old.project(x), states), today(x, states)[1], "float64")


@each_core
def test_the_cells_of_the_library_take_the_old_arguments(case):
    cell = randomize(case.make_cell())
    x, states = cell.project(sample()[:, 0]), tuple(map(tf.constant, sample_states(cell)))
    _, expected = cell(sample()[:, 0], list(states))
    assert_same(cell.step(x, states), expected)
    assert_same(cell.step(cell.split(x), states, tf.ones((6, 4))), expected)
    dropped = cell.step(x, states, recurrent_dropout_mask=tf.zeros((6, 4)))
    assert_same(dropped, cell.step(x, states, tf.zeros((6, 4))))
    assert np.max(np.abs(dropped[0] - expected[0])) > 0.01
    if len(cell.products()) == 1:
        assert_same(cell.update(x, cell.recur(states[0]), states), expected)


def test_what_no_step_calls_any_more_is_refused():
    with pytest.raises(TypeError, match="Halved defines `activate`, which no step calls"):

        class Halved(LSTMCell):
            def activate(self, projected, recurrent):
                return super().activate(projected, [0.5 * u for u in self.split(recurrent)])


def test_what_is_of_todays_contract_brings_no_warning():
    with warnings.catch_warnings(action="error"):

        class Today(GRUCell):
            def step(self, x, states, product, constants=()):
                return super().step(x, states, product, constants)


def test_a_cell_has_its_old_name():
    assert rnnlayers.RecurrentCell is rnnlayers.GatedCell
