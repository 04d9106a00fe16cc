"""The native engine: the whole layer in one operator, and its gradients in another.

`src/` has the operators. Nothing is compiled while a model runs, any length costs the same, and no
intermediate result has an axis moved. The common cells run on it, in float32 on a CPU.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

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
from rnnlayers.cells.lstm import LSTMCell
from rnnlayers.cells.lstm_relatives import CoupledLSTMCell, JANETCell, OriginalLSTMCell
from rnnlayers.cells.lstm_variants import LayerNormLSTMCell, PeepholeLSTMCell, ProjectedLSTMCell
from rnnlayers.cells.parts import SideInputs
from rnnlayers.cells.simple_gated import SGRNCell
from rnnlayers.engines.native.library import find
from rnnlayers.engines.native.operators import WEIGHTS, Settings, run_layer
from rnnlayers.engines.target import Target, is_compiled_as_a_whole, is_saved, traced_for
from rnnlayers.engines.threads import thread_count
from rnnlayers.types import States, Tensor

SIGMOID, TANH, RELU = keras.activations.sigmoid, keras.activations.tanh, keras.activations.relu


def _elman(cell: Any) -> str | None:
    names = {TANH: "elman_tanh", SIGMOID: "elman_sigmoid", RELU: "elman_relu"}
    return names.get(cell.activation)


def _gated(name: str) -> Callable[[Any], str | None]:
    def name_of(cell: Any) -> str | None:
        return name if (cell.activation, cell.recurrent_activation) == (TANH, SIGMOID) else None

    return name_of


def _update_gate(cell: Any) -> str | None:
    names = {(TANH, SIGMOID): "ugrnn", (RELU, SIGMOID): "li_gru"}
    return names.get((cell.activation, cell.recurrent_activation))


def _atr(cell: Any) -> str | None:
    return "atr" if cell.recurrent_activation == SIGMOID else None


def _lstm_variant(cell: Any) -> str | None:
    parts = {
        "projected": cell.projection,
        "peephole": cell.peephole,
        "layer_norm": cell.layer_norm,
    }
    return _gated("_".join([*(name for name, there in parts.items() if there), "lstm"]))(cell)


# By the class itself: a subclass may have another step.
CELLS: dict[type[Cell], Callable[[Any], str | None]] = {
    ElmanCell: _elman,
    LSTMCell: _gated("lstm"),
    GRUCell: lambda cell: _gated("gru" if cell.reset_after else "gru_reset_before")(cell),
    CoupledLSTMCell: _gated("coupled_lstm"),
    PeepholeLSTMCell: _lstm_variant,
    ProjectedLSTMCell: _lstm_variant,
    LayerNormLSTMCell: _lstm_variant,
    IRNNCell: _elman,
    OriginalLSTMCell: _gated("original_lstm"),
    MinimalGatedCell: _gated("minimal_gated"),
    UGRNNCell: _update_gate,
    LiGRUCell: _update_gate,
    JANETCell: _gated("janet"),
    LightRecurrentCell: _gated("light_recurrent"),
    STARCell: _gated("star"),
    ATRCell: _atr,
    SGRNCell: _gated("sgrn"),
    NBRCCell: _gated("nbrc"),
    CFNCell: _gated("cfn"),
    RANCell: _gated("ran"),
}


def native_refuses(cell: Cell, call: Any = None) -> str | None:
    """Return the reason why the engine does not run a cell here, in words, or None."""
    if type(cell) not in CELLS:
        return f"it has no {type(cell).__name__}"
    if CELLS[type(cell)](cell) is None:
        return "it has no such activations"
    if (
        isinstance(cell, PeepholeLSTMCell)
        and cell.layer_norm
        and (cell.projection or cell.peephole)
    ):
        return "it has no layer normalization together with peepholes or a projection"
    if (cell.compute_dtype, cell.variable_dtype) != ("float32", "float32"):
        return "it computes in float32 alone"
    library = find()
    if isinstance(library, str):
        return library
    if traced_for() is not Target.HERE or is_saved():
        return "an exported model contains standard operators alone"
    if tf.config.list_logical_devices("GPU"):
        return "it runs on CPUs, and there is a GPU"
    if is_compiled_as_a_whole():
        return "XLA compiles the function around the layer, and cannot compile this engine"
    return None


def run_native(
    cell: Cell,
    inputs: Tensor,
    initial_states: States | None,
    *,
    side: SideInputs | None = None,
    mask: Tensor | None = None,
    reverse: bool = False,
    return_sequences: bool = True,
    training: bool = False,
    truncate: int | None = None,
    remat: int | None = None,
    batch_major: bool = False,
) -> tuple[Tensor | None, States]:
    """Run a cell over time; see `run_stepwise`.

    With `batch_major`, inputs and outputs are `(batch, time, ...)`; the mask is time-major still.
    Initial states that are None are zeros.
    """
    on_inputs, on_state = (None, None) if side is None else side.sequence
    if on_inputs is not None:
        inputs = inputs * (ops.transpose(on_inputs, (1, 0, 2)) if batch_major else on_inputs)
    weights = [getattr(cell, name, None) for name in WEIGHTS]
    states = (None, None) if initial_states is None else initial_states
    tensors = (
        inputs,
        mask,
        on_state,
        *(states if len(states) == 2 else (*states, None)),
        *(None if weight is None else weight.value for weight in weights),
    )
    settings = Settings(
        CELLS[type(cell)](cell) or "",
        time_major=not batch_major,
        reverse=reverse,
        return_sequences=return_sequences,
        truncate=truncate or 0,
        remat=remat or -1,
        threads=thread_count(),
        beta=getattr(cell, "beta", 0.0),
    )
    outputs, *after = run_layer(tensors, settings, training)
    return outputs if return_sequences else None, tuple(after[: len(cell.state_names)])
