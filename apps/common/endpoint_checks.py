"""Checks of what an exported endpoint is given, in its graph, each with a sentence for the caller.

They hold wherever the SavedModel runs. TensorFlow adds words of its own to the sentence: `assertion
failed: [length must be from 1 to 10,000; received 0]` and the place in the graph.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

Tensors = Mapping[str, tf.Tensor]


class Requirement(NamedTuple):
    """What must hold, a boolean scalar, and the sentence if it does not."""

    holds: tf.Tensor
    sentence: tf.Tensor


def checked(
    function: Callable,
    signature: Mapping[str, tf.TensorSpec],
    requirements: Callable[[Tensors], Iterable[Requirement]],
) -> Callable:
    """Return an endpoint that fails with the sentence of the first requirement that does not hold.

    Args:
        function: The endpoint, a function of one tensor, or of several by name.
        signature: Its inputs.
        requirements: Returns what must hold of the inputs.
    """

    def endpoint(*values: tf.Tensor, **named: tf.Tensor) -> Any:
        inputs = {**dict(zip(signature, values, strict=False)), **named}
        held: list = []
        for requirement in requirements(inputs):
            with tf.control_dependencies(held):  # so that the first one is reported
                # The raw operation: tf.debugging.Assert words its errors differently when it runs
                # eagerly.
                held = [tf.raw_ops.Assert(condition=requirement.holds, data=[requirement.sentence])]
        with tf.control_dependencies([one for one in held if one is not None]):
            inputs = {name: tf.identity(value) for name, value in inputs.items()}
        return function(*inputs.values()) if len(inputs) == 1 else function(**inputs)

    return endpoint


def checked_for_rows(endpoints: Mapping[str, tuple[Callable, Mapping]]) -> dict[str, tuple]:
    """Return endpoints that refuse what none can answer.

    That is inputs of different numbers of rows, and numbers that are not finite. Without any row
    the answer has none.
    """
    return {
        name: (
            checked(function, signature, lambda inputs, of=signature: _for_rows(inputs, of)),
            signature,
        )
        for name, (function, signature) in endpoints.items()
    }


def _for_rows(inputs: Tensors, signature: Mapping[str, tf.TensorSpec]) -> Iterable[Requirement]:
    rows = {
        name: tf.shape(inputs[name])[0]
        for name, spec in signature.items()
        if spec.shape.rank and spec.shape[0] is None
    }
    first = next(iter(rows), None)
    for name, count in rows.items():
        if name != first:
            words = sentence(
                f"{first} and {name} must have as many rows; received ", rows[first], " and ", count
            )
            yield Requirement(count == rows[first], words)
    for name, value in inputs.items():
        if value.dtype.is_floating:
            yield every(name, value, tf.math.is_finite(value), "finite")


def every(name: str, values: tf.Tensor, right: tf.Tensor, expected: str) -> Requirement:
    """Return the requirement that a condition holds for each element of an input.

    Args:
        name: The input.
        values: Its numbers.
        right: For each of them, whether it is right.
        expected: What each must be.
    """
    flat, ok = tf.reshape(values, [-1]), tf.reshape(right, [-1])
    wrong = tf.boolean_mask(flat, tf.logical_not(ok))
    words = sentence(f"{name} must be {expected}; received ", wrong[:1])
    return Requirement(tf.reduce_all(right), words)


def sentence(*parts: str | tf.Tensor) -> tf.Tensor:
    """Return texts and numbers, scalars or vectors, as one text."""
    return tf.strings.join([part if isinstance(part, str) else _written(part) for part in parts])


def _written(numbers: tf.Tensor) -> tf.Tensor:
    texts = (
        tf.strings.as_string(numbers, shortest=True)
        if numbers.dtype.is_floating
        else tf.strings.as_string(numbers)
    )
    return tf.strings.reduce_join(tf.reshape(texts, [-1]), separator=", ")
