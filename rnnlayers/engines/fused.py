"""The fast engine: backpropagation through time by hand, compiled with XLA.

`program.py` holds the two passes; here they are made one differentiable function.
"""

from collections.abc import Callable

import tensorflow as tf

from rnnlayers.cells.base import RecurrentCell, States, Tensor
from rnnlayers.engines.derivatives import Tensors
from rnnlayers.engines.program import How, Masks, Program, Weights


def run(
    cell: RecurrentCell,
    projected: Tensor,
    initial_states: States,
    *,
    mask: Tensor | None = None,
    recurrent_dropout_mask: Tensor | None = None,
    reverse: bool = False,
    return_sequences: bool = True,
    training: bool = False,
    truncate: int | None = None,
    remat: int | None = None,
) -> tuple[Tensor | None, States]:
    """Run a cell over time; see `stepwise.run`. It compiles once for each (batch, time)."""
    if remat == 1:  # which is to keep them all
        remat = None
    # What counts steps from where the layer begins counts them in one order only.
    flipped = reverse and (remat or truncate) is not None
    if flipped:
        projected, mask = _flip(projected), None if mask is None else _flip(mask)
    time = projected.shape[0] if projected.shape[0] is not None else tf.shape(projected)[0]
    length = _padded_length(time, remat)
    if length is not time:
        projected, mask = _pad(projected, mask, length - time)
    program = _program_of(cell)
    how = How(reverse and not flipped, truncate, remat)
    masks = Masks(mask, recurrent_dropout_mask)
    steps = tf.convert_to_tensor(time)  # before padding
    count = len(initial_states)

    def unpack(inputs: Tensors) -> tuple[Tensor, States, Weights]:
        # Where tapes are nested, TensorFlow prepares to differentiate all that it can reach. The
        # compiled loops must be out of its reach.
        projected, *tensors = (tf.stop_gradient(tensor) for tensor in inputs)
        return projected, tuple(tensors[:count]), program.arrange(tensors[count:])

    # Weights come in as arguments: what a custom gradient closes over gets no gradient.
    @tf.custom_gradient
    def through_time(*inputs: Tensor) -> tuple[Tensors, Callable[..., Tensors]]:
        sequences, after = program.forward(
            *unpack(inputs), masks, how, outputs=return_sequences, keep=training
        )

        @tf.custom_gradient
        def backward(*arguments: Tensor) -> tuple[Tensors, Callable[..., Tensors]]:
            upstream = [tf.stop_gradient(d) for d in arguments[len(inputs) :]]
            projected, before, weights = unpack(inputs)
            kept = sequences[1:] if return_sequences and remat else sequences
            if not training:  # a call that was not said to be training may be differentiated
                kept, _ = program.forward(
                    projected, before, weights, masks, how, outputs=False, keep=True
                )
            d_outputs = upstream[0] if return_sequences else None
            d_after = tuple(upstream[-count:])
            gradients = program.backward(
                projected, before, weights, masks, kept, d_outputs, d_after, steps, how
            )
            # Outside the compiled part, where TensorFlow's own large products are faster.
            d_products = (
                gradients.products
                if remat
                else program.sum_over_time(
                    gradients, before[0], kept[0], weights, masks, how.reverse
                )
            )
            every = (gradients.projected, *gradients.before, *d_products, *gradients.others)
            return every, _refuse_second_derivative

        def gradient(*upstream: Tensor) -> Tensors:
            # `tf.gather` sends slices.
            return backward(*inputs, *(tf.convert_to_tensor(d) for d in upstream))

        return (*sequences[: int(return_sequences)], *after), gradient

    results = through_time(projected, *initial_states, *program.weights())
    if not return_sequences:
        return None, tuple(results)
    outputs, *after = results
    outputs = outputs if length is time else outputs[:time]
    return _flip(outputs) if flipped else outputs, tuple(after)


def _program_of(cell: RecurrentCell) -> Program:
    """Return the compiled passes of a cell, which live with the cell."""
    program = getattr(cell, "_fused_program", None)
    if program is None:
        program = cell._fused_program = Program(cell)
    return program


def _refuse_second_derivative(*_: Tensor) -> Tensors:
    """Say so where a gradient is differentiated again."""
    raise NotImplementedError(
        "The fused engine has no second derivative. Build the layer with `engine='stepwise'`, "
        "which has derivatives of every order."
    )


def _padded_length(time: Tensor, remat: int | None) -> Tensor:
    """Return the number of steps to compile for: `time` itself where it is known and fits.

    XLA compiles for each length anew. Lengths that are not known yet are padded to one of eight
    between a power of two and the next: few to compile, and at most an eighth of the steps wasted.
    """
    if isinstance(time, int):
        span = remat or 1
        return time if time and time % span == 0 else (time // span + 1) * span
    some = tf.maximum(time, 1)
    octave = tf.cast(tf.math.log(tf.cast(some, "float32")) / tf.math.log(2.0), "int32")
    unit = tf.bitwise.left_shift(1, tf.maximum(octave - 3, 3))
    length = some + -some % unit
    return length if remat is None else length + -length % remat


def _pad(projected: Tensor, mask: Tensor | None, more: Tensor) -> tuple[Tensor, Tensor]:
    """Append so many masked steps."""
    valid = tf.ones_like(projected[..., :1], "bool") if mask is None else mask
    edges = [[0, more], [0, 0], [0, 0]]
    return tf.pad(projected, edges), tf.pad(valid, edges)


def _flip(sequence: Tensor) -> Tensor:
    return tf.reverse(sequence, [0])
