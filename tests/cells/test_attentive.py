"""One step of a decoder that attends: its equations, its states, and the rows of a beam."""

import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers import AdditiveAttention, AttentionCell, MultiplicativeAttention
from rnnlayers.testing.contract import check_configuration
from tests import attention_equations as equations
from tests.cases import BY_NAME, CORE
from tests.cells.test_attention import bind, randomized
from tests.numbers import assert_same, refused

FEATURES, SIZE, UNITS = 3, 5, 4
WAYS = {
    "after": {},
    "input feeding": {"input_feeding": True},
    "before": {"attend": "before"},
}
SCORES = {"general": equations.general, "additive": equations.additive}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
each_score = pytest.mark.parametrize("score", SCORES)


def make(
    case=BY_NAME["lstm"], score="general", units=6, dtype="float64", seed=0, inner=(), **options
):
    """Return a built cell of random weights."""
    inner = case.make_cell(UNITS, dtype=dtype, **dict(inner))
    attention = AdditiveAttention(5, dtype=dtype) if score == "additive" else score
    cell = AttentionCell(inner, attention, units, dtype=dtype, **options)
    cell.build((None, FEATURES), (None, None, SIZE))
    rng = np.random.default_rng(seed)
    cell.set_weights([0.7 * rng.normal(size=weight.shape) for weight in cell.weights])
    return cell


def expected(case, cell, score, x, memory, states, mask, memory_mask):
    """Return outputs, weights and states `(batch, ...)` of the equations."""
    rows = [
        equations.decode(
            case.step(cell.cell),
            bind(SCORES[score], cell.attention),
            cell.get_weights()[-1] if cell.weights[-1] is cell.kernel else cell.kernel.numpy(),
            *row,
            attend_when=cell.attend,
            feeding=cell.input_feeding,
        )
        for row in zip(x, memory, zip(*states, strict=True), mask, memory_mask, strict=True)
    ]
    outputs, weights, states = zip(*rows, strict=True)
    return np.stack(outputs), np.stack(weights), [np.stack(s) for s in zip(*states, strict=True)]


def sample(cell, batch=6, time=5, source=4, seed=1):
    """Return inputs, memory, states and the mask of the memory."""
    rng = np.random.default_rng(seed)
    x, memory = rng.normal(size=(batch, time, FEATURES)), rng.normal(size=(batch, source, SIZE))
    states = [rng.normal(size=(batch, zeros.shape[-1])) for zeros in cell.get_initial_state(1)]
    return x, memory, states, np.resize([1, 1, 0, 1, 0, 0, 1, 0], (batch, source)).astype(bool)


@each_way
@each_score
@pytest.mark.parametrize("case", CORE, ids=str)
def test_a_step_follows_the_equations(case, score, way):
    cell = make(case, score, **way)
    x, memory, states, memory_mask = sample(cell)
    memory_mask[2] = False
    prepared = cell.prepare(memory, memory_mask)
    y, new, weights = cell(x[:, 0], states, prepared)
    wanted = expected(
        case, cell, score, x[:, :1], memory, states, np.ones((6, 1), bool), memory_mask
    )
    assert_same([y[:, None], weights[:, None], *new], tf.nest.flatten(wanted), "float64")


# A step is no loop: to compile one shows all.
@pytest.mark.parametrize(
    ("way", "score", "jit_compile"),
    [
        *((way, score, False) for way in WAYS for score in SCORES),
        ("input feeding", "additive", True),
    ],
)
def test_several_rows_may_share_a_memory(way, score, jit_compile):
    cell = make(score=score, **WAYS[way])
    x, memory, states, memory_mask = sample(cell, batch=6)
    few, few_masks = memory[:2], memory_mask[:2]
    step = tf.function(
        lambda x, states, memory: cell(x, states, memory),
        jit_compile=jit_compile,
        autograph=False,
        reduce_retracing=True,
    )
    shared = step(x[:, 0], states, cell.prepare(few, few_masks))
    repeated = cell.prepare(np.repeat(few, 3, 0), np.repeat(few_masks, 3, 0))
    assert_same(tf.nest.flatten(shared), tf.nest.flatten(step(x[:, 0], states, repeated)))


@each_way
def test_no_rows_give_no_rows(way):
    cell = make(**way)
    y, states, weights = cell(
        np.ones((0, FEATURES)), cell.get_initial_state(0), cell.prepare(np.ones((0, 4, SIZE)))
    )
    assert (y.shape, weights.shape) == ((0, 6), (0, 4))
    assert all(state.shape[0] == 0 for state in states)


@each_way
def test_the_states_are_those_of_the_cell_and_the_output_if_it_is_fed(way):
    lstm = BY_NAME["lstm"]
    cell = make(lstm, **way)
    names = ("h", "c", "y") if way.get("input_feeding") else ("h", "c")
    assert cell.state_names == names
    x, memory, states, _ = sample(cell)
    y, new, _ = cell(x[:, 0], states, cell.prepare(memory))
    assert len(new) == len(names)
    if "y" in names:
        assert_same(new[-1], y)
    zeros = cell.get_initial_state(3)
    assert [tuple(z.shape) for z in zeros] == [(3, UNITS), (3, UNITS), (3, 6)][: len(names)]


class OddCell(rnnlayers.ElmanCell):
    """A cell that takes its inputs in a way of its own, so that they cannot be projected apart."""

    def project(self, inputs):
        return super().project(inputs * inputs)


@each_way
def test_a_cell_may_project_as_it_likes(way):
    cell = AttentionCell(OddCell(UNITS, dtype="float64"), dtype="float64", **way)
    cell.build((None, FEATURES), (None, None, SIZE))
    randomized(cell)
    x, memory, states, _ = sample(cell)
    prepared = cell.prepare(memory)
    y, _, weights = cell(x[:, 0], states, prepared)
    fed = [x[:, 0]]
    if way.get("attend") == "before":
        contexts, expected_weights = cell.attention.attend(states[0][:, None], prepared)
        fed.append(contexts[:, 0])
        assert_same(weights, expected_weights[:, 0])
    elif way:
        fed.append(states[1])
    h, _ = cell.cell(tf.concat(fed, -1), [states[0]])
    contexts, _ = cell.attention.attend(
        (states[0] if way.get("attend") == "before" else h)[:, None], prepared
    )
    assert_same(y, tf.tanh(tf.concat([contexts[:, 0], h], -1) @ cell.kernel.value), "float64")


@each_way
def test_dropout_applies_while_training(way):
    cell = make(inner={"dropout": 0.5, "recurrent_dropout": 0.5, "seed": 3}, **way)
    x, memory, states, _ = sample(cell)
    prepared = cell.prepare(memory)
    calm = cell(x[:, 0], states, prepared)[0]
    assert_same(cell(x[:, 0], states, prepared)[0], calm)
    assert np.max(np.abs(cell(x[:, 0], states, prepared, training=True)[0] - calm)) > 0.01
    fed = {"before": SIZE}.get(way.get("attend"), 6 if way else 0)
    on_inputs, on_state = cell.draw(tf.zeros((5, 1000, FEATURES), "float64")).sequence
    assert (on_inputs.shape, on_state.shape) == ((1, 1000, FEATURES + fed), (1000, UNITS))
    assert set(np.unique(on_inputs)) == set(np.unique(on_state)) == {0.0, 2.0}
    assert abs(np.mean(on_inputs) - 1) < 0.1


@each_way
def test_dropout_falls_on_the_inputs_on_what_is_fed_and_on_the_state(way, monkeypatch):
    cell = make(inner={"dropout": 0.5, "recurrent_dropout": 0.5}, **way)
    x, memory, states, _ = sample(cell)
    prepared = cell.prepare(memory)
    rng = np.random.default_rng(0)
    width = cell.cell.kernel.shape[0]
    on_inputs, on_state = rng.normal(size=(6, width)), rng.normal(size=(6, UNITS))
    monkeypatch.setattr(cell.cell, "drop_inputs", lambda ones: ones * on_inputs)
    monkeypatch.setattr(cell.cell, "draw_recurrent_dropout_mask", lambda h: on_state)
    y, new, _ = cell(x[:, 0], states, prepared, training=True)

    def look(h):
        return cell.attention.attend(h[:, None], prepared)[0][:, 0]

    fed = look(states[0]) if "attend" in way else states[-1] if way else x[:, :0, 0]
    inner = cell.cell.project(np.concatenate([x[:, 0], fed], -1) * on_inputs)
    inner = cell.cell.step(inner, states[: len(cell.cell.state_names)], on_state)
    context = look(states[0]) if "attend" in way else look(inner[0])
    assert_same([y, *new[: len(inner)]], [cell.combine(context, inner[0]), *inner], "float64")


@each_way
def test_the_configuration_is_complete(way):
    cell = AttentionCell(
        rnnlayers.LSTMCell(4, dropout=0.1), "dot", 7, "relu", kernel_initializer="ones", **way
    )
    check_configuration(cell)
    again = AttentionCell.from_config(cell.get_config())
    assert again.attention.form == "dot"
    assert again.cell.dropout == 0.1


@pytest.mark.parametrize(
    ("name", "kind", "form"),
    [
        ("additive", AdditiveAttention, None),
        ("concat", AdditiveAttention, None),
        ("dot", MultiplicativeAttention, "dot"),
        ("general", MultiplicativeAttention, "general"),
    ],
)
def test_attentions_go_by_name(name, kind, form):
    attention = AttentionCell(rnnlayers.GRUCell(4), name, dtype="mixed_float16").attention
    assert type(attention) is kind
    assert getattr(attention, "form", None) == form
    assert attention.compute_dtype == "float16"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cell": "gru"}, ["cell", "gru"]),
        ({"attention": "soft"}, ["attention", "additive", "soft"]),
        ({"attention": None}, ["attention", "None"]),
        ({"units": 0}, ["units", "0"]),
        ({"attend": "during"}, ["attend", "during"]),
        ({"attend": "before", "input_feeding": True}, ["input_feeding", "before"]),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, words):
    with refused(*words):
        AttentionCell(**{"cell": rnnlayers.GRUCell(4), **arguments})


def test_weights_must_be_there_before_a_memory_is_prepared():
    with refused("weights", "build"):
        AttentionCell(rnnlayers.GRUCell(4)).prepare(np.ones((1, 2, 3)))


def test_sizes_must_be_known():
    with refused("memory", "None"):
        AttentionCell(rnnlayers.GRUCell(4)).build((None, 3), (None, None, None))
