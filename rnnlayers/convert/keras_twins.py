"""Exchange of layers with `keras.layers`."""

import inspect
from typing import Any

import keras

from rnnlayers.cells import ElmanCell, GRUCell, LSTMCell
from rnnlayers.layers.bidirectional import Bidirectional
from rnnlayers.layers.named import GRU, LSTM, Elman
from rnnlayers.layers.recurrent import Recurrent
from rnnlayers.layers.stack import Stack

_TO_KERAS: dict[type, type] = {
    Elman: keras.layers.SimpleRNN,
    LSTM: keras.layers.LSTM,
    GRU: keras.layers.GRU,
    Recurrent: keras.layers.RNN,
    Bidirectional: keras.layers.Bidirectional,
    ElmanCell: keras.layers.SimpleRNNCell,
    LSTMCell: keras.layers.LSTMCell,
    GRUCell: keras.layers.GRUCell,
}
_FROM_KERAS = {stock: ours for ours, stock in _TO_KERAS.items()}
_INNER = {"cell": "cell", "layer": "forward_layer", "backward_layer": "backward_layer"}


def from_keras(layer: keras.Layer) -> keras.Layer:
    """Return this library's twin of a stock Keras layer: same arguments, name, weights and states.

    Weights, trainable flags, the dtype policy and the states of a stateful layer are copied. The
    twin of a layer that is not built is not built. Initializers, regularizers, constraints and
    activations are passed as objects, so custom ones need not be registered, except in
    `Bidirectional`, which copies its layer by configuration as Keras does. `use_cudnn` and
    `implementation` are not copied: they choose how Keras computes, not what.

    Args:
        layer: A `keras.layers.SimpleRNN`, `LSTM`, `GRU`, `RNN` of a stock cell or of several,
            `Bidirectional` of these, `SimpleRNNCell`, `LSTMCell` or `GRUCell`; not a subclass,
            which may compute something else.

    Returns:
        An `Elman`, `LSTM`, `GRU`, `Recurrent`, `Stack`, `Bidirectional` or cell.

    Raises:
        ValueError: if the layer, or a layer or cell in it, is none of these.

    Example:

    >>> stock = keras.layers.GRU(4)
    >>> outputs = stock(np.ones((2, 5, 3)))
    >>> bool(np.allclose(from_keras(stock)(np.ones((2, 5, 3))), outputs, atol=1e-6))
    True
    """
    return _twin(layer, _FROM_KERAS)


def to_keras(layer: keras.Layer) -> keras.Layer:
    """Return the stock Keras twin of a layer of this library; the inverse of `from_keras`.

    `engine`, `truncate` and `remat` are not copied, since Keras has no such arguments.

    Args:
        layer: An `Elman`, `LSTM`, `GRU`, `Recurrent` of `ElmanCell`, `LSTMCell` or `GRUCell`, a
            plain `Stack` or `Bidirectional` of these, or one of the three cells. Any other `Cell`
            needs no conversion: `keras.layers.RNN(cell)` runs it.

    Returns:
        A layer or cell of `keras.layers`.

    Raises:
        ValueError: if the layer, or a layer or cell in it, is none of these.
    """
    return _twin(layer, _TO_KERAS)


def _twin(layer: keras.Layer, twins: dict[type, type]) -> keras.Layer:
    of_cells = type(getattr(layer, "cell", None)) is keras.layers.StackedRNNCells
    if type(layer) is Stack or (type(layer) is keras.layers.RNN and of_cells):
        return _twin_of_stack(layer, twins)
    if type(layer) not in twins:
        raise ValueError(
            f"`layer` must be exactly a {', '.join(known.__name__ for known in twins)}; received "
            f"{layer!r} of class {type(layer).__name__}, which has no twin."
        )
    if getattr(layer, "learn_initial_state", False):
        raise ValueError(
            f"`layer` must begin with zeros, as Keras' layers do; received {layer!r} with "
            "`learn_initial_state=True`, which has no twin."
        )
    forward = getattr(layer, "forward_layer", None)
    if forward is not None and forward.go_backwards and layer.return_sequences:
        raise ValueError(
            f"`layer` must have a forward layer with `go_backwards=False`; received {layer!r}, "
            "whose outputs come in a different order in Keras. Swap its two layers."
        )
    return _with_weights_of(layer, twins[type(layer)](**_arguments(layer, twins)))


def _twin_of_stack(layer: Any, twins: dict[type, type]) -> keras.Layer:
    """Return the `Stack` that is equal to an `RNN` of several cells, or the other way round."""
    ours = isinstance(layer, Stack)
    simple = not ours or not (
        layer.residual
        or layer.highway
        or layer.dropout
        or any(inner.learn_initial_state for inner in layer.layers)
    )
    if layer.return_state or layer.stateful or not simple:
        raise ValueError(
            f"`layer` must be a plain stack, without connections, dropout between layers, learned "
            f"states, `return_state` and `stateful`; received {layer!r} of class "
            f"{type(layer).__name__}, which has no twin. (Keras nests the states of several cells.)"
        )
    cells = [inner.cell for inner in layer.layers] if ours else layer.cell.cells
    cells = [_twin(cell, twins) for cell in cells]
    names = ("return_sequences", "go_backwards", "zero_output_for_mask", "name", "trainable")
    arguments = {name: getattr(layer, name) for name in names} | {"dtype": layer.dtype_policy}
    return _with_weights_of(layer, (keras.layers.RNN if ours else Stack)(cells, **arguments))


def _with_weights_of(layer: keras.Layer, twin: keras.Layer) -> keras.Layer:
    """Return the twin, built like `layer` with its weights, flags and states if it is built."""
    if layer.built:
        twin.build_from_config(layer.get_build_config())
        twin.set_weights(layer.get_weights())
        for new, old in zip(twin.weights, layer.weights, strict=True):
            new.trainable = old.trainable
        if getattr(layer, "stateful", False):
            for new, old in zip(twin.states, layer.states, strict=True):
                new.assign(old)
    return twin


def _arguments(layer: keras.Layer, twins: dict[type, type]) -> dict[str, Any]:
    """Return the arguments that make an equal `layer`, by Keras' names, as live objects."""
    stock = _TO_KERAS.get(type(layer), type(layer))
    names = {*inspect.signature(stock).parameters} - {"kwargs", "use_cudnn", "weights"}
    names |= {"name", "trainable", "activity_regularizer"}
    if hasattr(layer, "zero_output_for_mask"):  # hidden in the `kwargs` of all but RNN
        names.add("zero_output_for_mask")
    arguments = {"dtype": layer.dtype_policy}
    for name in names:
        if name in _INNER:
            arguments[name] = _twin(getattr(layer, _INNER[name]), twins)
        else:
            arguments[name] = getattr(layer if hasattr(layer, name) else layer.cell, name)
    return arguments
