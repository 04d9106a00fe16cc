"""Checks that cells and layers share: configuration, gradients, comparison."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from rnnlayers.testing.numbers import tolerance
from rnnlayers.types import Tensor

PRECISIONS = ("float32", "mixed_float16", "float64")

# Arguments for exchange with Keras, or used once, which are not in the configuration.
_NOT_IN_CONFIG = {"implementation", "use_cudnn", "weights"}
# A cell may sum more than those of this library, or in another order, and round more often.
_SLACK = 25


class ContractError(AssertionError):
    """Raised if a cell or a layer breaks the contract; the message says where."""


def check_configuration(layer: keras.Layer) -> None:
    """Check that the configuration is plain, is complete, and makes an equal layer."""
    name, config = type(layer).__name__, layer.get_config()
    try:
        json.dumps(config)
    except TypeError as error:
        raise ContractError(
            f"{name}: `get_config` must return plain values: {error}. Use the `serialize` "
            "functions of Keras for objects."
        ) from error
    for parameter in inspect.signature(type(layer)).parameters.values():
        named = parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if named and parameter.name not in config and parameter.name not in _NOT_IN_CONFIG:
            raise ContractError(f"{name}: `get_config` must return the argument {parameter.name}.")
    again = copy_of(layer).get_config()
    changed = [key for key in config if again.get(key) != config[key]]
    if changed:
        raise ContractError(
            f"{name}: a layer made from `get_config` must have the same configuration; "
            f"{changed[0]!r} was {config[changed[0]]!r} and is {again.get(changed[0])!r}."
        )


def check_gradients(
    what: str,
    function: Callable[..., Iterable[Tensor]],
    inputs: Mapping[str, Tensor],
    weights: Sequence[keras.Variable],
    rng: np.random.Generator,
) -> None:
    """Check the gradient of each input and weight, in float64, along a random direction."""
    scales = [rng.normal(size=output.shape) for output in function(*inputs.values())]
    variables = [
        keras.Variable(value, dtype="float64", name=name) for name, value in inputs.items()
    ]

    def total() -> Tensor:
        outputs = function(*(variable.value for variable in variables))
        return sum(ops.sum(o * scale) for o, scale in zip(outputs, scales, strict=True))

    sources = [*variables, *weights]
    with tf.GradientTape() as tape:
        value = total()
    gradients = tape.gradient(value, [source.value for source in sources])
    for number, (source, gradient) in enumerate(zip(sources, gradients, strict=True)):
        subject = f"{what}: the gradient of {source.name!r}"
        if gradient is None:
            # A step need not read every state.
            if number < len(variables) and not _difference(
                total, source, rng.normal(size=source.shape)
            ):
                continue
            raise ContractError(
                f"{subject} must exist. Compute with `keras.ops`, and use every weight."
            )
        if not np.all(np.isfinite(gradient)):
            raise ContractError(f"{subject} must be finite.")
        direction = rng.normal(size=source.shape)
        expected = _difference(total, source, direction)
        received = float(ops.sum(gradient * direction))
        if abs(received - expected) > 1e-6 * max(1.0, abs(expected)):
            raise ContractError(
                f"{subject} must be that of central differences, along a random direction "
                f"{expected:.6g}, not {received:.6g}."
            )


def _difference(
    function: Callable[[], Tensor], variable: keras.Variable, direction: np.ndarray
) -> float:
    """Return the central difference of a function along a direction of one variable."""
    middle, sides = variable.numpy(), []
    for step in (1e-5, -1e-5):
        variable.assign(middle + step * direction)
        sides.append(float(function()))
    variable.assign(middle)
    return (sides[0] - sides[1]) / 2e-5


def copy_of(layer: keras.Layer, dtype: str | None = None) -> keras.Layer:
    """Return an unbuilt layer of the same configuration, made by saving and loading."""
    config = keras.saving.serialize_keras_object(layer)
    try:
        return keras.saving.deserialize_keras_object(_retyped(config, dtype))
    except (TypeError, ValueError) as error:
        raise ContractError(
            f"{type(layer).__name__}: a layer must be made from `get_config`, and its class be "
            f"decorated with `@keras.saving.register_keras_serializable()`: {error}"
        ) from error


def random_copy_of(
    layer: keras.Layer, dtype: str, input_shape: Sequence[int | None], rng: np.random.Generator
) -> keras.Layer:
    """Return a layer of the same configuration with random weights, including biases."""
    copy = copy_of(layer, dtype)
    copy.build(input_shape)
    copy.set_weights([0.5 * rng.normal(size=weight.shape) for weight in copy.weights])
    return copy


def _retyped(config: Any, dtype: str | None) -> Any:
    """Return a configuration for another dtype, without the shapes it was built for."""
    if isinstance(config, list | tuple):
        return [_retyped(value, dtype) for value in config]
    if not isinstance(config, dict):
        return config
    return {
        key: dtype if key == "dtype" and dtype else _retyped(value, dtype)
        for key, value in config.items()
        if key != "build_config"
    }


def flat(outputs: Any) -> list[Tensor]:
    """Return the outputs of a layer as a list, even if there is one."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def expect_same(
    what: str, received: Any, expected: Any, dtype: str = "float64", hint: str = ""
) -> None:
    """Raise an error unless two structures of arrays are equal to the rounding of a dtype."""
    for ours, theirs in zip(tf.nest.flatten(received), tf.nest.flatten(expected), strict=True):
        ours, theirs = (np.asarray(value, "float64") for value in (ours, theirs))
        difference = np.max(np.abs(ours - theirs), initial=0.0)
        # Written so that a difference that is NaN is an error too.
        if not difference <= _SLACK * tolerance(theirs, dtype):
            raise ContractError(
                f"{what} must be the same; they differ by {difference:.3g}. {hint}".rstrip()
            )
