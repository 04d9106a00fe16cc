"""What is kept with a layer from one eager call to the next: graphs, never a value of a weight.

A graph is expensive to trace, so eager calls keep theirs. It must not outlive what it was traced
from. Weights therefore go in as arguments: under a `keras.StatelessScope`, as Keras builds models
in and as `stateless_call` computes in, a weight stands for a value that is true for this call
only. Everything else that a trace reads of a layer, such as its activation or its dtype, is
compared at each call, and the graph is traced again when something has changed.

Inside a graph nothing is kept: what is traced there belongs to that graph.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from rnnlayers.types import Tensor


def call_as_graph(
    layer: keras.Layer, name: str, function: Callable[..., Any], *arguments: Any, **options: Any
) -> Any:
    """Call a function of a layer outside a graph as if inside: ten times as fast as step by step.

    Args:
        layer: What `function` reads weights and attributes of.
        name: Of the function. A layer keeps one graph under each name.
        function: Takes the layer, `arguments` and `options`.
        *arguments: Tensors, or nests of them.
        **options: Tensors, or plain values, for each of which the function is traced.
    """

    def make() -> Callable[..., Any]:
        def with_weights(values: Sequence[Tensor], arguments: Any, options: Any) -> Any:
            return call_with_weights(
                layer, layer.weights, values, lambda: function(layer, *arguments, **options)
            )

        return tf.function(with_weights, autograph=False, reduce_retracing=True)

    return kept(layer, name, make)(values_of(layer.weights), arguments, options)


def kept(layer: keras.Layer, name: str, make: Callable[[], Any]) -> Any:
    """Return what `make` has made for a layer as it is now; it is made again when that changes."""
    # Past Keras' and TensorFlow's tracking, which would save functions with the model.
    shelf = layer.__dict__.setdefault("_rnnlayers_kept", _Shelf())
    now = _settings(layer)
    made = shelf.get(name)
    if made is None or made[0] != now:
        made = shelf[name] = (now, make())
    return made[1]


def values_of(weights: Sequence[keras.Variable]) -> list[Tensor]:
    """Return the values of weights as tensors, in the dtype in which a layer reads them now."""
    # Keras may return a variable where no cast is needed.
    return [tf.convert_to_tensor(ops.convert_to_tensor(weight)) for weight in weights]


def call_with_weights(
    layer: keras.Layer,
    weights: Sequence[keras.Variable],
    values: Sequence[Tensor],
    function: Callable[[], Any],
) -> Any:
    """Return what `function` computes where a layer that reads `weights` gets `values`.

    Args:
        layer: What `function` reads weights of.
        weights: Those that are replaced.
        values: As `values_of` returned them.
        function: Without arguments.
    """
    # A graph that is being traced is no place to initialise the variables of others.
    scope = keras.StatelessScope(initialize_variables=False)
    for update in zip(weights, values, strict=True):
        scope.add_update(update)  # the argument `state_mapping` would cast to the variable's dtype
    with scope:
        if layer.compute_dtype == layer.variable_dtype:
            return function()
        # Keras casts what a layer of mixed precision reads during its call; a gradient is computed
        # after that call has ended.
        return _Call(layer)(function=function)


class _Call(keras.Layer):
    """A call with the dtypes of another layer's."""

    def __init__(self, like: keras.Layer) -> None:
        super().__init__(dtype=like.dtype_policy, autocast=like.autocast, name=like.name)
        self.built = True

    def call(self, function: Callable[[], Any]) -> Any:
        return function()


class _Shelf(dict[str, Any]):
    """A dictionary that is not copied with its layer."""

    def __deepcopy__(self, memo: Any) -> "_Shelf":
        return _Shelf()

    def __reduce__(self) -> Any:
        return _Shelf, ()


class _Same:
    """An object, equal to nothing but itself. Holding it keeps its identity from being reused."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.thing is self.thing

    __hash__ = None  # type: ignore[assignment]


def _settings(layer: keras.Layer, holders: tuple[keras.Layer, ...] = ()) -> tuple[Any, ...]:
    """Return all that a trace may have read of a layer beside the values of its weights."""
    ignored, holders = _of_every_layer(), (*holders, layer)
    own = vars(layer).items()
    compared = [(name, _comparable(value, holders)) for name, value in own if name not in ignored]
    return (type(layer), layer.compute_dtype, layer.variable_dtype, *compared)


def _comparable(value: Any, holders: tuple[keras.Layer, ...]) -> Any:
    """Return what can be compared of the value of an attribute of a layer and of its holders."""
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
    """Return the names of the attributes that Keras gives every layer, for its own accounts."""
    layer = keras.layers.Identity()
    layer.build((1,))
    return frozenset({*vars(layer), "_rnnlayers_kept"} - {"autocast"})
