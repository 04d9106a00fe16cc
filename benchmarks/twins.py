"""The cells that PyTorch or torchrecurrent has too: which module, and how weights are carried over.

A twin takes the weights of our cell by name, and names PyTorch's. NaN stands where PyTorch has a
number that ours has not: it is zero there, and its gradient is compared with nothing.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

Arrays = Mapping[str, np.ndarray]


class Twin(NamedTuple):
    """A second implementation of a cell.

    Args:
        module: Its name in `torchrecurrent`, or after "nn." in `torch.nn`.
        carry: Takes our weights, returns PyTorch's. It is linear, so it carries gradients too.
        options: More arguments of the module, or a function of our cell that returns them.
        zero: Names of weights of ours, or a name and a part (number, of how many), that PyTorch
            lacks and that are zero in the comparison.
        differs: What its equations have other than the paper; empty if nothing. Such a twin serves
            as a measure of speed, and its numbers are not compared.
        bound: The largest error in float64 that rounding explains.
    """

    module: str
    carry: Callable[[Arrays], dict[str, np.ndarray]]
    options: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] = MappingProxyType({})
    zero: tuple[str, int, int] | None = None
    differs: str = ""
    bound: float = 1e-12

    def options_for(self, cell: Any) -> dict[str, Any]:
        """Return the arguments of the module for a cell."""
        return dict(self.options(cell) if callable(self.options) else self.options)

    def without(self, weights: Arrays) -> dict[str, np.ndarray]:
        """Return our weights with zeros where PyTorch has none."""
        changed = {name: np.array(weight) for name, weight in weights.items()}
        if self.zero is not None:
            name, part, parts = self.zero
            np.split(changed[name], parts, -1)[part][:] = 0  # a view
        return changed


def _kernel(kernel: np.ndarray, order: str = "", ours: str = "") -> np.ndarray:
    """Return a kernel of PyTorch's shape, its gates in another order."""
    return _bias(kernel, order, ours).T


def _bias(bias: np.ndarray, order: str = "", ours: str = "") -> np.ndarray:
    if not order:
        return bias
    parts = dict(zip(ours, np.split(bias, len(ours), -1), strict=True))
    return np.concatenate([parts[gate] for gate in order], -1)


def _gated(order: str = "", ours: str = "") -> Callable[[Arrays], dict[str, np.ndarray]]:
    """Return how the weights of a cell with a kernel, a recurrent kernel and a bias are carried."""

    def carry(w: Arrays) -> dict[str, np.ndarray]:
        fused = w["recurrent_kernel"].shape[-1] == w["kernel"].shape[-1]
        return {
            "weight_ih": _kernel(w["kernel"], order, ours),
            "weight_hh": _kernel(w["recurrent_kernel"], *((order, ours) if fused else ())),
            "bias_ih": _bias(w["bias"], order, ours),
        }

    return carry


def _halves(bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.split(bias, 2)
    return first, second


def _lstm(w: Arrays) -> dict[str, np.ndarray]:
    found = {
        "weight_ih_l0": w["kernel"].T,
        "weight_hh_l0": w["recurrent_kernel"].T,
        "bias_ih_l0": w["bias"],
    }
    if "projection_kernel" in w:
        found["weight_hr_l0"] = w["projection_kernel"].T
    return found


def _gru(w: Arrays) -> dict[str, np.ndarray]:
    one, other = w["bias"]
    return {
        "weight_ih_l0": _kernel(w["kernel"], "rzn", "zrn"),
        "weight_hh_l0": _kernel(w["recurrent_kernel"], "rzn", "zrn"),
        "bias_ih_l0": _bias(one, "rzn", "zrn"),
        "bias_hh_l0": _bias(other, "rzn", "zrn"),
    }


def _peephole(w: Arrays) -> dict[str, np.ndarray]:
    peepholes = [w[f"peephole_{gate}"] for gate in "ifo"]
    return {**_gated()(w), "weight_ph": np.concatenate(peepholes)}


def _multiplicative(w: Arrays) -> dict[str, np.ndarray]:
    kernels = [w["multiplicative_kernel"].T, w["kernel"].T]
    return {
        "weight_ih": np.concatenate(kernels),
        "weight_hh": w["multiplicative_recurrent_kernel"].T,
        "weight_mh": w["recurrent_kernel"].T,
        "bias_mh": w["bias"],
    }


def _minimal(w: Arrays) -> dict[str, np.ndarray]:
    of_inputs, of_gate = _halves(w["bias"])
    return {
        "weight_ih": w["kernel"].T,
        "weight_hh": w["recurrent_kernel"].T,
        "weight_mm": w["gate_kernel"].T,
        "bias_ih": of_inputs,
        "bias_hh": of_gate,
    }


def _mut1(w: Arrays) -> dict[str, np.ndarray]:
    z, r, n = np.split(w["bias"], 3)
    none = np.full_like(n, np.nan)
    return {
        "weight_ih": w["kernel"].T,
        "weight_hh": w["recurrent_kernel"].T,
        "bias_ih": np.concatenate([z, r, none]),
        "bias_hh": np.concatenate([none, n]),
    }


def _ran(w: Arrays) -> dict[str, np.ndarray]:
    i, f, _ = np.split(w["bias"], 3)
    return {
        "weight_ih": _kernel(w["kernel"], "gif", "ifg"),
        "weight_hh": w["recurrent_kernel"].T,
        "bias_ih": np.concatenate([i, f]),
    }


def _cfn(w: Arrays) -> dict[str, np.ndarray]:
    t, n = _halves(w["bias"])
    return {
        "weight_ih": w["kernel"].T,
        "weight_hh": w["recurrent_kernel"].T,
        "bias_ih": np.concatenate([t, n, np.full_like(n, np.nan)]),
    }


def _antisymmetric(w: Arrays) -> dict[str, np.ndarray]:
    # Its matrix stands to the left of the state, as in the paper: not transposed.
    return {**_gated()(w), "weight_hh": w["recurrent_kernel"]}


def _lem(w: Arrays) -> dict[str, np.ndarray]:
    return {
        "weight_ih": _kernel(w["kernel"], "tszy", "stzy"),
        "weight_hh": _kernel(w["recurrent_kernel"], "tsz", "stz"),
        "weight_ch": w["memory_kernel"].T,
        "bias_ih": _bias(w["bias"], "tszy", "stzy"),
    }


def _t_rnn(w: Arrays) -> dict[str, np.ndarray]:
    none = np.full_like(w["bias"], np.nan)
    return {"weight_ih": w["kernel"].T, "bias_ih": np.concatenate([none, w["bias"]])}


def _residual(w: Arrays) -> dict[str, np.ndarray]:
    found = _and(weight_proj="projection_kernel", weight_res="shortcut_kernel")(w)
    return {**found, "weight_ph": w["peephole"].reshape(-1)}


def _tau_gru(w: Arrays) -> dict[str, np.ndarray]:
    u, g, a = np.split(w["recurrent_kernel"], 3, -1)
    return {
        "weight_ih": _kernel(w["kernel"], "uzga", "ugaz"),
        "weight_hh": np.concatenate([u, w["delay_kernel"], g, a], -1).T,
        "bias_ih": _bias(w["bias"], "uzga", "ugaz"),
    }


def _and(*names: str, **renamed: str) -> Callable[[Arrays], dict[str, np.ndarray]]:
    """Return how a gated cell is carried that has more weights, of other names in PyTorch."""

    def carry(w: Arrays) -> dict[str, np.ndarray]:
        more = {name: w[name] for name in names}
        more |= {theirs: w[name].T for theirs, name in renamed.items()}
        return {**_gated()(w), **more}

    return carry


def _ind_rnn(w: Arrays) -> dict[str, np.ndarray]:
    return {
        "weight_ih": w["kernel"].T,
        "vector_u": w["recurrent_kernel"],
        "bias_ih": w["bias"],
    }


def _unchanged(w: Arrays) -> dict[str, np.ndarray]:
    return {}


def _activation(cell: Any) -> dict[str, Any]:
    return {"nonlinearity": cell.activation.__name__}


def _attributes(*names: str) -> Callable[[Any], dict[str, Any]]:
    return lambda cell: {name: getattr(cell, name) for name in names}


# PyTorch's derivative of `hard_sigmoid` in float64 is 1 / 6 rounded to float32.
HARD_SIGMOID = 1e-7

TWINS: dict[str, Twin] = {
    "ElmanCell": Twin("nn.RNN", _lstm),
    "LSTMCell": Twin("nn.LSTM", _lstm),
    "GRUCell": Twin("nn.GRU", _gru),
    "ProjectedLSTMCell": Twin("nn.LSTM", _lstm, lambda cell: {"proj_size": cell.projection}),
    "PeepholeLSTMCell": Twin("PeepholeLSTM", _peephole),
    "OriginalLSTMCell": Twin("OriginalLSTM", _gated()),
    "JANETCell": Twin("JANET", _gated(), _attributes("beta")),
    "NASCell": Twin(
        "NAS",
        _gated(),
        differs="it adds the inputs of the fourth part to those of the states, where the cell that "
        "was found, as TensorFlow Addons has it, multiplies them",
    ),
    "MultiplicativeLSTMCell": Twin("MultiplicativeLSTM", _multiplicative),
    "MinimalGatedCell": Twin("MGU", _gated()),
    "LiGRUCell": Twin("LiGRU", _gated(), _activation),
    "LightRecurrentCell": Twin("LightRU", _gated("nf", "fn")),
    "STARCell": Twin("STAR", _gated()),
    "ATRCell": Twin("ATR", _gated()),
    "MinimalRNNCell": Twin("MinimalRNN", _minimal),
    "MUT1Cell": Twin("MUT1", _mut1),
    "MUT2Cell": Twin("MUT2", _gated()),
    "MUT3Cell": Twin("MUT3", _gated()),
    "RANCell": Twin("RAN", _ran, zero=("bias", 2, 3)),
    "UGRNNCell": Twin("UGRNN", _gated("ng", "gn")),
    "IntersectionCell": Twin(
        "IntersectionRNN",
        _gated("pqgf", "pgqf"),
        lambda cell: {"depth_nonlinearity": cell.activation.__name__},
    ),
    "CFNCell": Twin("CFN", _cfn),
    "FastRNNCell": Twin("FastRNN", _and("alpha", "beta"), _activation),
    "FastGRNNCell": Twin("FastGRNN", _and("zeta", "nu"), {"nonlinearity": "sigmoid"}),
    "IRNNCell": Twin("nn.RNN", _lstm, {"nonlinearity": "relu"}),
    "IndRNNCell": Twin("IndRNN", _ind_rnn, _activation),
    "SCRNCell": Twin(
        "SCRN",
        _unchanged,
        differs="it feeds the output back where equation 5 feeds back the hidden state",
    ),
    "AntisymmetricCell": Twin("AntisymmetricRNN", _antisymmetric, _attributes("epsilon", "gamma")),
    "GatedAntisymmetricCell": Twin(
        "GatedAntisymmetricRNN", _antisymmetric, _attributes("epsilon", "gamma")
    ),
    "CoRNNCell": Twin(
        "coRNN", _and(weight_ch="velocity_kernel"), _attributes("dt", "gamma", "epsilon")
    ),
    "UnICORNNCell": Twin("UnICORNN", _and(weight_ch="time_scale"), _attributes("dt", "alpha")),
    "LEMCell": Twin(
        "LEM",
        _lem,
        _attributes("dt"),
        differs="its second state reads the first one of the step before, where the paper reads "
        "the new one",
    ),
    "BRCCell": Twin("BR", _gated()),
    "NBRCCell": Twin("NBR", _gated()),
    "SGRNCell": Twin("SGRN", _gated()),
    "SGUCell": Twin("SGU", _gated(), bound=HARD_SIGMOID),
    "DSGUCell": Twin("DSGU", _and(weight_ho="output_kernel"), bound=HARD_SIGMOID),
    "MiRU1Cell": Twin("MiRU1", _gated(), _attributes("update_coefficient")),
    "MiRU2Cell": Twin("MiRU2", _gated(), _attributes("update_coefficient", "reset_coefficient")),
    "TauGRUCell": Twin("tauGRU", _tau_gru, _attributes("delay")),
    "TRNNCell": Twin("TRNN", _t_rnn),
    "TGRUCell": Twin("TGRU", _gated()),
    "TLSTMCell": Twin("TLSTM", _gated()),
    "WorkingMemoryLSTMCell": Twin("WMCLSTM", _and(weight_mh="memory_kernel")),
    "ResidualLSTMCell": Twin("ResLSTM", _residual),
}


def twin_of(cell: Any) -> Twin | None:
    """Return the second implementation of a built cell with these arguments, or None."""
    name = type(cell).__name__
    if name == "ProjectedLSTMCell":
        plain = not cell.peephole and not cell.layer_norm and cell.projection < cell.units
        return TWINS[name] if plain else None
    if name == "GRUCell" and not cell.reset_after:
        return None
    if name == "ResidualLSTMCell" and "shortcut_kernel" not in {w.name for w in cell.weights}:
        return None
    return TWINS.get(name)
