"""The errors of the accuracy page, and what the family suite measures with."""

import os

import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from benchmarks import __main__ as command_line
from benchmarks.accuracy import (
    compared_twin,
    error,
    error_against_equations,
    errors_against_twin,
)
from benchmarks.products import ProductsCell
from benchmarks.suites import accuracy
from benchmarks.torch_process import VARIABLE, TorchProcess
from benchmarks.twins import TWINS
from rnnlayers.cells.parts import for_step
from tests.family import EVERY, some


@pytest.fixture(scope="module")
def torch():
    if VARIABLE not in os.environ:
        pytest.skip(f"set {VARIABLE} to run")
    with TorchProcess(os.environ[VARIABLE]) as process:
        yield process


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("dtype", accuracy.BOUNDS)
@some(EVERY, 24)
def test_long_sequences_have_the_numbers_of_the_equations(member, dtype):
    assert error_against_equations(member, dtype) < accuracy.BOUNDS[dtype]


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("member", [m for m in EVERY if m.cell.__name__ in TWINS], ids=str)
def test_a_second_implementation_has_the_same_numbers(member, torch):
    twin = compared_twin(member)
    if twin is None:
        pytest.skip("its equations are other ones")
    outputs, gradients = errors_against_twin(member, torch)
    assert outputs < 1e-12
    assert gradients < twin.bound


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", ["NASCell", "LEMCell"])
def test_a_second_implementation_that_is_said_to_differ_does(name, torch, monkeypatch):
    monkeypatch.setitem(TWINS, name, TWINS[name]._replace(differs=""))
    (member,) = (member for member in EVERY if str(member) == name)
    assert min(errors_against_twin(member, torch)) > 1e-3


def test_every_twin_is_that_of_a_member():
    assert set(TWINS) <= {member.cell.__name__ for member in EVERY}


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [([1, 2], [1, 4], 0.5), ([0, 0.1], [0, 0], 0.1), ([np.nan], [0], np.inf), ([-5], [0], 5)],
)
def test_an_error_is_relative_to_the_largest_number(ours, theirs, expected):
    assert error(ours, theirs) == expected


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["accuracy", "family"])
def test_a_suite_of_all_cells_runs_for_some(suite, tmp_path, capsys):
    command_line.main(
        [suite, "--quick", "--only", "LayerNormLSTM", "MinGRU", "--to", str(tmp_path)]
    )
    page = (tmp_path / f"{suite}.md").read_text()
    assert "| LayerNormLSTMCell" in page
    assert "| MinGRUCell" in page
    assert "| LSTMCell" not in page


def test_cells_that_do_not_exist_are_refused(capsys):
    with pytest.raises(SystemExit):
        command_line.main(["family", "--only", "NoSuch"])
    assert "MinGRU" in capsys.readouterr().err


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "make",
    [
        lambda: rnnlayers.LSTMCell(4),
        lambda: rnnlayers.MogrifierLSTMCell(4, rounds=2),
        lambda: rnnlayers.JordanCell(4, hidden_units=6),
    ],
)
def test_products_alone_are_those_of_the_cell(make):
    cell = make()
    layer = rnnlayers.Recurrent(ProductsCell(cell), return_sequences=True)
    layer.build((None, 5, 3))
    calls = []

    def product(v, name=""):
        calls.append((name, v.shape[-1]))
        return cell.products()[name].cut(cell.products()[name].of(v))

    states = tuple(cell.get_initial_state(2))
    x, constants = cell.prepare(tf.ones((1, 2, 3)))
    cell.step(for_step(x, lambda tensor: tensor[0]), states, product, constants)
    assert [(name, size) for name, size, _ in layer.cell.calls] == calls
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 5, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x)
    kernels = [product.kernel.value for product in cell.products().values()]
    gradients = tape.gradient(outputs, [x, cell.kernel.value, *kernels])
    assert all(np.any(gradient) for gradient in gradients)
