"""What the suites compare: outputs and gradients, to rounding; errors, by what they say."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf

from rnnlayers.testing.numbers import tolerance


def differentiate(layer, sequences, states=None, **call):
    """Return the outputs of a layer, flat, and the gradients of a scalar that weighs them all.

    The gradients are those of the sequences, of the states and of the weights, zeros for what the
    outputs do not depend on. It takes and returns tensors, so that it can be compiled.
    """
    sources = [sequences, *(states or [])]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        outputs = tf.nest.flatten(layer(sequences, initial_state=states, **call))
        total = tf.add_n([_weigh(output, phase) for phase, output in enumerate(outputs)])
    sources += [variable.value for variable in layer.trainable_variables]
    gradients = tape.gradient(total, sources, unconnected_gradients="zero")
    return outputs, gradients


def differentiate_twice(layer, sequences, states=None, **call):
    """Return the gradients of `differentiate`, and the gradients of the sum of their squares."""
    sources = [sequences, *(states or [])]
    weights = [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        _, gradients = differentiate(layer, sequences, states, **call)
        total = tf.add_n([tf.reduce_sum(gradient**2) for gradient in gradients])
    sources = [*sources, *weights]
    return gradients, tape.gradient(total, sources, unconnected_gradients="zero")


def _weigh(output, phase):
    """Return the sum of an output with a different weight on each of its elements."""
    waves = tf.sin(1.0 + phase + 1.7 * tf.cast(tf.range(tf.size(output)), "float64"))
    return tf.reduce_sum(tf.cast(output, "float64") * tf.reshape(waves, tf.shape(output)))


def evaluate(layer, sequences, states=None, mask=None):
    """Return `differentiate` of NumPy arrays, in eager mode, as flat NumPy arrays."""
    states = None if states is None else [tf.constant(state) for state in states]
    mask = None if mask is None else tf.constant(mask)
    return differentiate(layer, tf.constant(sequences), states, mask=mask)


def assert_same(ours, theirs, dtype="float32", times=1):
    """Assert that two structures of arrays are the same to some times the rounding of a dtype."""
    ours, theirs = tf.nest.flatten(ours), tf.nest.flatten(theirs)
    assert len(ours) == len(theirs)
    for index, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        our, their = (np.asarray(value, "float64") for value in (our, their))
        atol = times * tolerance(their, dtype)
        np.testing.assert_allclose(our, their, rtol=0, atol=atol, err_msg=f"value {index}")


@contextlib.contextmanager
def refused(*words):
    """Assert that a ValueError is raised and that its message holds all of the words."""
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words are matched below
        yield error
    for word in words:
        assert word in str(error.value)
