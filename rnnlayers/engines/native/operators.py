"""The operators of the native engine, and their derivatives.

In inference a layer is the operator itself, whose gradient is registered with TensorFlow: it runs
forwards again and keeps the gates. In training a `tf.custom_gradient` keeps them at once.
"""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops

from rnnlayers.cells.parts import SideInputs
from rnnlayers.engines.arrays import repeat_at_masked_steps
from rnnlayers.engines.derivatives import Tensors
from rnnlayers.engines.gradients import with_gradient
from rnnlayers.engines.native.kinds import HAVE_C, KERNEL_PARTS, MAKERS, READ_C
from rnnlayers.engines.native.library import Library, find
from rnnlayers.engines.stepwise import run_stepwise
from rnnlayers.types import Tensor

WEIGHTS = (
    *("kernel", "recurrent_kernel", "bias", "peephole_i", "peephole_f", "peephole_o"),
    *("projection_kernel", "kernel_gain", "recurrent_gain", "state_gain", "state_shift"),
)
INPUTS = ("inputs", "mask", "dropout", "h", "c", *WEIGHTS)  # of the operator, in its order
DIFFERENTIABLE = ("inputs", "h", "c", *WEIGHTS)  # of these there are gradients, in this order


class Settings(NamedTuple):
    """The attributes of the operators.

    Args:
        cell: A key of `MAKERS`.
        time_major: Whether the inputs are `(time, batch, features)`.
        reverse: Whether the last step is computed first.
        return_sequences: Whether the outputs of all steps are returned.
        truncate: The gradient stops every so many steps; 0: never.
        remat: States are kept every so many steps; -1: by the length.
        threads: How many threads it may use.
        beta: That of `JANETCell`; for other cells, 0.
    """

    cell: str
    time_major: bool
    reverse: bool
    return_sequences: bool
    truncate: int
    remat: int
    threads: int
    beta: float


def run_layer(tensors: Sequence[Tensor | None], settings: Settings, training: bool) -> Tensors:
    """Return the outputs of a layer and its final states h and c; what is absent is empty.

    Args:
        tensors: One for each of `INPUTS`, also variables, which the operator reads faster than
            TensorFlow's Python does; None for what is absent. Absent states are zeros.
        settings: The attributes.
        training: Whether gradients will be asked for. They may be asked for in any case.
    """
    mask_at = INPUTS.index("mask")
    tensors = [
        _empty("bool" if n == mask_at else "float32") if tensor is None else tensor
        for n, tensor in enumerate(tensors)
    ]
    if training:
        function, given = _differentiable(tensors, settings)
        return function(*given)
    return _layer(tensors, settings, keep=False)[:3]


def _layer(tensors: Sequence[Tensor], settings: Settings, keep: bool) -> Tensors:
    """Return the outputs, the final states, and what the gradients need, from the operator."""
    results = _operators().rnnlayers_layer(*tensors, keep=keep, **settings._asdict())
    if not tf.executing_eagerly():
        outputs, h, c, _ = results
        first, second, _ = tensors[0].shape
        recurrent = tensors[INPUTS.index("recurrent_kernel")]
        size = _units(tensors, settings) if _is_empty(recurrent) else recurrent.shape[0]
        if settings.return_sequences:
            outputs.set_shape((first, second, size))
        batch = second if settings.time_major else first
        h_before, c_before = (tensors[INPUTS.index(name)] for name in ("h", "c"))
        h.set_shape((batch, size) if _is_empty(h_before) else h_before.shape)
        if settings.cell in HAVE_C:
            units = _units(tensors, settings)
            c.set_shape((batch, units) if _is_empty(c_before) else c_before.shape)
    return tuple(results)


def _differentiable(
    tensors: Sequence[Tensor], settings: Settings
) -> tuple[Callable[..., Sequence[Tensor]], Tensors]:
    """Return the layer as a function with a gradient, which keeps gates, and its arguments."""
    wanted = [
        n for n, name in enumerate(INPUTS) if name in DIFFERENTIABLE and not _is_empty(tensors[n])
    ]

    def all_tensors(given: Tensors) -> list[Tensor]:
        filled = list(tensors)
        for n, tensor in zip(wanted, given, strict=True):
            filled[n] = tensor
        return filled

    def forward(*given: Tensor) -> tuple[Tensors, Any]:
        outputs, h, c, kept = _layer(all_tensors(given), settings, keep=True)
        # Second derivatives, which `plain` has, must not lead a tape into the operator.
        return (outputs, h, c), (tf.stop_gradient(outputs), tf.stop_gradient(kept))

    def backward(given: Tensors, saved: Any, upstream: Tensors) -> Tensors:
        all_gradients = _operators().rnnlayers_layer_gradients(
            *all_tensors(given), *saved, *upstream, keep=True, **settings._asdict()
        )
        by_name = dict(zip(DIFFERENTIABLE, all_gradients, strict=True))
        gradients = tuple(by_name[INPUTS[n]] for n in wanted)
        for gradient, tensor in zip(gradients, given, strict=True):
            gradient.set_shape(tensor.shape)
        return gradients

    def plain(*given: Tensor) -> Tensors:
        return _run_plain(dict(zip(INPUTS, all_tensors(given), strict=True)), settings)

    return with_gradient(forward, backward, plain), tuple(
        tf.convert_to_tensor(tensors[n]) for n in wanted
    )


@tf.RegisterGradient("RnnlayersLayer")
def _gradients_of_layer(operation: Any, *upstream: Tensor) -> list[Tensor | None]:
    """Return the gradients of all inputs of the operator."""
    values: dict[str, Any] = {name: operation.get_attr(name) for name in Settings._fields}
    settings = Settings(**{**values, "cell": values["cell"].decode()})
    function, given = _differentiable(list(operation.inputs), settings)
    with tf.GradientTape() as tape:
        tape.watch(given)
        results = function(*given)
    gradients = iter(tape.gradient(results, given, [tf.convert_to_tensor(d) for d in upstream[:3]]))
    places = zip(INPUTS, operation.inputs, strict=True)
    return [
        next(gradients) if name in DIFFERENTIABLE and not _is_empty(tensor) else None
        for name, tensor in places
    ]


def _run_plain(tensors: dict[str, Tensor], settings: Settings) -> Tensors:
    """Return what `run_layer` returns, from the stepwise engine."""
    there = {name: None if _is_empty(tensor) else tensor for name, tensor in tensors.items()}
    inputs, dropout = tensors["inputs"], there["dropout"]
    if not settings.time_major:
        inputs = ops.transpose(inputs, (1, 0, 2))
    cell = _cell_of(tensors, settings)
    zeros = cell.get_initial_state(ops.shape(inputs)[1])
    states = [there["c"]] if settings.cell in READ_C else [there["h"], there["c"]][: len(zeros)]
    outputs, after = run_stepwise(
        cell,
        inputs,
        tuple(zero if state is None else state for state, zero in zip(states, zeros, strict=True)),
        side=None if dropout is None else SideInputs(sequence=(None, dropout)),
        mask=there["mask"],
        reverse=settings.reverse,
        return_sequences=settings.return_sequences,
        truncate=settings.truncate or None,
    )
    if settings.cell in READ_C:
        outputs, h = _repeated(outputs, there["mask"], settings)
        after = (h, *after)
    if not settings.return_sequences:
        outputs = _empty("float32")
    elif not settings.time_major:
        outputs = ops.transpose(outputs, (1, 0, 2))
    h, c = after if len(after) == 2 else (*after, _empty("float32"))
    return outputs, h, c


def _repeated(outputs: Tensor, mask: Tensor | None, settings: Settings) -> tuple[Tensor, Tensor]:
    """Return the outputs, at masked steps those before them, and the last one.

    Nothing depends on the outputs before the first step of a row, which the layer sets to zero.
    """
    if mask is not None:
        outputs = repeat_at_masked_steps(outputs, mask, reverse=settings.reverse)
    edges = [0, 1] if settings.reverse else [1, 0]  # zeros, where there is no step
    padded = tf.pad(outputs, [edges, [0, 0], [0, 0]])
    return outputs, padded[0 if settings.reverse else -1]


def _cell_of(tensors: dict[str, Tensor], settings: Settings) -> Any:
    """Return a cell that has these tensors as its weights."""
    options: dict[str, Any] = {}
    if not _is_empty(tensors["projection_kernel"]):
        options["projection"] = tensors["recurrent_kernel"].shape[0]
    if settings.cell == "janet":
        options["beta"] = settings.beta
    units = _units(list(tensors.values()), settings)
    make = functools.partial(MAKERS[settings.cell], units, dtype="float32", **options)
    # It has a generator of random numbers, whose state must not belong to a graph or a scope that
    # is open here: these are a thread's own.
    with ThreadPoolExecutor(1) as elsewhere:
        cell = elsewhere.submit(make).result()
    weights = {name: None if _is_empty(tensors[name]) else tensors[name] for name in WEIGHTS}
    # An SRU has all parts of its kernel here, whatever its inputs.
    vars(cell).update(weights, passes_inputs=False)
    return cell


def _units(tensors: Sequence[Tensor], settings: Settings) -> int | None:
    if parts := KERNEL_PARTS.get(settings.cell):
        wide = tensors[INPUTS.index("kernel")].shape[1]
        return None if wide is None else wide // parts
    projection = tensors[INPUTS.index("projection_kernel")]
    of_units = tensors[INPUTS.index("recurrent_kernel")] if _is_empty(projection) else projection
    return of_units.shape[0]


def _is_empty(tensor: Tensor) -> bool:
    """Return whether a tensor stands for one that is absent."""
    return tensor.shape.rank == 1 and tensor.shape[0] == 0


def _empty(dtype: str) -> Tensor:
    """Return a tensor that stands for one that is absent."""
    return _empty_outside_graphs(dtype) if tf.executing_eagerly() else tf.zeros((0,), dtype)


@functools.cache
def _empty_outside_graphs(dtype: str) -> Tensor:
    return tf.zeros((0,), dtype)


def _operators() -> Any:
    library = find()
    if not isinstance(library, Library):
        raise ValueError(f"The native engine cannot run: {library}.")
    return library.ops
