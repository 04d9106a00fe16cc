"""Every term of the derivatives written by hand counts: no change of one goes unnoticed.

Each test changes one function in every way that a slip of the pen would: a term or a factor left
out, a sign, a comparison or a choice turned round. The comparison with the stepwise engine must
see all of them.
"""

import ast
import copy
import functools
import inspect
from unittest import mock

import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.cells import slopes
from rnnlayers.cells.elman import ElmanDerivative
from rnnlayers.cells.gru import GRUDerivative, ResetBeforeDerivative
from rnnlayers.cells.lstm import LSTMDerivative
from rnnlayers.engines import compiled, program, segments
from tests.cases import CASES, MASKS, randomize, sample, sample_states
from tests.engines import custom_cells
from tests.numbers import assert_same, differentiate, differentiate_twice

MAKE = {case.name: case.make_layer for case in CASES}
ALL = {"return_sequences": True, "return_state": True, "recurrent_dropout": 0.4, "seed": 5}
MASKED = {"mask": MASKS["every pattern"], "training": True}


def of(cell):
    return lambda **options: rnnlayers.Recurrent(cell(4, dtype="float64"), **options)


# What the changed functions run through: a layer, its options and those of its call.
RUNS = {
    "elman": (MAKE["elman"], ALL, MASKED),
    "relu": (MAKE["elman-relu"], ALL, MASKED),
    "sigmoid": (MAKE["elman-sigmoid-no-bias"], {}, {"training": True}),
    "lstm": (MAKE["lstm"], ALL, MASKED),
    "gru": (MAKE["gru"], ALL, MASKED),
    "reset before": (MAKE["gru-reset-before"], ALL, MASKED),
    "many parts": (of(custom_cells.ManyPartsCell), {}, MASKED),
    "a product for nothing": (of(custom_cells.IgnoringCell), {}, MASKED),
    "product of a product": (of(custom_cells.TwiceCell), {}, {"training": True}),
    "blocks": (of(custom_cells.BlockCell), {}, {"training": True}),
    "backwards": (MAKE["gru"], {"go_backwards": True}, {}),
    "truncated": (MAKE["gru"], {**ALL, "truncate": 4, "remat": 2}, MASKED),
    "rematerialised": (MAKE["lstm"], {**ALL, "remat": 4, "go_backwards": True}, {"training": True}),
    "weights of its own": (of(custom_cells.PeepholeCell), {}, MASKED),
    "rematerialised weights": (of(custom_cells.PeepholeCell), {"remat": 4}, MASKED),
}
PADDED = {"padded": (MAKE["lstm"], ALL, MASKED), "padded backwards": RUNS["backwards"]}
# Those that notice most at the least cost come first: a change that is noticed is not run again.
CELLS = ("gru", "relu", "elman", "sigmoid", "lstm")
FIRST = ("elman", "padded backwards", "weights of its own")
PRODUCTS = ("product of a product", "blocks", "elman", "many parts")
EVERY = tuple(dict.fromkeys((*FIRST, *RUNS, *PADDED)))
TWICE = ("truncated twice", "rematerialised weights twice")
SEGMENTED = ("truncated", "rematerialised weights", "rematerialised", *TWICE)


@pytest.fixture(autouse=True)
def _eager():
    tf.config.run_functions_eagerly(True)  # changes of compiled functions would take minutes
    yield
    tf.config.run_functions_eagerly(False)


def differentiated(name, engine):
    """Return the results of a run; its layer is new, since a layer keeps what it has compiled."""
    once = name.removesuffix(" twice")
    make, options, call = {**RUNS, **PADDED}[once]
    layer = randomize(make(engine=engine, dtype="float64", **options))
    x, states = sample(dtype="float64"), [*map(tf.constant, sample_states(layer, dtype="float64"))]
    if once not in SEGMENTED:  # four steps show as much as six
        x, call = x[:, 1:5], call | ({"mask": call["mask"][:, 1:5]} if "mask" in call else {})
    x = tf.constant(x)
    if once != name:
        return differentiate_twice(layer, x, states, **call)
    padding = (lambda x: x.shape[0] + 3) if name in PADDED else compiled._length_to_pad_to
    with mock.patch.object(compiled, "_length_to_pad_to", padding):
        return differentiate(layer, x, states, **call)


@functools.cache
def expected(name):
    return differentiated(name, "stepwise")


def agrees(name):
    """Return whether the engines agree in a run."""
    try:
        assert_same(differentiated(name, "compiled"), expected(name), "float64")
    except Exception:  # a change may break anything
        return False
    return True


def alternatives(node):
    """Return what could stand in place of a node by mistake."""
    match node:
        case ast.BinOp(left, ast.Add() | ast.Mult() | ast.BitAnd(), right):
            return [left, right]
        case ast.BinOp(left, ast.Sub(), right):
            return [left, ast.BinOp(left, ast.Add(), right)]
        case ast.Compare(left, [ast.Gt() | ast.Lt() | ast.GtE() | ast.Eq()], _):
            return [ast.UnaryOp(ast.Not(), node)]
        case ast.IfExp(test, _, other) if "isinstance" in ast.unparse(test):
            return [other]  # `tf.concat` of one tensor is that tensor
        case ast.IfExp(_, one, other) if not {"None", "[]"} & {*map(ast.unparse, (one, other))}:
            return [one, other]
        case ast.Call(function, [condition, one, other], []) if "where" in ast.unparse(function):
            return [ast.Call(function, [condition, other, one], [])]
        case ast.keyword(str(name), ast.Constant(bool(flag))) if name.startswith("transpose"):
            return [ast.keyword(name, ast.Constant(not flag))]
    return []


class Replace(ast.NodeTransformer):
    def __init__(self, old, new):
        self.old, self.new = old, new

    def visit(self, node):
        return self.new if node is self.old else self.generic_visit(node)


def definition(owner, name):
    """Return the syntax tree of a name in a class or a module, and the module's names."""
    module = inspect.getmodule(owner)
    body = ast.parse(inspect.getsource(module)).body
    if inspect.isclass(owner):
        body = next(n for n in body if getattr(n, "name", "") == owner.__name__).body
    for node in body:
        if (
            getattr(node, "name", "") == name
            or getattr(getattr(node, "target", 0), "id", "") == name
        ):
            return node, dict(vars(module))
    raise LookupError(f"{name} of {owner}")


def create(tree, names, name):
    """Return the object that a syntax tree defines."""
    module = ast.fix_missing_locations(ast.Module([tree], []))
    exec(compile(module, "<changed>", "exec"), names)
    return names[name]


def mutants(owner, name):
    """Yield each change of a definition, in words, and what comes of it."""
    tree, names = definition(owner, name)
    for index, node in enumerate(ast.walk(tree)):
        for number in range(len(alternatives(node))):
            changed = copy.deepcopy(tree)
            old = list(ast.walk(changed))[index]
            new = alternatives(old)[number]
            words = f"{ast.unparse(old)}  ->  {ast.unparse(new)}"
            yield words, create(Replace(old, new).visit(changed), dict(names), name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "name", "runs"),
    [
        (slopes, "_SLOPES", CELLS),
        (ElmanDerivative, "linearize", ("elman",)),
        (ElmanDerivative, "pull_back", ("elman",)),
        (LSTMDerivative, "linearize", ("lstm",)),
        (LSTMDerivative, "pull_back", ("lstm",)),
        (GRUDerivative, "linearize", ("gru",)),
        (GRUDerivative, "pull_back", ("gru",)),
        (ResetBeforeDerivative, "linearize", ("reset before",)),
        (ResetBeforeDerivative, "pull_back", ("reset before",)),
        (program, "_shift", ("elman", "backwards", "padded backwards")),
        (program, "_kernel_gradient", PRODUCTS),
        (program.Program, "sum_over_time", PRODUCTS),
        (program.Program, "_backward", EVERY),
        pytest.param(segments, "_differentiable", SEGMENTED, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "__name__", value if isinstance(value, str) else ""),
)
def test_every_change_is_noticed(owner, name, runs, monkeypatch):
    tree, names = definition(owner, name)
    monkeypatch.setattr(owner, name, create(tree, names, name))
    assert all(agrees(run) for run in runs), "without any change"
    survivors = []
    for words, changed in mutants(owner, name):
        monkeypatch.setattr(owner, name, changed)
        if all(agrees(run) for run in runs):
            survivors.append(words)
    assert not survivors


def test_all_that_can_be_changed_is_found():
    found = [words for words, _ in mutants(LSTMDerivative, "pull_back")]
    assert "d_c + d_h * h_by_c  ->  d_c" in found
    assert len(found) == 2 * 7
