"""The compiled engine gives the numbers of the stepwise one, gradients too, in every layer."""

import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp

import rnnlayers
from rnnlayers.engines.compiled import _length_to_pad_to, _segment_length
from tests.cases import (
    BY_NAME,
    CORE,
    MASKS,
    each_case,
    each_core,
    in_turn,
    randomize,
    sample,
    sample_states,
    some,
)
from tests.engines.twins import assert_engines_agree, twins
from tests.numbers import assert_same, differentiate, differentiate_twice, refused

GRU = BY_NAME["gru"]
ALL = {"return_sequences": True, "return_state": True}
DROPOUT = {"dropout": 0.3, "recurrent_dropout": 0.4, "seed": 5}
EVERY_PATTERN = MASKS["every pattern"]

# What compiling could change of these numbers is shown by the tests without this mark, of a case
# for each kind of derivative, and by `fit` in tests/layers.
either_way = pytest.mark.usefixtures("either_way")


@either_way
@each_case
def test_every_case_with_masks_and_states(case):
    layers = twins(case.make_layer, **ALL)
    assert_engines_agree(layers, states=sample_states(layers[0]), mask=EVERY_PATTERN)


@either_way
@each_case
def test_every_case_backwards_with_dropout(case):
    layers = twins(case.make_layer, go_backwards=True, return_state=True, **DROPOUT)
    assert_engines_agree(layers, training=True)


@either_way
@each_core
@pytest.mark.parametrize(
    ("options", "call"),
    [
        ({**ALL, **DROPOUT, "go_backwards": True}, {"mask": EVERY_PATTERN, "training": True}),
        ({"return_sequences": True, "zero_output_for_mask": True}, {"mask": EVERY_PATTERN}),
        ({"return_state": True}, {"mask": MASKS["all masked"], "training": True}),
    ],
    ids=["masked backwards with dropout", "zeros for masked steps", "all masked"],
)
def test_options_together(case, options, call):
    layers = twins(case.make_layer, **options)
    assert_engines_agree(layers, states=sample_states(layers[0]), **call)


@pytest.mark.slow
@pytest.mark.parametrize("case", [BY_NAME["lstm"], BY_NAME["gru-reset-before"]], ids=str)
def test_options_together_where_they_are_compiled(case):
    layers = twins(case.make_layer, go_backwards=True, **ALL, **DROPOUT)
    states = sample_states(layers[0])
    assert_engines_agree(layers, states=states, mask=EVERY_PATTERN, training=True)


@functools.cache
def masked_twins(name, go_backwards):
    return twins(BY_NAME[name].make_layer, go_backwards=go_backwards, **ALL)


FEW = settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
each_direction = pytest.mark.parametrize("go_backwards", [False, True])
any_mask = given(mask=hnp.arrays(bool, (6, 6)))


@pytest.mark.usefixtures("eagerly")
@each_core
@each_direction
@FEW
@any_mask
def test_any_mask(case, go_backwards, mask):
    layers = masked_twins(case.name, go_backwards)
    assert_engines_agree(layers, states=sample_states(layers[0]), mask=tf.constant(mask))


@pytest.mark.slow
@each_core
@each_direction
@settings(FEW, max_examples=40)
@any_mask
def test_very_many_masks(case, go_backwards, mask):
    layers = masked_twins(case.name, go_backwards)
    assert_engines_agree(layers, states=sample_states(layers[0]), mask=tf.constant(mask))


@either_way
@each_core
def test_one_step_and_none(case):
    for timesteps in (1, 0):
        layers = twins(case.make_layer, **ALL)
        states = sample_states(layers[0])
        assert_engines_agree(layers, sample(timesteps=timesteps), states, training=True)


@either_way
@each_core
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_every_precision(case, dtype):
    layers = twins(case.make_layer, dtype=dtype, **ALL)
    assert_engines_agree(layers, mask=EVERY_PATTERN, dtype=layers[0].compute_dtype)


SHAPES = ((6, 6), (6, 5), (2, 6), (6, 9), (6, 1), (6, 0))
TRUNCATED = {**ALL, **DROPOUT, "go_backwards": True, "truncate": 3}


# Here a graph is needed: outside of one, lengths are known.
@pytest.mark.parametrize(
    ("name", "options", "masked", "shapes"),
    [
        ("lstm", {"return_state": True}, True, [(6, 5), (6, 0)]),
        pytest.param("gru", TRUNCATED, False, [(2, 4)], marks=pytest.mark.slow),
        pytest.param("lstm", {"return_state": True}, True, SHAPES, marks=pytest.mark.slow),
        pytest.param("gru", TRUNCATED, False, SHAPES, marks=pytest.mark.slow),
        pytest.param("gru-reset-before", {**ALL, "remat": 5}, True, SHAPES, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_lengths_and_batches_that_are_not_known(name, options, masked, shapes):
    functions = []
    for layer in twins(BY_NAME[name].make_layer, **options):
        signature = [tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, None], "bool")]

        @tf.function(input_signature=signature)
        def run(x, mask, layer=layer):
            return differentiate(layer, x, training=True, mask=mask if masked else None)

        functions.append(run)
    for batch, timesteps in shapes:
        x, mask = sample(batch, timesteps), np.resize(EVERY_PATTERN, (batch, timesteps))
        assert_same(functions[0](x, mask), functions[1](x, mask))


def test_lengths_that_are_not_known_are_padded_to_few():
    lengths = []

    @tf.function(input_signature=[tf.TensorSpec([None, 1])], autograph=False)
    def padded(sequence):
        return _length_to_pad_to(sequence)

    true = np.array([*range(50), *range(50, 1025, 25), 1024])
    lengths = np.array([padded(np.zeros((time, 1), "float32")) for time in true])
    assert np.all(lengths >= true)
    assert np.all((lengths <= true * 3 / 2) | (lengths <= true + 8))
    assert sorted(set(lengths)) == [
        *(8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
    ]
    assert _length_to_pad_to(np.zeros((13, 1))) is None


@either_way
@each_core
def test_rematerialisation(case):
    for steps in (4, 10):
        layers = twins(case.make_layer, remat=steps, **ALL, **DROPOUT)
        call = {"mask": EVERY_PATTERN, "training": True}
        assert_engines_agree(layers, states=sample_states(layers[0]), **call)


@either_way
def test_rematerialisation_backwards():
    layers = twins(GRU.make_layer, remat=4, go_backwards=True)
    assert_engines_agree(layers, states=sample_states(layers[0]), mask=EVERY_PATTERN)


def in_segments(layer, x, mask, steps):
    """Return the last output of `layer`, run in segments through which no gradient flows."""
    states = None
    for start in range(0, x.shape[1], steps):
        segment = slice(start, start + steps)
        states = states and [tf.stop_gradient(state) for state in states]
        output, *states = layer(x[:, segment], initial_state=states, mask=mask[:, segment])
    return output


@either_way
@pytest.mark.parametrize(
    ("case", "steps", "options"),
    [
        *((case, 4, {"go_backwards": True}) for case in CORE),
        (BY_NAME["lstm"], 1, {}),
        (BY_NAME["gru"], 4, {"remat": 2}),
        (BY_NAME["gru-reset-before"], 6, {}),
    ],
    ids=str,
)
def test_truncation_is_the_sum_over_segments(case, steps, options):
    x = tf.constant(sample())
    order = slice(None, None, -1 if "go_backwards" in options else 1)

    def gradients(layer, output_of):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(output_of(layer) ** 2)
        return tape.gradient(total, [x, *(v.value for v in layer.trainable_variables)])

    whole = randomize(case.make_layer(engine="stepwise", return_state=True))
    expected = gradients(
        whole, lambda layer: in_segments(layer, x[:, order], EVERY_PATTERN[:, order], steps)
    )
    for layer in twins(case.make_layer, truncate=steps, **options):
        ours = gradients(layer, lambda layer: layer(x, mask=EVERY_PATTERN, training=True))
        assert_same(ours, expected)


@either_way
def test_one_layer_called_several_times():
    def gradients(layer, x, more):
        with tf.GradientTape() as tape:
            tape.watch([x, more])
            _, state = layer(x, training=True)
            outputs, _ = layer(more, initial_state=state, training=True)
            again, _ = layer(outputs)
            total = tf.reduce_sum(again * outputs)
        return tape.gradient(total, [x, more, *(v.value for v in layer.trainable_variables)])

    layers = twins(GRU.make_layer, features=4, **ALL)
    x, more = tf.constant(sample(timesteps=3, features=4)), tf.constant(sample(features=4))
    assert_same(*(gradients(layer, x, more) for layer in layers))
    assert_same(*(tf.function(gradients)(layer, x, more) for layer in layers))


@either_way
def test_weights_shared_in_a_model():
    results = []
    for layer in twins(GRU.make_layer):
        one, other = keras.Input((6, 3)), keras.Input((4, 3))
        similarity = keras.layers.Dot(1, normalize=True)([layer(one), layer(other)])
        model = keras.Model([one, other], similarity)
        x = [tf.constant(sample()), tf.constant(sample(timesteps=4))]
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(x, training=True) ** 2)
        results.append(tape.gradient(total, [v.value for v in model.trainable_variables]))
    assert_same(*results)


@either_way
def test_stateful():
    layers = twins(GRU.make_layer, batch=6, stateful=True)
    for seed in range(3):
        assert_engines_agree(layers, sample(seed=seed), mask=EVERY_PATTERN)
    assert_same(*(layer.states for layer in layers))


@either_way
@pytest.mark.parametrize("return_sequences", [False, True])
def test_bidirectional(return_sequences):
    def make(engine, **options):
        return rnnlayers.Bidirectional(rnnlayers.LSTM(4, engine=engine, **options))

    layers = twins(make, return_sequences=return_sequences, return_state=True)
    states = 2 * sample_states(layers[0].forward_layer)
    assert_engines_agree(layers, states=states, mask=EVERY_PATTERN)


@pytest.mark.slow
def test_inside_a_compiled_function():
    layers = twins(GRU.make_layer, **ALL)
    compiled = [
        tf.function(functools.partial(differentiate, layer), jit_compile=True) for layer in layers
    ]
    assert_same(*(function(tf.constant(sample())) for function in compiled))


@either_way
def test_a_gradient_of_slices():
    def gradients(layer):
        x = tf.constant(sample())
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(tf.gather(layer(x), [0, 2, 2]) ** 2)
        return tape.gradient(total, x)

    layers = twins(GRU.make_layer)
    assert_same(*(gradients(layer) for layer in layers))
    assert_same(*(tf.function(gradients)(layer) for layer in layers))


SEGMENTED = {"truncate": 4, "remat": 2, "go_backwards": True}


def assert_second_derivatives_agree(case, options, run):
    compiled, stepwise = twins(case.make_layer, dtype="float64", **ALL, **options)
    x = tf.constant(sample(timesteps=5, dtype="float64"))
    states = [tf.constant(state) for state in sample_states(compiled, dtype="float64")]
    call = {"mask": EVERY_PATTERN[:, :5], "training": True}
    expected = differentiate_twice(stepwise, x, states, **call)
    assert_same(run(compiled, x, states, **call), expected, "float64")


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(("case", "options"), some(in_turn(CORE, [{}, SEGMENTED]), 2))
def test_second_derivatives_equal_stepwise(case, options):
    assert_second_derivatives_agree(case, options, differentiate_twice)


@pytest.mark.slow
def test_second_derivatives_equal_stepwise_in_a_graph():
    assert_second_derivatives_agree(GRU, {}, tf.function(differentiate_twice))


@pytest.mark.slow
@each_core
@pytest.mark.parametrize("options", [{}, SEGMENTED], ids=str)
@pytest.mark.parametrize("run", [differentiate_twice, tf.function(differentiate_twice)])
def test_second_derivatives_equal_stepwise_where_they_are_compiled(case, options, run):
    assert_second_derivatives_agree(case, options, run)


@pytest.mark.slow
@either_way
def test_second_derivatives_are_those_of_differences():
    layer, _ = twins(GRU.make_layer, dtype="float64")
    x, direction = sample(2, 3, dtype="float64"), sample(2, 3, dtype="float64", seed=9)

    def slopes(distance):
        x_there = tf.constant(x + distance * direction)
        first, second = differentiate_twice(layer, x_there)
        return sum(np.sum(gradient**2) for gradient in first), second[0]

    expected = (slopes(1e-5)[0] - slopes(-1e-5)[0]) / 2e-5
    np.testing.assert_allclose(np.sum(slopes(0.0)[1] * direction), expected, rtol=1e-7)


@pytest.mark.parametrize("training", some([True, False]))
def test_derivatives_in_forward_mode_are_those_of_differences(training):
    layer, _ = twins(GRU.make_layer, dtype="float64")
    x, direction = tf.constant(sample(dtype="float64")), sample(dtype="float64", seed=9)
    with tf.autodiff.ForwardAccumulator(x, tf.constant(direction)) as accumulator:
        outputs = layer(x, training=training)
    ahead, behind = (layer(x + d * direction) for d in (1e-6, -1e-6))
    np.testing.assert_allclose(accumulator.jvp(outputs), (ahead - behind) / 2e-6, atol=1e-8)


@pytest.mark.parametrize("training", [False, True])
def test_derivatives_in_forward_mode_are_refused_inside_a_graph(training):
    layer, _ = twins(GRU.make_layer)

    @tf.function(autograph=False)
    def tangent(x):
        with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as accumulator:
            outputs = layer(x, training=training)
        return accumulator.jvp(outputs)

    with pytest.raises(Exception, match=re.escape("outside `tf.function`")):
        tangent(sample())


def test_nested_tapes_without_a_second_derivative():
    def gradients(layer):
        x = tf.constant(sample())
        with tf.GradientTape() as outer, tf.GradientTape() as inner:
            outer.watch(x)
            inner.watch(x)
            total = tf.reduce_sum(layer(x) ** 2)
        return inner.gradient(total, x), outer.gradient(total, x)

    assert_same(*(gradients(layer) for layer in twins(GRU.make_layer)))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("engine", "fast"),
        ("engine", None),
        ("truncate", 0),
        ("truncate", 2.5),
        ("remat", 0),
        ("remat", -1),
        ("remat", "all"),
    ],
)
def test_what_is_no_engine_or_no_number_of_steps_is_refused(argument, value):
    with refused(f"`{argument}`", repr(value)):
        rnnlayers.GRU(4, **{argument: value})


def test_remat_that_does_not_divide_truncate_is_refused():
    with refused("`remat`", "divide `truncate`", "100", "30"):
        rnnlayers.GRU(4, truncate=100, remat=30)


def test_long_sequences_are_rematerialised():
    assert _segment_length(None) is None
    assert _segment_length(1999) is None
    for steps in (2000, 2001, 4000, 12345):
        length = _segment_length(steps)
        assert 100 < length <= 125
        assert -steps % length <= steps // 100  # of masked steps, a hundredth at most
