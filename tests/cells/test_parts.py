"""The parts that a cell hands to an engine, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from rnnlayers.cells.parts import Fused, Product, add, by, for_step, leaves, rebuild
from tests.numbers import assert_same

V = np.random.default_rng(1).normal(size=(6, 4))
KERNELS = {
    "dense": np.random.default_rng(2).normal(size=(4, 6)),
    "blocks": np.random.default_rng(2).normal(size=(2, 2, 3)),
    "diagonal": np.random.default_rng(2).normal(size=4),
}
each_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())


def as_matrix(kernel):
    """Return a kernel of any kind as one matrix."""
    if kernel.ndim == 1:
        return np.diag(kernel)
    if kernel.ndim == 2:
        return kernel
    (a, b), zeros = kernel, np.zeros_like(kernel[0])
    return np.block([[a, zeros], [zeros, b]])


@each_kernel
@pytest.mark.parametrize("rows", [(6,), (2, 3)], ids=["one step", "all steps"])
def test_a_product_is_with_a_matrix(kernel, rows):
    expected = V @ as_matrix(kernel)
    v = tf.constant(V.reshape(*rows, 4))
    assert_same(Product(tf.constant(kernel)).of(v), expected.reshape(*rows, -1), "float64")
    bias = np.arange(expected.shape[-1])
    product = Product(tf.constant(kernel), tf.constant(bias, "float64")).of(v)
    assert_same(product, (expected + bias).reshape(*rows, -1), "float64")


@each_kernel
def test_its_parts_are_cut_from_the_last_axis(kernel):
    v, kernel = tf.constant(V), tf.constant(kernel)
    whole = Product(kernel).of(v)
    assert Product(kernel).cut(whole) is whole
    for parts in (1, 2):
        cut = Product(kernel, parts=parts).cut(whole)
        assert isinstance(cut, list)
        assert_same(cut, np.split(whole.numpy(), parts, -1), "float64")


def test_products_are_found_by_name():
    product = by(
        {"": Product(tf.eye(4, dtype="float64")), "two": Product(tf.ones(4, "float64"), None, 2)}
    )
    assert_same(product(tf.constant(V)), V, "float64")
    assert_same(product(tf.constant(V), "two"), np.split(V, 2, -1), "float64")
    with pytest.raises(KeyError):
        product(tf.constant(V), "three")


def test_fused_tensors_are_cut_in_the_order_in_which_they_lie():
    steps = tf.reshape(tf.range(24), (2, 2, 6))
    first, second, third = Fused(steps, 3).cut()
    assert_same(tf.concat([first, second, third], -1), steps)
    assert first.shape == (2, 2, 2)
    (whole,) = Fused(steps, 1).cut()
    assert whole is steps


def test_lists_are_added_part_by_part():
    assert add([1, 2], [10, 20]) == [11, 22]
    with pytest.raises(ValueError, match="zip"):
        add([1], [1, 2])


STRUCTURES = {
    "a tensor": "a",
    "a fused tensor": Fused("a", 2),
    "several": ("a", Fused("b", 2), "c"),
    "nested": (("a", Fused("b", 2)), ("c",), "d"),
}


@pytest.mark.parametrize("x", STRUCTURES.values(), ids=STRUCTURES.keys())
def test_leaves_rebuild_what_they_came_from(x):
    assert rebuild(x, leaves(x)) == x
    letters = [getattr(leaf, "tensor", leaf) for leaf in leaves(x)]
    assert letters == list("abcd"[: len(letters)])


def test_a_step_receives_fused_tensors_as_lists():
    x = np.arange(12).reshape(2, 1, 6)
    plain, (fused,) = for_step((tf.constant(x), (Fused(tf.constant(x), 2),)), lambda t: t[1])
    assert_same(plain, x[1])
    assert isinstance(fused, list)
    assert_same(fused, np.split(x[1], 2, -1))
    (whole,) = for_step(Fused(tf.constant(x), 1))
    assert_same(whole, x)
