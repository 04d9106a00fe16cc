"""The native engine: the whole layer in one operator, and its gradients in another.

`src/` has the operators. Nothing is compiled while a model runs, any length costs the same, and no
intermediate result has an axis moved. The common cells run on it, in float32 on a CPU.
"""

from typing import Any

import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import Cell
from rnnlayers.cells.linear_units import SRUCell
from rnnlayers.cells.lstm_relatives import JANETCell
from rnnlayers.cells.lstm_variants import PeepholeLSTMCell
from rnnlayers.cells.parts import SideInputs
from rnnlayers.engines.native.kinds import CELLS, READ_C, name_of
from rnnlayers.engines.native.library import find
from rnnlayers.engines.native.operators import WEIGHTS, Settings, run_layer
from rnnlayers.engines.target import Target, is_compiled_as_a_whole, is_saved, traced_for
from rnnlayers.engines.threads import thread_count
from rnnlayers.types import States, Tensor


def native_refuses(cell: Cell, call: Any = None) -> str | None:
    """Return the reason why the engine does not run a cell here, in words, or None."""
    if type(cell) not in CELLS:
        return f"it has no {type(cell).__name__}"
    if name_of(cell) is None:
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
    Initial states that are None are zeros. The outputs of a cell that reads them are, at a masked
    step, those before it, and without `return_sequences` the last one.
    """
    on_inputs, on_state = (None, None) if side is None else side.sequence
    if on_inputs is not None:
        inputs = inputs * (ops.transpose(on_inputs, (1, 0, 2)) if batch_major else on_inputs)
    name = name_of(cell) or ""
    before: list[Tensor | None] = [*(initial_states or ()), None, None][:2]
    tensors = (inputs, mask, on_state, *(before[::-1] if name in READ_C else before))
    settings = Settings(
        name,
        time_major=not batch_major,
        reverse=reverse,
        return_sequences=return_sequences,
        truncate=truncate or 0,
        remat=remat or -1,
        threads=thread_count(),
        beta=cell.beta if isinstance(cell, JANETCell) else 0.0,
    )
    outputs, h, c = run_layer((*tensors, *_weights_of(cell)), settings, training)
    if name in READ_C:
        return outputs if return_sequences else h, (c,)
    return outputs if return_sequences else None, (h, c)[: len(cell.state_names)]


def _weights_of(cell: Any) -> list[Tensor | None]:
    """Return the weights of a cell in the order of `WEIGHTS`, None for those that it has not."""
    weights = [getattr(cell, name, None) for name in WEIGHTS]
    weights = [None if weight is None else weight.value for weight in weights]
    if isinstance(cell, SRUCell) and cell.passes_inputs:  # the product with the identity
        identity = tf.eye(cell.units, dtype=cell.compute_dtype)
        weights[0] = tf.concat([weights[0], identity], 1)
    return weights
