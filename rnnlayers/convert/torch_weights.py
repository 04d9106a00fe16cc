"""Exchange of weights with PyTorch's state dicts."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from rnnlayers.cells.standard import STANDARD_FORMS, StandardForm, standard_form
from rnnlayers.checks import check_one_of
from rnnlayers.layers.bidirectional import Bidirectional
from rnnlayers.layers.lstm_family import ProjectedLSTM
from rnnlayers.layers.named import GRU, LSTM, Elman
from rnnlayers.layers.recurrent import Recurrent

_TORCH_KEY = re.compile(r"(weight|bias)_(ih|hh|hr)_l\d+(_reverse)?")
_LAYERS: dict[str, type[Recurrent]] = {
    "RNN_TANH": Elman,
    "RNN_RELU": Elman,
    "LSTM": LSTM,
    "GRU": GRU,
}


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
        of the module, to be called in turn: `Elman`, `LSTM`, `GRU` or, for `proj_size`,
        `ProjectedLSTM` with `return_sequences=True`, in a `Bidirectional` if the module is
        bidirectional. Their dtype is Keras' default. For other arguments, transfer the weights:
        `mine.set_weights(layer.get_weights())`.

    Raises:
        ValueError: if `mode` is unknown, a key is missing or unexpected, or a shape does not fit.
    """
    check_one_of("mode", mode, _LAYERS)
    form = STANDARD_FORMS[mode]
    found = {
        key: np.asarray(value)
        for full_key, value in state_dict.items()
        if full_key.startswith(prefix)
        and _TORCH_KEY.fullmatch(key := full_key.removeprefix(prefix))
    }

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

    projected = mode == "LSTM" and "weight_hr_l0" in found
    # h has the size of the projection, and c has as many units as weight_hr has columns.
    height = found["weight_hh_l0"].shape[-1] if "weight_hh_l0" in found else 0
    units = found["weight_hr_l0"].shape[-1] if projected else height
    width, use_bias = len(form.gates) * units, "bias_ih_l0" in found
    layer_class: type[Recurrent] = ProjectedLSTM if projected else _LAYERS[mode]
    arguments: dict[str, Any] = {"units": units, "use_bias": use_bias, **form.functions}
    arguments |= {"projection": height} if projected else {}
    suffixes = ("", "_reverse") if "weight_ih_l0_reverse" in found else ("",)
    features: int | None = None
    layers: list[keras.Layer] = []
    while not layers or f"weight_ih_l{len(layers)}" in found:
        weights = []
        for suffix in suffixes:
            end = f"l{len(layers)}{suffix}"
            recurrent_kernel = take(f"weight_hh_{end}", width, height)
            kernel = take(f"weight_ih_{end}", width, features)
            features = kernel.shape[1]
            weights += [_from_torch(w, form).T for w in (kernel, recurrent_kernel)]
            if use_bias:
                biases = [take(f"bias_{which}_{end}", width) for which in ("ih", "hh")]
                biases = [_from_torch(bias, form) for bias in biases]
                weights.append(np.stack(biases) if form.biases == 2 else sum(biases))
            if projected:
                weights.append(take(f"weight_hr_{end}", height, units).T)
        layer = layer_class(return_sequences=True, **arguments)
        layer = Bidirectional(layer) if len(suffixes) == 2 else layer
        layer.build((None, None, features))
        layer.set_weights(weights)
        layers.append(layer)
        features = len(suffixes) * height
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
            `reset_after=True`, `ProjectedLSTM`, a `Recurrent` of one of their cells, or
            `Bidirectional` of these with `merge_mode="concat"`; all of one kind and with the same
            units. `from_keras` converts stock layers to them.
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
            form = standard_form(getattr(direction, "cell", None))
            needed = f"one of {', '.join(_LAYERS)}, with their gates"
            if form is None or not isinstance(direction, Recurrent):
                raise ValueError(_message(direction, needed))
            _require(direction, direction.built, "built: call it once")
            learned = direction.learn_initial_state
            _require(direction, not learned, "made with learn_initial_state=False")
            backwards = suffix == "_reverse"
            _require(direction, direction.go_backwards == backwards, f"go_backwards={backwards}")
            cell = direction.cell
            kernel, recurrent_kernel, *others = direction.get_weights()
            bias = others[0] if cell.use_bias else None
            kind = (form, cell.units, cell.use_bias, len(directions))
            first = first or kind
            _require(direction, kind == first, "alike: kind, units, biases and directions")
            features = kernel.shape[0]
            if level:
                expected = cell.output_size * len(directions)
                _require(direction, features == expected, f"made for {expected} features")
            end = f"l{level}{suffix}"
            arrays = {f"weight_ih_{end}": kernel.T, f"weight_hh_{end}": recurrent_kernel.T}
            if bias is not None:
                rows = bias if form.biases == 2 else (bias, np.zeros_like(bias))
                arrays |= {f"bias_ih_{end}": rows[0], f"bias_hh_{end}": rows[1]}
            arrays = {key: _to_torch(array, form) for key, array in arrays.items()}
            if form.projection is not None:
                arrays[f"weight_hr_{end}"] = others[-1].T
            state_dict |= {prefix + key: array for key, array in arrays.items()}
    return state_dict


def _require(layer: keras.Layer, condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(_message(layer, what))


def _message(layer: keras.Layer, what: str) -> str:
    return f"`layers` must be equal to one nn.RNN, nn.LSTM or nn.GRU, so {layer!r} must be {what}."


def _from_torch(array: Any, form: StandardForm) -> Any:
    """Return an array of PyTorch with its gates, along the first axis, in the order used here."""
    return _reorder(array, form.torch_gates, form.gates)


def _to_torch(array: Any, form: StandardForm) -> Any:
    """Return an array with its gates, along the first axis, in the order of PyTorch."""
    return _reorder(array, form.gates, form.torch_gates)


def _reorder(array: Any, before: Sequence[str], after: Sequence[str]) -> Any:
    blocks = dict(zip(before, np.split(array, len(before)), strict=True))
    return np.concatenate([blocks[gate] for gate in after])
