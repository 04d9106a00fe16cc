"""A layer gives the numbers of its Keras twin, gradients too, and of the NumPy equations."""

import gc
import itertools
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from tests import equations
from tests.cases import (
    CORE_TWINS,
    MASKS,
    TWINS,
    each_core,
    each_core_twin,
    in_turn,
    randomize,
    sample,
    sample_states,
    some,
)
from tests.engines.twins import twins
from tests.numbers import assert_same, differentiate, evaluate, refused

pytestmark = pytest.mark.usefixtures("eagerly")

OPTIONS = [
    dict(zip(("return_sequences", "go_backwards", "zero_output_for_mask"), values, strict=True))
    for values in itertools.product((False, True), repeat=3)
]
each_option = pytest.mark.parametrize(
    "options", OPTIONS, ids=lambda o: "-".join(k for k, v in o.items() if v) or "default"
)


# Of stepwise, compiled and Keras, the first is compared with the equations and the second with the
# first in tests/engines, case by case and option by option. Here Keras is compared with both, each
# case and each option once.


def assert_engines_equal_keras(case, masks, **options):
    _, theirs = case.make_twins(return_state=True, **options)
    on_engines = twins(case.make_layer, return_state=True, **options)
    for mask, states in in_turn(masks, [sample_states(theirs), None]):
        call = sample(), states, mask
        expected = evaluate(theirs, *call)
        for ours in on_engines:
            assert_same(evaluate(ours, *call), expected)


@pytest.mark.parametrize(("case", "mask"), some(in_turn(TWINS, list(MASKS)), 6))
def test_every_case_equals_keras(case, mask):
    assert_engines_equal_keras(case, [MASKS[mask]], return_sequences=True)


@pytest.mark.parametrize(("case", "options"), some(in_turn(CORE_TWINS, OPTIONS), 6))
def test_every_option_equals_keras(case, options):
    assert_engines_equal_keras(case, list(MASKS.values()), **options)


@each_core
@each_option
def test_every_option_equals_the_equations(case, options):
    layer = randomize(case.make_layer(return_state=True, dtype="float64", **options))
    x, states = sample(dtype="float64"), sample_states(layer, dtype="float64")
    outputs, *finals = layer(x, initial_state=states, mask=MASKS["every pattern"])
    expected, expected_finals = equations.over_time(
        case.step(layer.cell),
        x,
        states,
        MASKS["every pattern"],
        go_backwards=options["go_backwards"],
        zero=options["zero_output_for_mask"],
    )
    if not options["return_sequences"]:
        expected = expected[:, -1]
    assert_same((outputs, finals), (expected, expected_finals), "float64")


@pytest.mark.parametrize(
    ("case", "dtype"), in_turn(TWINS, ["mixed_float16", "mixed_bfloat16", "float16", "float64"])
)
def test_every_precision_equals_keras(case, dtype):
    ours, theirs = case.make_twins(return_sequences=True, return_state=True, dtype=dtype)
    results = []
    for layer in (ours, theirs):
        outputs, gradients = evaluate(layer, sample(), None, MASKS["every pattern"])
        assert {output.dtype.name for output in outputs} == {layer.compute_dtype}
        results.append((outputs, gradients))
    assert_same(*results, ours.compute_dtype)
    assert {weight.dtype for weight in ours.weights} == {ours.variable_dtype}


@each_core_twin
def test_options_without_effect_change_nothing(case):
    ours, _ = case.make_twins()
    accepted = case.make_layer(unroll=True, implementation=1, use_cudnn=False)
    randomize(accepted)
    assert_same(evaluate(accepted, sample()), evaluate(ours, sample()))


@each_core
@pytest.mark.parametrize(("batch", "timesteps"), [(1, 6), (6, 1), (1, 1)])
def test_one_row_and_one_step(case, batch, timesteps):
    layer = randomize(case.make_layer(return_sequences=True, dtype="float64"))
    x = sample(batch, timesteps, dtype="float64")
    states = sample_states(layer, batch, "float64")
    expected, _ = equations.over_time(case.step(layer.cell), x, states)
    assert_same(layer(x, initial_state=states), expected, "float64")


@each_core
@pytest.mark.parametrize(("return_sequences", "go_backwards"), [(False, True), (True, False)])
def test_no_step_at_all_equals_steps_that_are_all_masked(case, return_sequences, go_backwards):
    layer = randomize(
        case.make_layer(
            return_sequences=return_sequences, go_backwards=go_backwards, return_state=True
        )
    )
    states = sample_states(layer, 2)
    padded, *_ = layer(sample(2, 3), initial_state=states, mask=np.zeros((2, 3), bool))
    for start, mask in ((states, np.ones((2, 0), bool)), (None, None)):
        outputs, *finals = layer(sample(2, 0), initial_state=start, mask=mask)
        assert_same(outputs, padded[:, :0] if return_sequences else padded)
        assert_same(finals, start or layer.get_initial_state(2))


@each_core
def test_a_sequence_cut_in_two_equals_the_whole(case):
    layer = randomize(case.make_layer(return_sequences=True, return_state=True))
    whole, *finals = layer(sample())
    first, *states = layer(sample()[:, :2])
    second, *states = layer(sample()[:, 2:], initial_state=states)
    assert_same((tf.concat([first, second], 1), states), (whole, finals))


@each_core
def test_the_initial_state_may_be_any_kind_of_array(case):
    layer = randomize(case.make_layer())
    states = sample_states(layer)
    expected = layer(sample(), initial_state=[tf.constant(state) for state in states])
    for given in (states, tuple(states), [state.astype("float64") for state in states]):
        assert_same(layer(sample(), initial_state=given), expected)
    if len(states) == 1:
        assert_same(layer(sample(), initial_state=states[0]), expected)


@each_core
def test_recurrent_runs_any_cell(case):
    named = randomize(case.make_layer(return_sequences=True))
    general = randomize(rnnlayers.Recurrent(case.make_cell(), return_sequences=True))
    assert_same(evaluate(general, sample()), evaluate(named, sample()))


@pytest.mark.parametrize(("case", "pattern"), in_turn(CORE_TWINS, list(MASKS)))
def test_a_stateful_layer_carries_its_states_on_as_in_keras(case, pattern):
    mask = MASKS[pattern]
    ours, theirs = case.make_twins(batch=6, stateful=True, return_sequences=True)
    for seed in range(3):
        x = sample(seed=seed)
        assert_same(ours(x, mask=mask), theirs(x, mask=None if mask is None else tf.constant(mask)))
    assert_same(list(ours.states), list(theirs.states))
    assert_same(
        ours(x, initial_state=sample_states(ours)), theirs(x, initial_state=sample_states(ours))
    )
    assert_same(ours(x), theirs(x))
    ours.reset_state()
    theirs.reset_state()
    assert_same(ours(x), theirs(x))


@each_core
def test_a_stateful_layer_can_be_reset_to_given_states(case):
    layer = randomize(case.make_layer(stateful=True), batch=6)
    states = sample_states(layer)
    expected = layer(sample(), initial_state=states)
    layer(sample(seed=9))
    layer.reset_state(states)
    assert_same(layer(sample()), expected)
    assert layer.reset_states.__func__ is layer.reset_state.__func__


def test_states_carried_on_are_no_weights():
    layer = randomize(rnnlayers.LSTM(4, stateful=True), batch=6)
    stateless = randomize(rnnlayers.LSTM(4))
    assert len(layer.states) == 2
    assert stateless.states is None
    assert len(layer.weights) == len(stateless.weights) == 3
    assert len(layer.variables) == len(stateless.variables)


def states_of(*shapes):
    return {"initial_state": [np.zeros(shape, "float32") for shape in shapes]}


@pytest.mark.parametrize(
    ("shape", "call", "named", "received"),
    [
        ((6, 3), {}, "expected ndim=3", "(6, 3)"),
        ((6, 6, 5), {}, "expected axis -1", "(6, 6, 5)"),
        ((6, 6, 3), states_of((6, 4)), "`initial_state`", "(6, 4)"),
        ((6, 6, 3), states_of((6, 4), (6, 4), (6, 4)), "`initial_state`", "(6, 4)"),
        ((6, 6, 3), states_of((6, 4), (6, 5)), "`initial_state`", "(6, 5)"),
        ((6, 6, 3), states_of((2, 4), (2, 4)), "`initial_state`", "(2, 4)"),
        ((6, 6, 3), states_of((4,), (4,)), "`initial_state`", "(4,)"),
        ((6, 6, 3), {"mask": np.ones(6, bool)}, "`mask`", "(6,)"),
        ((6, 6, 3), {"mask": np.ones((6, 7), bool)}, "`mask`", "(6, 7)"),
        ((6, 6, 3), {"mask": np.ones((3, 6), bool)}, "`mask`", "(3, 6)"),
        ((6, 6, 3), {"mask": np.ones((6, 6, 2), bool)}, "`mask`", "(6, 6, 2)"),
    ],
)
def test_a_call_that_does_not_fit_is_refused(shape, call, named, received):
    layer = randomize(rnnlayers.LSTM(4))
    with refused(named, received):
        layer(np.zeros(shape, "float32"), **call)


def test_a_layer_that_cannot_be_built_is_refused():
    with refused("features", "(None, None)"):
        rnnlayers.LSTM(4)(keras.Input((None, None)))
    with refused("`stateful=True`", "(None, 5, 3)"):
        rnnlayers.LSTM(4, stateful=True)(keras.Input((5, 3)))
    with refused("`cell`", "LSTMCell"):
        rnnlayers.Recurrent(keras.layers.LSTMCell(4))


def test_a_batch_of_another_size_is_refused_where_states_are_carried_on():
    layer = randomize(rnnlayers.LSTM(4, stateful=True), batch=6)
    with refused("batch size", "(2, 6, 3)"):
        layer(sample(2))
    with refused("batch size", "(2, 6, 3)"):
        layer(sample(2), initial_state=sample_states(layer, 2))


def test_a_reset_that_does_not_fit_is_refused():
    rnnlayers.LSTM(4).reset_state()  # nothing to do, as in Keras
    with refused("`stateful=True`", "'plain'"):
        rnnlayers.LSTM(4, name="plain").reset_state([np.zeros((6, 4))])
    states = [np.zeros((6, 4)), np.zeros((6, 4))]
    with refused("`states`", "not built"):
        rnnlayers.LSTM(4, stateful=True).reset_state(states)
    layer = randomize(rnnlayers.LSTM(4, stateful=True), batch=6)
    with refused("`states`", "(6, 4)"):
        layer.reset_state(states[:1])
    with refused("`states`", "(2, 4)"):
        layer.reset_state([np.zeros((2, 4)), np.zeros((2, 4))])


def test_a_cell_whose_call_would_not_be_run_is_refused():
    class Louder(rnnlayers.GRUCell):
        def call(self, inputs, states, training=False):
            output, states = super().call(inputs, states, training)
            return 2 * output, states

    with refused("`cell`", "Louder", "keras.layers.RNN"):
        rnnlayers.Recurrent(Louder(4))


def test_a_cell_may_begin_with_another_state_than_zeros():
    class Warm(rnnlayers.GRUCell):
        def get_initial_state(self, batch_size=None):
            return [tf.ones((batch_size, self.units))]

    layer = randomize(rnnlayers.Recurrent(Warm(4)))
    mask = np.array([[True] * 6] * 5 + [[False] * 6])
    outputs = layer(sample(), mask=mask)
    assert_same(outputs[:5], layer(sample(), initial_state=np.ones((6, 4), "float32"))[:5])
    assert_same(outputs[5], np.zeros(4))  # there is no step that could put out anything


def test_a_layer_may_begin_with_another_state_than_zeros():
    class Warm(rnnlayers.GRU):
        def get_initial_state(self, batch_size):
            return [tf.ones((batch_size, self.units))]

    layer = randomize(Warm(4))
    assert_same(layer(sample()), layer(sample(), initial_state=np.ones((6, 4), "float32")))


def test_stateful_must_be_said_before_the_layer_is_built():
    layer = randomize(rnnlayers.GRU(4))
    layer.stateful = True
    with refused("`stateful`", "before the layer is built"):
        layer(sample())


def test_what_is_changed_later_is_obeyed(not_eagerly):
    layer, fresh = (randomize(rnnlayers.GRU(4)) for _ in range(2))
    x = tf.constant(sample())
    layer(x), layer(x, training=True), tf.function(layer)(x)
    for made in (layer, fresh):
        made.cell.activation = keras.activations.relu
        made.return_sequences = True
        made.go_backwards = True
    fresh.engine = "stepwise"
    expected = differentiate(fresh, x)
    assert expected[0][0].shape == (6, 6, 4)
    for run, training in ((differentiate, False), (tf.function(differentiate), True)):
        assert_same(run(layer, x, training=training), expected)


def test_what_is_changed_later_is_obeyed_in_both_directions():
    layer = randomize(rnnlayers.Bidirectional(rnnlayers.GRU(4)))
    mask = MASKS["every pattern"]
    layer(sample(), mask=mask)
    layer.return_sequences = layer.return_state = True
    assert layer.compute_output_shape((6, 6, 3)) == ((6, 6, 8), (6, 4), (6, 4))
    made = rnnlayers.Bidirectional(rnnlayers.GRU(4, return_sequences=True, return_state=True))
    made.build((None, 6, 3))
    made.set_weights(layer.get_weights())
    assert_same(layer(sample(), mask=mask), made(sample(), mask=mask))


@pytest.mark.parametrize(
    "in_a_graph",
    [
        False,
        pytest.param(
            True,
            marks=[
                pytest.mark.slow,
                pytest.mark.xfail(
                    reason="TensorFlow keeps what `tf.custom_gradient` in a graph closes over"
                ),
            ],
        ),
    ],
)
def test_no_layer_is_kept_alive_by_its_calls(in_a_graph, not_eagerly):
    layer = randomize(rnnlayers.LSTM(4))
    layer(sample()), layer(sample(), training=True)
    if in_a_graph:
        tf.function(layer)(tf.constant(sample()))
    gone = weakref.ref(layer), weakref.ref(layer.cell)
    del layer
    gc.collect()
    assert [reference() for reference in gone] == [None, None]


def test_a_step_in_a_function_is_not_rewritten(not_eagerly, caplog):
    layer = rnnlayers.LSTM(4)
    layer.build((None, None, 3))

    @tf.function
    def step(x, states):
        return layer.take_step(x, states)

    output, _ = step(tf.ones((2, 3)), [tf.zeros((2, 4))] * 2)
    assert output.shape == (2, 4)
    assert "AutoGraph" not in caplog.text
