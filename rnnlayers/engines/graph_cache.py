"""The graphs of a layer's eager calls, which are reused from one call to the next.

A graph is expensive to trace, so eager calls reuse it. It must not outlive what it was traced from,
so it never contains the value of a weight: weights are its arguments. In a `keras.StatelessScope`,
which Keras uses while it builds models and in `stateless_call`, a weight has a value for this call
only. Everything else that a trace reads of a layer, such as its activation or its dtype, is
compared at each call, and the graph is traced again if something has changed.

Inside another graph nothing is cached: what is traced there belongs to that graph.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from rnnlayers.types import Tensor


def call_in_graph(
    layer: keras.Layer, name: str, function: Callable[..., Any], *arguments: Any, **options: Any
) -> Any:
    """Call a function of a layer eagerly through a graph, ten times as fast as op by op.

    Args:
        layer: The layer whose weights and attributes `function` reads.
        name: Name of the function. A layer caches one graph under each name.
        function: Takes the layer, `arguments` and `options`.
        *arguments: Tensors, or nests of them.
        **options: Tensors or plain values. The function is traced for each plain value.
    """

    def make() -> Callable[..., Any]:
        # TensorFlow warns of retracing for all functions with the same code together, and so for a
        # model of many layers. A partial function has no code of its own.
        with_weights = functools.partial(_with_weights, layer, function)
        return tf.function(with_weights, autograph=False, reduce_retracing=True)

    return cached(layer, name, make)(values_of(layer.weights), arguments, options)


def _with_weights(
    layer: keras.Layer,
    function: Callable[..., Any],
    values: Sequence[Tensor],
    arguments: Any,
    options: Any,
) -> Any:
    return call_with_weights(
        layer, layer.weights, values, lambda: function(layer, *arguments, **options)
    )


def cached(layer: keras.Layer, name: str, make: Callable[[], Any]) -> Any:
    """Return the cached result of `make`, which is called again if the layer has changed."""
    # In `__dict__`, since Keras and TensorFlow would track an attribute and save it with the model.
    cache = layer.__dict__.setdefault("_rnnlayers_graphs", _Cache())
    settings = _settings(layer)
    entry = cache.get(name)
    if entry is None or entry[0] != settings:
        entry = cache[name] = (settings, make())
    return entry[1]


def values_of(weights: Sequence[keras.Variable]) -> list[Tensor]:
    """Return the values of weights as tensors, in the dtype in which the layer reads them now."""
    # Keras may return a variable where no cast is needed.
    return [tf.convert_to_tensor(ops.convert_to_tensor(weight)) for weight in weights]


def call_with_weights(
    layer: keras.Layer,
    weights: Sequence[keras.Variable],
    values: Sequence[Tensor],
    function: Callable[[], Any],
) -> Any:
    """Call `function` with `values` in place of the weights of a layer.

    Args:
        layer: The layer whose weights `function` reads.
        weights: The weights to replace.
        values: Tensors as `values_of` returns them.
        function: A function without arguments.
    """
    # A graph that is being traced must not initialise variables of other layers.
    scope = keras.StatelessScope(initialize_variables=False)
    for update in zip(weights, values, strict=True):
        scope.add_update(update)  # the argument `state_mapping` would cast to the variable's dtype
    with scope:
        if layer.compute_dtype == layer.variable_dtype:
            return function()
        # Keras casts the weights of a layer of mixed precision during its call only, and gradients
        # are computed after the call.
        return _Call(layer)(function=function)


class _Call(keras.Layer):
    """A call with the dtypes of another layer."""

    def __init__(self, like: keras.Layer) -> None:
        super().__init__(dtype=like.dtype_policy, autocast=like.autocast, name=like.name)
        self.built = True

    def call(self, function: Callable[[], Any]) -> Any:
        return function()


class _Cache(dict[str, Any]):
    """A dictionary that is not copied with its layer."""

    def __deepcopy__(self, memo: Any) -> "_Cache":
        return _Cache()

    def __reduce__(self) -> Any:
        return _Cache, ()


class _Same:
    """An object that equals only itself. The reference prevents its identity from being reused."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.thing is self.thing

    __hash__ = None  # type: ignore[assignment]


def _settings(layer: keras.Layer, holders: tuple[keras.Layer, ...] = ()) -> tuple[Any, ...]:
    """Return all that a trace may have read of a layer, except the values of its weights."""
    ignored, holders = _of_every_layer(), (*holders, layer)
    own = vars(layer).items()
    compared = [(name, _comparable(value, holders)) for name, value in own if name not in ignored]
    return (type(layer), layer.compute_dtype, layer.variable_dtype, *compared)


def _comparable(value: Any, holders: tuple[keras.Layer, ...]) -> Any:
    """Return an attribute of a layer in a form that can be compared."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return tuple(_comparable(item, holders) for item in value)
    if isinstance(value, dict):
        return tuple((name, _comparable(item, holders)) for name, item in value.items())
    if isinstance(value, keras.Layer) and not any(value is holder for holder in holders):
        return (_Same(value), _settings(value, holders))
    return _Same(value)


@functools.cache
def _of_every_layer() -> frozenset[str]:
    """Return the names of the attributes that Keras gives to every layer for its own use."""
    layer = keras.layers.Identity()
    layer.build((1,))
    return frozenset({*vars(layer), "_rnnlayers_graphs"} - {"autocast"})
