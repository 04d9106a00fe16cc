"""The scores, the weights and the contexts: against the papers' equations, and where all fails."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers import AdditiveAttention, MultiplicativeAttention
from rnnlayers.testing.contract import check_configuration
from tests import attention_equations as equations
from tests.numbers import assert_same, refused

MAKE = {
    "additive": (AdditiveAttention, {}, equations.additive, 4),
    "additive-5": (AdditiveAttention, {"units": 5}, equations.additive, 3),
    "concat": (AdditiveAttention, {"units": 2}, equations.concat, 3),
    "general": (MultiplicativeAttention, {}, equations.general, 3),
    "dot": (MultiplicativeAttention, {"form": "dot"}, equations.dot, 4),
}
each_attention = pytest.mark.parametrize(
    ("kind", "arguments", "equation", "features"), MAKE.values(), ids=MAKE.keys()
)
# Of each row of the memory: all, right, left, holes, one place, nothing.
MASK = np.array(
    [[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]], bool
)


def randomized(layer, *shapes, seed=0):
    if not layer.built:
        layer.build(*shapes)
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    return layer


def data(features, units=4, dtype="float64"):
    rng = np.random.default_rng(7)
    return rng.normal(size=(6, 3, units)).astype(dtype), rng.normal(size=(6, 4, features)).astype(
        dtype
    )


def bind(equation, attention):
    """Return `score(q, m)` with the weights of an attention."""
    weights = [np.asarray(weight, "float64") for weight in attention.get_weights()]
    if len(weights) == 3:  # W, U, v
        weights[2] = weights[2][:, 0]
    return lambda q, m: equation(q, m, *weights)


@each_attention
@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
def test_it_follows_the_equations(kind, arguments, equation, features, mask):
    attention = kind(**arguments, dtype="float64")
    queries, values = data(features)
    randomized(attention, queries.shape, values.shape)
    contexts, weights = attention(queries, values, values_mask=mask)
    score = bind(equation, attention)
    for row in range(6):
        for target in range(3):
            expected = equations.attend(
                score, queries[row, target], values[row], None if mask is None else mask[row]
            )
            assert_same((contexts[row, target], weights[row, target]), expected, "float64")


@each_attention
def test_the_mask_of_the_memory_comes_with_it(kind, arguments, equation, features):
    attention = kind(**arguments)
    words = np.where(MASK, 1, 0)
    memory = keras.layers.Embedding(2, features, mask_zero=True)(words)
    queries, _ = data(features, dtype="float32")
    contexts, weights = attention(queries, memory)
    assert not np.any(weights.numpy()[~np.broadcast_to(MASK[:, None], weights.shape)])
    assert_same(attention(queries, memory, values_mask=MASK), (contexts, weights))


def test_the_mask_of_the_queries_goes_on():
    queries = keras.layers.Embedding(3, 4, mask_zero=True)(tf.constant([[1, 2, 0]]))
    contexts, _ = AdditiveAttention()(queries, tf.ones((1, 2, 4)))
    outputs = rnnlayers.LSTM(2, return_sequences=True, zero_output_for_mask=True)(contexts)
    assert np.any(outputs[0, 1])
    assert not np.any(outputs[0, 2])


@each_attention
def test_a_row_without_memory_gives_zeros_and_no_nan(kind, arguments, equation, features):
    attention = kind(**arguments, dtype="float64")
    queries, values = map(tf.constant, data(features))
    randomized(attention, queries.shape, values.shape)
    with tf.GradientTape() as tape:
        tape.watch([queries, values])
        contexts, weights = attention(queries, values, values_mask=MASK)
        total = tf.reduce_sum(tf.sin(contexts)) + tf.reduce_sum(weights**2)
    gradients = tape.gradient(total, [queries, values, *attention.trainable_variables])
    assert not np.any(contexts[5])
    assert not np.any(weights[5])
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert not np.any(gradients[0][5])
    assert not np.any(gradients[1].numpy()[~MASK])


@each_attention
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_summed_in_single(kind, arguments, equation, features, dtype):
    queries, values = data(features, dtype="float32")
    single, half = kind(**arguments), kind(**arguments, dtype=dtype)
    for attention in (single, half):
        randomized(attention, queries.shape, values.shape)
    queries, values = tf.constant(queries), tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch([queries, values])
        contexts, weights = half(queries, values, values_mask=MASK)
    compute = dtype.removeprefix("mixed_")
    assert all(np.isfinite(d).all() for d in tape.gradient(contexts, [queries, values]))
    assert contexts.dtype == weights.dtype == compute
    expected = single(queries, values, values_mask=MASK)
    np.testing.assert_allclose(
        tf.cast(weights, "float32"), expected[1], atol=0.02 if compute == "float16" else 0.1
    )


def test_many_places_in_half_precision_sum_to_one():
    attention = MultiplicativeAttention("dot", dtype="float16")
    values = np.random.default_rng(0).normal(size=(8, 3000, 2))
    _, weights = attention(np.full((8, 1, 2), 1.5), values)
    assert weights.dtype == "float16"
    assert np.max(np.abs(np.sum(weights, -1, dtype="float64") - 1)) < 2e-4


@each_attention
def test_scores_far_apart_overflow_nowhere(kind, arguments, equation, features):
    attention = kind(**arguments)
    queries, values = data(features, dtype="float32")
    randomized(attention, queries.shape, values.shape)
    _, weights = attention(1e4 * queries, 1e4 * values, values_mask=MASK)
    np.testing.assert_allclose(tf.reduce_sum(weights, -1)[:5], 1, rtol=1e-5)


@each_attention
def test_it_is_configured_saved_and_shaped_like_any_layer(
    kind, arguments, equation, features, tmp_path
):
    attention = kind(**arguments, kernel_initializer="he_normal", name="look")
    check_configuration(attention)
    queries, values = data(features, dtype="float32")
    inputs = keras.Input((None, 4)), keras.Input((None, features))
    outputs = attention(*inputs)
    assert [tuple(o.shape) for o in outputs] == [(None, None, features), (None, None, None)]
    assert attention.compute_output_shape((6, 3, 4), (6, 4, features)) == (
        (6, 3, features),
        (6, 3, 4),
    )
    model = keras.Model(inputs, outputs)
    randomized(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_same(again([queries, values]), model([queries, values]))


def test_the_size_of_the_small_network_is_the_queries_unless_given():
    for units, expected in ((None, 4), (5, 5)):
        attention = AdditiveAttention(units)
        attention.build((None, None, 4), (None, None, 3))
        assert [w.shape for w in attention.weights] == [(4, expected), (3, expected), (expected, 1)]


def test_weights_of_one_initializer_differ():
    attention = AdditiveAttention(4)
    attention.build((None, None, 4), (None, None, 4))
    assert np.any(attention.query_kernel != attention.memory_kernel)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AdditiveAttention(0), ["units", "0"]),
        (lambda: AdditiveAttention(2.5), ["units", "2.5"]),
        (lambda: AdditiveAttention(True), ["units", "True"]),
        (lambda: MultiplicativeAttention("concat"), ["form", "concat", "AdditiveAttention"]),
        (
            lambda: MultiplicativeAttention("dot")(np.ones((1, 2, 3)), np.ones((1, 2, 4))),
            ["dot", "3", "4", "general"],
        ),
        (
            lambda: AdditiveAttention()(np.ones((1, 2, 3)), np.ones((1, 2, 3)), np.ones((1, 2, 1))),
            ["mask", "(1, 2, 1)"],
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, words):
    with refused(*words):
        make()
