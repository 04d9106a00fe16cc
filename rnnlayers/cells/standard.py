"""Which cells are the standard networks that PyTorch, cuDNN and ONNX know."""

from typing import Any, NamedTuple

import keras

from rnnlayers.cells.base import Cell
from rnnlayers.cells.elman import ElmanCell
from rnnlayers.cells.gru import GRUCell
from rnnlayers.cells.lstm import LSTMCell
from rnnlayers.cells.lstm_variants import ProjectedLSTMCell


class StandardForm(NamedTuple):
    """A standard network, and how its gates lie in the fused kernels.

    Args:
        mode: PyTorch's name, which is also cuDNN's: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        gates: The gates in the order of this library and of Keras.
        torch_gates: The same gates in the order of PyTorch and of cuDNN.
        projection: The size of a projected output, or None.
        biases: How many rows of biases the cell keeps, 2 if only both together say what the cell
            computes. PyTorch always keeps two.

    Example:

    >>> form = rnnlayers.standard_form(rnnlayers.ProjectedLSTMCell(8, projection=4))
    >>> form.mode, form.gates, form.projection
    ('LSTM', ('i', 'f', 'g', 'o'), 4)
    """

    mode: str
    gates: tuple[str, ...]
    torch_gates: tuple[str, ...]
    projection: int | None = None
    biases: int = 1

    @property
    def cell(self) -> type[Cell]:
        """The class of the cell."""
        return _CELLS[self.mode] if self.projection is None else ProjectedLSTMCell

    @property
    def functions(self) -> dict[str, Any]:
        """The activations, by the names of the cell's arguments."""
        return dict(zip(_NAMES, _FUNCTIONS[self.mode], strict=False))


_NAMES = ("activation", "recurrent_activation")
_TANH, _RELU = keras.activations.tanh, keras.activations.relu
_SIGMOID = keras.activations.sigmoid
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "RNN_TANH": (_TANH,),
    "RNN_RELU": (_RELU,),
    "LSTM": (_TANH, _SIGMOID),
    "GRU": (_TANH, _SIGMOID),
}
_CELLS: dict[str, type[Cell]] = {
    "RNN_TANH": ElmanCell,
    "RNN_RELU": ElmanCell,
    "LSTM": LSTMCell,
    "GRU": GRUCell,
}
STANDARD_FORMS: dict[str, StandardForm] = {
    "RNN_TANH": StandardForm("RNN_TANH", ElmanCell.gates, ElmanCell.gates),
    "RNN_RELU": StandardForm("RNN_RELU", ElmanCell.gates, ElmanCell.gates),
    "LSTM": StandardForm("LSTM", LSTMCell.gates, ("i", "f", "g", "o")),
    "GRU": StandardForm("GRU", GRUCell.gates, ("r", "z", "n"), biases=2),
}


def standard_form(cell: Any) -> StandardForm | None:
    """Return the standard form of a cell, or None if it computes something else.

    Args:
        cell: A cell. Of a subclass nothing is known: it may have another step.

    Example:

    >>> rnnlayers.standard_form(rnnlayers.GRUCell(4)).torch_gates
    ('r', 'z', 'n')
    >>> rnnlayers.standard_form(rnnlayers.GRUCell(4, reset_after=False)) is None
    True
    """
    functions = tuple(getattr(cell, name) for name in _NAMES if hasattr(cell, name))
    if type(cell) is ProjectedLSTMCell:
        standard = functions == _FUNCTIONS["LSTM"] and not (cell.peephole or cell.layer_norm)
        return STANDARD_FORMS["LSTM"]._replace(projection=cell.projection) if standard else None
    if not getattr(cell, "reset_after", True):
        return None
    for mode, form in STANDARD_FORMS.items():
        if type(cell) is _CELLS[mode] and functions == _FUNCTIONS[mode]:
            return form
    return None
