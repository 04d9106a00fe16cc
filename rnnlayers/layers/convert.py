"""Exchange of layers with `keras.layers`, and of weights with PyTorch's state dicts."""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from rnnlayers.cells import ElmanCell, GRUCell, LSTMCell
from rnnlayers.checks import check_one_of
from rnnlayers.layers.bidirectional import Bidirectional
from rnnlayers.layers.named import GRU, LSTM, Elman
from rnnlayers.layers.recurrent import Recurrent

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

# PyTorch's `module.mode`, with the layer and the activations that it stands for.
_FUNCTIONS = ("activation", "recurrent_activation")
_MODES: dict[str, tuple[Any, ...]] = {
    "RNN_TANH": (Elman, keras.activations.tanh),
    "RNN_RELU": (Elman, keras.activations.relu),
    "LSTM": (LSTM, keras.activations.tanh, keras.activations.sigmoid),
    "GRU": (GRU, keras.activations.tanh, keras.activations.sigmoid),
}
# The order of the gates in the fused kernels: here, and in PyTorch by the names used here.
_GATES: dict[type, tuple[Sequence[str], Sequence[str]]] = {
    Elman: (ElmanCell.gates, ("h",)),
    LSTM: (LSTMCell.gates, ("i", "f", "g", "o")),
    GRU: (GRUCell.gates, ("r", "z", "n")),
}
_TORCH_KEY = re.compile(r"(weight|bias)_(ih|hh|hr)_l\d+(_reverse)?")


def from_keras(layer: keras.Layer) -> keras.Layer:
    """Return this library's twin of a stock Keras layer: same arguments, name, weights and states.

    Weights, trainable flags, the dtype policy and the states of a stateful layer are copied. The
    twin of a layer that is not built is not built. Initializers, regularizers, constraints and
    activations are passed as objects, so custom ones need not be registered, except in
    `Bidirectional`, which copies its layer by configuration as Keras does. `use_cudnn` and
    `implementation` are not copied: they choose how Keras computes, not what.

    Args:
        layer: A `keras.layers.SimpleRNN`, `LSTM`, `GRU`, `RNN` of a stock cell, `Bidirectional` of
            these, `SimpleRNNCell`, `LSTMCell` or `GRUCell`; not a subclass, which may compute
            something else.

    Returns:
        An `Elman`, `LSTM`, `GRU`, `Recurrent`, `Bidirectional` or cell.

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
        layer: An `Elman`, `LSTM`, `GRU`, `Recurrent` of `ElmanCell`, `LSTMCell` or `GRUCell`,
            `Bidirectional` of these, or one of the three cells. Any other `Cell` needs no
            conversion: `keras.layers.RNN(cell)` runs it.

    Returns:
        A layer or cell of `keras.layers`.

    Raises:
        ValueError: if the layer, or a layer or cell in it, is none of these.
    """
    return _twin(layer, _TO_KERAS)


def _twin(layer: keras.Layer, twins: dict[type, type]) -> keras.Layer:
    if type(layer) not in twins:
        raise ValueError(
            f"`layer` must be exactly a {', '.join(known.__name__ for known in twins)}; received "
            f"{layer!r} of class {type(layer).__name__}, which has no twin."
        )
    forward = getattr(layer, "forward_layer", None)
    if forward is not None and forward.go_backwards and layer.return_sequences:
        raise ValueError(
            f"`layer` must have a forward layer with `go_backwards=False`; received {layer!r}, "
            "whose outputs come in a different order in Keras. Swap its two layers."
        )
    twin = twins[type(layer)](**_arguments(layer, twins))
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


def from_torch_state_dict(
    state_dict: Mapping[str, Any], mode: str, *, prefix: str = ""
) -> list[keras.Layer]:
    """Return the layers of a PyTorch `nn.RNN`, `nn.LSTM` or `nn.GRU`, with its weights.

    PyTorch has two bias vectors. In `nn.RNN` and `nn.LSTM` only their sum matters: `Elman` and
    `LSTM` have one bias, the sum, and `GRU` has both. A state dict does not contain the dropout
    between PyTorch's layers: put `keras.layers.Dropout` between the layers. `docs/conventions.md`
    has the tables.

    Args:
        state_dict: Arrays by PyTorch's names (`weight_ih_l0`, `bias_hh_l1_reverse`, ...), in any
            form that `numpy.asarray` takes, such as `module.cpu().state_dict()`. Other keys are
            ignored.
        mode: `module.mode`: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        prefix: The prefix of the names in the state dict of a larger module, with its dot:
            "encoder.lstm.".

    Returns:
        One built layer `(batch, timesteps, features) -> (batch, timesteps, outputs)` for each layer
        of the module, to be called in turn: `Elman`, `LSTM` or `GRU` with `return_sequences=True`,
        in a `Bidirectional` if the module is bidirectional. Their dtype is Keras' default. For
        other arguments, transfer the weights: `mine.set_weights(layer.get_weights())`.

    Raises:
        ValueError: if `mode` is unknown, a key is missing or unexpected, a shape does not fit, or
            the module has projections (`proj_size`).
    """
    check_one_of("mode", mode, _MODES)
    layer_class, *functions = _MODES[mode]
    ours, theirs = _GATES[layer_class]
    found = {
        key: np.asarray(value)
        for full_key, value in state_dict.items()
        if full_key.startswith(prefix)
        and _TORCH_KEY.fullmatch(key := full_key.removeprefix(prefix))
    }
    if any(key.startswith("weight_hr") for key in found):
        raise ValueError(
            f"`state_dict` has {prefix}weight_hr_l0, the projection of an nn.LSTM with "
            "`proj_size`, which has no counterpart here. Train it with `proj_size=0`."
        )

    def take(key: str, *shape: int | None) -> Any:
        """Remove an array from `found` and return it; None in `shape` stands for any size."""
        if key not in found:
            alike = ", ".join(name for name in state_dict if name.endswith(key)) or "none"
            raise ValueError(
                f"`state_dict` must have {prefix + key!r} with `mode={mode!r}` and "
                f"`prefix={prefix!r}`; keys that end so: {alike}."
            )
        array = found.pop(key)
        fits = array.ndim == len(shape) and all(
            size in (None, actual) for size, actual in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"`state_dict[{prefix + key!r}]` must have shape "
                f"{str(shape).replace('None', 'any')} with `mode={mode!r}`; received {array.shape}."
            )
        return array

    units = found["weight_hh_l0"].shape[-1] if "weight_hh_l0" in found else 0
    width, use_bias = len(ours) * units, "bias_ih_l0" in found
    arguments = dict(zip(_FUNCTIONS, functions, strict=False))
    suffixes = ("", "_reverse") if "weight_ih_l0_reverse" in found else ("",)
    features: int | None = None
    layers: list[keras.Layer] = []
    while not layers or f"weight_ih_l{len(layers)}" in found:
        weights = []
        for suffix in suffixes:
            end = f"l{len(layers)}{suffix}"
            recurrent_kernel = take(f"weight_hh_{end}", width, units)
            kernel = take(f"weight_ih_{end}", width, features)
            features = kernel.shape[1]
            weights += [_reorder(w, theirs, ours).T for w in (kernel, recurrent_kernel)]
            if use_bias:
                biases = [take(f"bias_{which}_{end}", width) for which in ("ih", "hh")]
                biases = [_reorder(bias, theirs, ours) for bias in biases]
                weights.append(np.stack(biases) if layer_class is GRU else sum(biases))
        layer = layer_class(units, use_bias=use_bias, return_sequences=True, **arguments)
        layer = Bidirectional(layer) if len(suffixes) == 2 else layer
        layer.build((None, None, features))
        layer.set_weights(weights)
        layers.append(layer)
        features = len(suffixes) * units
    if found:
        raise ValueError(
            f"`state_dict` must have the same keys for every layer and direction, numbered from 0; "
            f"received these without the others: {', '.join(prefix + key for key in found)}."
        )
    return layers


def to_torch_state_dict(
    layers: keras.Layer | Sequence[keras.Layer], *, prefix: str = ""
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the state dict of the PyTorch module that is equal to `layers`, called in turn.

    A bias of `Elman` or `LSTM` becomes `bias_ih`, and `bias_hh` is zero. Load the result with
    `module.load_state_dict({key: torch.from_numpy(array) for key, array in ...items()})`.

    Args:
        layers: One built layer or several: `Elman` (tanh or relu), `LSTM`, `GRU` with
            `reset_after=True`, or `Bidirectional` of these with `merge_mode="concat"`; all of one
            kind and with the same units. `from_keras` converts stock layers to them.
        prefix: A prefix for each name, with its dot: "encoder.lstm.".

    Returns:
        Arrays by PyTorch's names, in its order.

    Raises:
        ValueError: if PyTorch has no module that computes this.
    """
    layers = list(layers) if isinstance(layers, list | tuple) else [layers]
    state_dict: dict[str, np.ndarray[Any, Any]] = {}
    first: tuple[Any, ...] | None = None
    for level, layer in enumerate(layers):
        directions = [layer]
        if isinstance(layer, Bidirectional):
            directions = [layer.forward_layer, layer.backward_layer]
            _require(layer, layer.merge_mode == "concat", "`merge_mode='concat'`")
        for direction, suffix in zip(directions, ("", "_reverse"), strict=False):
            mode = _mode(direction)
            _require(direction, mode is not None, f"one of {', '.join(_MODES)}, with their gates")
            _require(direction, direction.built, "built: call it once")
            backwards = suffix == "_reverse"
            _require(direction, direction.go_backwards == backwards, f"go_backwards={backwards}")
            kernel, recurrent_kernel, *bias = direction.get_weights()
            kind = (mode, direction.units, len(bias), len(directions))
            first = first or kind
            _require(direction, kind == first, "alike: kind, units, biases and directions")
            features = kernel.shape[0]
            if level:
                expected = direction.units * len(directions)
                _require(direction, features == expected, f"made for {expected} features")
            end = f"l{level}{suffix}"
            arrays = {f"weight_ih_{end}": kernel.T, f"weight_hh_{end}": recurrent_kernel.T}
            if bias:
                rows = bias[0] if mode == "GRU" else (bias[0], np.zeros_like(bias[0]))
                arrays |= {f"bias_ih_{end}": rows[0], f"bias_hh_{end}": rows[1]}
            for key, array in arrays.items():
                state_dict[prefix + key] = _reorder(array, *_GATES[type(direction)])
    return state_dict


def _require(layer: keras.Layer, condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(
            f"`layers` must be equal to one nn.RNN, nn.LSTM or nn.GRU, so {layer!r} must be {what}."
        )


def _mode(layer: keras.Layer) -> str | None:
    """Return the mode of PyTorch for a layer, or None."""
    functions = [getattr(layer, name) for name in _FUNCTIONS if hasattr(layer, name)]
    for mode, made in _MODES.items():
        if made == (type(layer), *functions) and getattr(layer, "reset_after", True):
            return mode
    return None


def _reorder(array: Any, before: Sequence[str], after: Sequence[str]) -> Any:
    """Return `array` with the blocks of its first axis, one for each gate, reordered."""
    blocks = dict(zip(before, np.split(array, len(before)), strict=True))
    return np.concatenate([blocks[gate] for gate in after])
