"""The cells of the native engine, by class and by the names that its operators have for them."""

import functools
from collections.abc import Callable
from typing import Any

import keras

from rnnlayers.cells.additive import CFNCell, RANCell, UGRNNCell
from rnnlayers.cells.base import Cell
from rnnlayers.cells.bistable import NBRCCell
from rnnlayers.cells.elman import ElmanCell
from rnnlayers.cells.elman_relatives import IRNNCell
from rnnlayers.cells.gru import GRUCell
from rnnlayers.cells.light_gated import (
    ATRCell,
    LightRecurrentCell,
    LiGRUCell,
    MinimalGatedCell,
    STARCell,
)
from rnnlayers.cells.linear_units import QRNNCell, SRUCell
from rnnlayers.cells.lstm import LSTMCell
from rnnlayers.cells.lstm_relatives import CoupledLSTMCell, JANETCell, OriginalLSTMCell
from rnnlayers.cells.lstm_variants import LayerNormLSTMCell, PeepholeLSTMCell, ProjectedLSTMCell
from rnnlayers.cells.min_gated import MinGRUCell, MinLSTMCell, positive
from rnnlayers.cells.simple_gated import SGRNCell
from rnnlayers.cells.typed import TRNNCell

SIGMOID, TANH, RELU = keras.activations.sigmoid, keras.activations.tanh, keras.activations.relu


# The cells that the operators have by one name, with tanh and, for gates, sigmoid.
ONE_FORM: dict[type[Cell], str] = {
    LSTMCell: "lstm",
    CoupledLSTMCell: "coupled_lstm",
    OriginalLSTMCell: "original_lstm",
    JANETCell: "janet",
    RANCell: "ran",
    MinimalGatedCell: "minimal_gated",
    LightRecurrentCell: "light_recurrent",
    STARCell: "star",
    SGRNCell: "sgrn",
    NBRCCell: "nbrc",
    CFNCell: "cfn",
}


def _by_activations(*names: tuple[str, Any, Any]) -> Callable[[Any], str | None]:
    """Return a function that names a cell by its activation and that of its gates; None is any.

    An activation need not be hashable.
    """

    def name_of(cell: Any) -> str | None:
        for name, activation, of_gates in names:
            if (activation is None or cell.activation == activation) and (
                of_gates is None or cell.recurrent_activation == of_gates
            ):
                return name
        return None

    return name_of


def _gated(name: str) -> Callable[[Any], str | None]:
    return _by_activations((name, TANH, SIGMOID))


def _lstm_variant(cell: Any) -> str | None:
    parts = {
        "projected": cell.projection,
        "peephole": cell.peephole,
        "layer_norm": cell.layer_norm,
    }
    return _gated("_".join([*(name for name, there in parts.items() if there), "lstm"]))(cell)


_elman = _by_activations(
    ("elman_tanh", TANH, None), ("elman_sigmoid", SIGMOID, None), ("elman_relu", RELU, None)
)
_update_gate = _by_activations(("ugrnn", TANH, SIGMOID), ("li_gru", RELU, SIGMOID))
# By the class itself: a subclass may have another step.
CELLS: dict[type[Cell], Callable[[Any], str | None]] = {
    **{cell: _gated(name) for cell, name in ONE_FORM.items()},
    ElmanCell: _elman,
    IRNNCell: _elman,
    GRUCell: lambda cell: _gated("gru" if cell.reset_after else "gru_reset_before")(cell),
    UGRNNCell: _update_gate,
    LiGRUCell: _update_gate,
    ATRCell: _by_activations(("atr", None, SIGMOID)),
    PeepholeLSTMCell: _lstm_variant,
    ProjectedLSTMCell: _lstm_variant,
    LayerNormLSTMCell: _lstm_variant,
    MinGRUCell: _by_activations(("min_gru", positive, None)),
    MinLSTMCell: _by_activations(("min_lstm", positive, None)),
    TRNNCell: _by_activations(("trnn", None, None)),
    QRNNCell: _by_activations(("qrnn", TANH, None)),
    SRUCell: _by_activations(("sru", TANH, None)),
}
# For each name of the operators a cell that has its equations: second derivatives come from it.
MAKERS: dict[str, Callable[..., Any]] = {
    **{name: cell for cell, name in ONE_FORM.items()},
    "elman_tanh": ElmanCell,
    "elman_relu": IRNNCell,
    "elman_sigmoid": functools.partial(ElmanCell, activation="sigmoid"),
    "gru": GRUCell,
    "gru_reset_before": functools.partial(GRUCell, reset_after=False),
    "ugrnn": UGRNNCell,
    "li_gru": LiGRUCell,
    "atr": ATRCell,
    "peephole_lstm": PeepholeLSTMCell,
    "projected_lstm": ProjectedLSTMCell,
    "projected_peephole_lstm": PeepholeLSTMCell,
    "layer_norm_lstm": LayerNormLSTMCell,
    "min_gru": MinGRUCell,
    "min_lstm": MinLSTMCell,
    "trnn": TRNNCell,
    "qrnn": QRNNCell,
    "sru": SRUCell,
}
_CLASSES: dict[str, Any] = {
    name: maker.func if isinstance(maker, functools.partial) else maker
    for name, maker in MAKERS.items()
}
HAVE_C = {name for name, cell in _CLASSES.items() if "c" in cell.state_names}
READ_C = {name for name, cell in _CLASSES.items() if cell.state_names == ("c",)}  # no state is h
# Parts of the kernels of cells without a recurrent kernel.
KERNEL_PARTS = {
    name: len(cell.gates) for name, cell in _CLASSES.items() if cell.recurrent_gates == 0
}


def name_of(cell: Cell) -> str | None:
    """Return the name that the operators have for a cell of `CELLS`, None for other activations."""
    return CELLS[type(cell)](cell)
