"""Checks of the arguments of a `ClippedOptimizer`."""

from collections.abc import Container, Sequence
from typing import Any

import keras
import tensorflow as tf

from rnnlayers.optimizers.clips import Clip


def check_clips(clips: Any) -> None:
    """Raise a ValueError unless `clips` is a list or tuple of `Clip`."""
    if not isinstance(clips, list | tuple) or not all(isinstance(c, Clip) for c in clips):
        raise ValueError(
            "ClippedOptimizer: `clip` must be a ClipByValue, ClipByNorm, ClipByGlobalNorm or "
            f"ClipAdaptively, or a list of them; received {clips!r}. "
            "For example: clip=ClipByGlobalNorm(1.0)."
        )


def check_inner(optimizer: Any) -> None:
    """Raise a ValueError unless `optimizer` leaves clipping and loss scaling to its wrappers."""
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ValueError(
            "ClippedOptimizer: `inner_optimizer` must be a keras.optimizers.Optimizer; received "
            f"{optimizer!r}. For example: keras.optimizers.Adam(1e-3)."
        )
    if hasattr(optimizer, "inner_optimizer"):
        raise ValueError(
            "ClippedOptimizer: `inner_optimizer` must be an optimizer that wraps no other; "
            f"received a {type(optimizer).__name__}. Put loss scaling outside, so that the "
            "unscaled gradient is clipped: LossScaleOptimizer(ClippedOptimizer(...)). "
            "To clip in several ways, pass a list as `clip`."
        )
    for argument in ("clipnorm", "global_clipnorm", "clipvalue", "loss_scale_factor"):
        value = getattr(optimizer, argument)
        if value is not None:
            instead = (
                "wrap the ClippedOptimizer in a LossScaleOptimizer"
                if argument == "loss_scale_factor"
                else "use `clip` of the ClippedOptimizer"
            )
            raise ValueError(
                f"ClippedOptimizer: `inner_optimizer` must have {argument}=None; "
                f"received {argument}={value!r}. Drop it, and {instead}."
            )
    for part in getattr(optimizer, "optimizers", ()):  # of a MultiOptimizer
        check_inner(part)
        if part.gradient_accumulation_steps:
            raise ValueError(
                "ClippedOptimizer: the parts of a MultiOptimizer must have "
                "gradient_accumulation_steps=None, since their means cannot be clipped together; "
                f"received {part.gradient_accumulation_steps}. Drop it."
            )


def check_call(grads: Sequence[Any], variables: Sequence[Any] | None) -> list[Any]:
    """Return the variables. Raise a ValueError unless each has a gradient, in a replica."""
    if tf.distribute.get_replica_context() is None:
        raise ValueError(
            "ClippedOptimizer: must be called in a replica, where gradients can be summed over the "
            "replicas; received a call outside. Use `strategy.run`."
        )
    if variables is None:
        raise ValueError(
            "ClippedOptimizer: `trainable_variables` must be given before it is built; received "
            "None. Pass them, or call `build(trainable_variables)` first."
        )
    if len(variables) != len(grads):
        raise ValueError(
            f"ClippedOptimizer: expected one gradient for each of {len(variables)} variables; "
            f"received {len(grads)}. Pass None for a variable without a gradient."
        )
    return list(variables)


def check_known(variables: Sequence[Any], known: Container[int]) -> None:
    """Raise a ValueError unless the id of each variable is among the `known`."""
    unknown = [v.name for v in variables if id(v) not in known]
    if unknown:
        raise ValueError(
            "ClippedOptimizer: variables must be among those that it was built for; received also "
            f"{unknown}. Create a new optimizer for them."
        )
