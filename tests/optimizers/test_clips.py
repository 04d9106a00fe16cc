"""The laws of clipping, beside its definitions in NumPy and float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnnlayers.optimizers import ClipAdaptively, ClipByGlobalNorm, ClipByNorm, ClipByValue
from tests.numbers import refused

SHAPES = [(7, 5), (5,), (), (3, 3, 2, 4)]
CLIPS = [ClipByValue(0.3), ClipByNorm(0.7), ClipByGlobalNorm(0.9), ClipAdaptively(0.2)]
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False)
TINIEST = np.finfo("float32").tiny  # below it TensorFlow may flush to zero


def norm(*arrays):
    return np.sqrt(sum(np.sum(np.square(a, dtype="float64")) for a in arrays))


def unit_norms(array):
    axes = tuple(range(max(array.ndim - 1, min(array.ndim, 1))))
    return np.sqrt(np.sum(np.square(array, dtype="float64"), axis=axes, keepdims=True))


def limit(gradient, norms, max_norms):
    return gradient * np.minimum(1, max_norms / np.maximum(norms, 1e-300))


def define(clip, gradients, weights):
    gradients = [g.astype("float64") for g in gradients]
    match clip:
        case ClipByValue(max_value):
            return [np.clip(g, -max_value, max_value) for g in gradients]
        case ClipByNorm(max_norm):
            return [limit(g, norm(g), max_norm) for g in gradients]
        case ClipByGlobalNorm(max_norm):
            return [limit(g, norm(*gradients), max_norm) for g in gradients]
        case ClipAdaptively(max_ratio, epsilon):
            max_norms = [max_ratio * np.maximum(unit_norms(w), epsilon) for w in weights]
            return [limit(g, unit_norms(g), m) for g, m in zip(gradients, max_norms, strict=True)]


def apply(clip, gradients, weights=None):
    weights = gradients if weights is None else weights
    variables = [keras.Variable(w, name="kernel") for w in weights]
    clipped, changed = clip([tf.constant(g) for g in gradients], variables)
    return [g.numpy() for g in clipped], bool(changed)


def random(rng, scale=1.0):
    return [(scale * rng.normal(size=shape)).astype("float32") for shape in SHAPES]


@pytest.mark.parametrize("clip", CLIPS, ids=str)
@pytest.mark.parametrize("scale", [1e-30, 1e-2, 1.0, 1e30])
def test_each_clip_is_what_its_definition_says(clip, scale, rng):
    gradients, weights = random(rng, scale), random(rng)
    clipped, changed = apply(clip, gradients, weights)
    for ours, theirs in zip(clipped, define(clip, gradients, weights), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=5e-7, atol=TINIEST)
    assert changed == (scale >= 1.0)


@pytest.mark.parametrize("clip", CLIPS, ids=str)
@settings(max_examples=40, deadline=None)
@given(gradient=hnp.arrays("float32", (3, 2), elements=FINITE))
def test_of_any_finite_gradient_it_is_the_definition_and_idempotent(clip, gradient):
    weights = [np.ones_like(gradient)]
    once, changed = apply(clip, [gradient], weights)
    np.testing.assert_allclose(
        once[0], define(clip, [gradient], weights)[0], rtol=5e-7, atol=TINIEST
    )
    if not changed:
        np.testing.assert_array_equal(once[0], gradient)
    twice, _ = apply(clip, once, weights)
    np.testing.assert_allclose(twice[0], once[0], rtol=2e-7, atol=TINIEST)


@pytest.mark.parametrize("clip", CLIPS, ids=str)
def test_below_the_threshold_no_bit_changes(clip, rng):
    gradients, weights = random(rng, 1e-3), random(rng)
    clipped, changed = apply(clip, gradients, weights)
    assert not changed
    for ours, gradient in zip(clipped, gradients, strict=True):
        np.testing.assert_array_equal(ours, gradient)


@pytest.mark.parametrize("clip", CLIPS, ids=str)
def test_zeros_stay_zero(clip):
    clipped, changed = apply(clip, [np.zeros(shape, "float32") for shape in SHAPES])
    assert not changed
    assert not any(np.any(ours) for ours in clipped)


def test_above_the_threshold_it_is_met(rng):
    gradients, weights = random(rng, 100.0), random(rng)
    by_value, _ = apply(ClipByValue(0.3), gradients)
    assert all(np.max(np.abs(g)) == np.float32(0.3) for g in by_value)
    by_norm, _ = apply(ClipByNorm(0.7), gradients)
    np.testing.assert_allclose([norm(g) for g in by_norm], 0.7, rtol=2e-7)
    by_global_norm, _ = apply(ClipByGlobalNorm(0.9), gradients)
    np.testing.assert_allclose(norm(*by_global_norm), 0.9, rtol=2e-7)
    adaptively, _ = apply(ClipAdaptively(0.2), gradients, weights)
    for g, w in zip(adaptively, weights, strict=True):
        np.testing.assert_allclose(unit_norms(g), 0.2 * unit_norms(w), rtol=5e-7)


def test_norms_keep_the_direction(rng):
    gradients = random(rng, 100.0)
    by_norm, _ = apply(ClipByNorm(0.7), gradients)
    for g, ours in zip(gradients, by_norm, strict=True):
        np.testing.assert_allclose(ours / norm(ours), g / norm(g), rtol=5e-7)
    by_global_norm, _ = apply(ClipByGlobalNorm(0.9), gradients)
    for g, ours in zip(gradients, by_global_norm, strict=True):
        np.testing.assert_allclose(ours / norm(*by_global_norm), g / norm(*gradients), rtol=5e-7)


def test_a_norm_beyond_float32_is_finite():
    # Keras squares in float32: from 1.9e19 on that is infinite, and every gradient becomes NaN.
    gradients = [np.full((100,), 3e38, "float32"), np.full((2, 2), -3e38, "float32")]
    clipped, changed = apply(ClipByGlobalNorm(1.0), gradients)
    assert changed
    np.testing.assert_allclose(clipped[0], 1 / np.sqrt(104), rtol=1e-6)
    np.testing.assert_allclose(clipped[1], -1 / np.sqrt(104), rtol=1e-6)


def test_the_adaptive_unit_is_a_column_and_of_embeddings_a_row():
    gradient = tf.constant([[3.0, 0.3], [4.0, 0.4]])
    kernel = keras.Variable([[1.0, 1.0], [0.0, 0.0]], name="kernel")
    embeddings = keras.Variable([[1.0, 0.0], [1.0, 0.0]], name="embeddings")
    (by_column, by_row), _ = ClipAdaptively(1.0)([gradient, gradient], [kernel, embeddings])
    np.testing.assert_allclose(by_column, [[0.6, 0.3], [0.8, 0.4]], rtol=1e-6)
    lengths = np.linalg.norm(gradient, axis=1, keepdims=True)
    np.testing.assert_allclose(by_row, gradient / lengths, rtol=1e-6)


def test_adaptive_clipping_lets_zero_weights_grow():
    clipped, _ = apply(ClipAdaptively(0.5, epsilon=0.1), [np.ones(4, "float32")], [np.zeros(4)])
    np.testing.assert_allclose(norm(clipped[0]), 0.5 * 0.1, rtol=1e-6)


@pytest.mark.parametrize("clip", [*CLIPS, ClipAdaptively(0.1, epsilon=0.01)], ids=str)
def test_configuration_round_trips(clip):
    config = keras.saving.serialize_keras_object(clip)
    assert keras.saving.deserialize_keras_object(config) == clip


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "1", None, True])
def test_a_threshold_that_is_none_is_refused(value):
    for kind, name in [
        (ClipByValue, "max_value"),
        (ClipByNorm, "max_norm"),
        (ClipByGlobalNorm, "max_norm"),
        (ClipAdaptively, "max_ratio"),
    ]:
        with refused(kind.__name__, name, "above 0", repr(value)):
            kind(value)
    with refused("epsilon", "above 0", repr(value)):
        ClipAdaptively(0.1, epsilon=value)
