"""The recurrences that an application can be trained with, by the name of the option `--cell`."""

import keras

import rnnlayers
from apps.common.settings import CellName

LAYERS = {"elman": rnnlayers.Elman, "lstm": rnnlayers.LSTM, "gru": rnnlayers.GRU}
CELLS = {"elman": rnnlayers.ElmanCell, "lstm": rnnlayers.LSTMCell, "gru": rnnlayers.GRUCell}


def recurrent(cell: CellName, units: int, **options) -> keras.Layer:
    """Create the layer of a cell.

    Args:
        cell: The name of the cell.
        units: The size of its states.
        **options: Further arguments of the layer, such as `return_sequences`.
    """
    return LAYERS[cell](units, **options)


def step(cell: CellName, units: int) -> keras.Layer:
    """Create the cell itself, for one step or inside another layer."""
    return CELLS[cell](units)
