"""The contract of a recurrent layer, on which models, other layers and users rely."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from rnnlayers.testing.contract import (
    PRECISIONS,
    ContractError,
    check_configuration,
    check_gradients,
    expect_same,
    flat,
    random_copy_of,
)
from rnnlayers.testing.numbers import BATCH, EVERY_PATTERN, TIMESTEPS
from rnnlayers.types import Tensor


def check_layer(layer: keras.Layer, features: int = 3, seed: int = 0) -> None:
    """Check that a recurrent layer can be masked, stacked, trained, compiled and saved.

    It makes copies of the layer from its configuration, gives them random weights, and leaves
    `layer` as it is. It checks the configuration, shapes and dtypes, also with unknown batch and
    time; that a call does not affect the next one; that masked steps change no result, and that the
    mask passed on is that of the outputs; that gradients are those of central differences; that XLA
    changes nothing; and that a saved model gives the same outputs.

    Args:
        layer: A layer over `(batch, timesteps, features)`, such as a `Recurrent` or a
            `Bidirectional` layer, not stateful. Call once for each setting of `return_sequences`,
            `return_state` and `go_backwards` that matters.
        features: Number of input features.
        seed: Seed of the random weights and inputs.

    Raises:
        ContractError: if the layer breaks the contract.
        ValueError: if `layer` is not recurrent, or is stateful.

    Example:

    >>> from rnnlayers.testing import check_layer
    >>> check_layer(rnnlayers.Elman(4, return_sequences=True))
    """
    if not hasattr(layer, "return_sequences") or not isinstance(layer, keras.Layer):
        raise ValueError(f"`layer` must be a recurrent layer; received {layer!r}.")
    if getattr(layer, "stateful", False):
        raise ValueError(
            f"`layer` must not be stateful, since a call would change the next; received {layer!r}."
        )
    name = type(layer).__name__
    check_configuration(layer)
    rng = np.random.default_rng(seed)
    for dtype in PRECISIONS:
        copy = random_copy_of(layer, dtype, (None, None, features), rng)
        sequences = ops.cast(rng.normal(size=(BATCH, TIMESTEPS, features)), copy.compute_dtype)
        _check_outputs(name, copy, sequences)
    # The last copy is in float64, where rounding hides nothing: it is checked in detail.
    mask = tf.constant(EVERY_PATTERN)
    _check_masks(name, copy, sequences, mask)
    check_gradients(
        f"{name}.call",
        lambda sequences: flat(copy(sequences, mask=mask)),
        {"sequences": sequences},
        copy.trainable_variables,
        rng,
    )
    outputs = copy(sequences, mask=mask)
    compiled = tf.function(lambda sequences: copy(sequences, mask=mask), jit_compile=True)
    expect_same(f"{name}: outputs with and without XLA", compiled(sequences), outputs)
    _check_saving(name, copy, sequences)


def _check_outputs(name: str, layer: keras.Layer, sequences: Tensor) -> None:
    """Check shapes and dtypes, known and unknown, and that a call does not affect the next."""
    outputs = flat(layer(sequences))
    received = [tuple(output.shape) for output in outputs]
    announced = layer.compute_output_shape(tuple(sequences.shape))
    announced = list(announced) if isinstance(announced[0], list | tuple) else [announced]
    if received != [tuple(shape) for shape in announced]:
        raise ContractError(
            f"{name}: `compute_output_shape` must announce the outputs' shapes {received}; it "
            f"says {announced}."
        )
    dtypes = {output.dtype.name for output in outputs}
    if dtypes != {layer.compute_dtype}:
        raise ContractError(
            f"{name}: outputs must be {layer.compute_dtype}, the compute dtype, not {dtypes}."
        )
    unknown = keras.Input((None, sequences.shape[-1]), dtype=layer.compute_dtype)
    symbolic = [(len(symbol.shape), symbol.shape[-1]) for symbol in flat(layer(unknown))]
    if symbolic != [(len(shape), shape[-1]) for shape in received]:
        raise ContractError(
            f"{name}: outputs of unknown batch and time must have the ranks and the last sizes of "
            f"{received}; they have {symbolic}."
        )
    expect_same(
        f"{name}: the outputs of two calls with the same arguments",
        flat(layer(sequences)),
        outputs,
        layer.compute_dtype,
    )


def _check_masks(name: str, layer: keras.Layer, sequences: Tensor, mask: Tensor) -> None:
    """Check that masked steps change nothing, and that the mask passed on fits the outputs."""
    noisy = ops.where(mask[..., None], sequences, 1e3)
    outputs = flat(layer(noisy, mask=mask))
    announced = layer.compute_mask(noisy, mask)
    masks = flat(announced) if announced is not None else [None] * len(outputs)
    over_time = [len(output.shape) == 3 for output in outputs]
    if not layer.supports_masking or [mask is not None for mask in masks] != over_time:
        raise ContractError(
            f"{name}: `supports_masking` must be True and `compute_mask` return a mask for each "
            f"output over time, None for the others; received {layer.supports_masking} and "
            f"{announced}."
        )
    for row, valid in enumerate(EVERY_PATTERN):
        # A row without any step keeps its initial states, zeros.
        steps = sequences[row][valid][None] if valid.any() else ops.zeros_like(sequences[:1])
        alone = [output[0] for output in flat(layer(steps))]
        for index, (output, passed_on, expected) in enumerate(
            zip(outputs, masks, alone, strict=True)
        ):
            received = output[row] if passed_on is None else output[row][passed_on[row]]
            if not valid.any():
                expected = ops.zeros_like(received)
            expect_same(
                f"{name}: output {index} of a row with mask {valid.astype(int)} and of its valid "
                "steps alone",
                received,
                expected,
            )


def _check_saving(name: str, layer: keras.Layer, sequences: Tensor) -> None:
    """Check that a saved model gives the same outputs."""
    inputs = keras.Input((None, sequences.shape[-1]), dtype=layer.compute_dtype)
    model = keras.Model(inputs, layer(inputs))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        again = keras.saving.load_model(path)
    expect_same(
        f"{name}: the outputs of a model before and after saving",
        again(sequences),
        model(sequences),
    )
