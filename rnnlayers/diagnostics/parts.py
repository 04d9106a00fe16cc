"""The gradient of a recurrent kernel, taken apart as backpropagation through time sums it."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnnlayers.diagnostics.flow import FlowProbe, Loss
from rnnlayers.diagnostics.steps import Recorder, Steps
from rnnlayers.types import Tensor

LARGEST = 20_000_000  # numbers of (timesteps, timesteps, batch, size)


@dataclass(frozen=True)
class GradientParts:
    """The parts of dL/dU; see `gradient_parts`. Steps are in the order in which they are computed.

    Args:
        name: The path of the layer.
        explicit: For each step t its explicit part, `(timesteps, *shape of U)`.
        implicit: For each step t its implicit part, of the same shape.
        norms: The norm of the part that the loss at step t sends to U by way of step k,
            `(timesteps t, timesteps k)`; zeros for k > t.
    """

    name: str
    explicit: np.ndarray
    implicit: np.ndarray
    norms: np.ndarray

    @property
    def gradient(self) -> np.ndarray:
        """The sum of all parts: dL/dU."""
        return self.explicit.sum(0) + self.implicit.sum(0)


def gradient_parts(
    model: keras.Model,
    x: Any,
    y: Any = None,
    layer: str | None = None,
    *,
    product: str = "",
    loss: Loss | None = None,
) -> GradientParts:
    """Take dL/dU of a small network apart, into the parts that the textbooks sum.

        dL/dU = sum over t of dL_t/dh_t dh_t/dU
        dh_t/dU = (d+ h_t/dU) + dh_t/dh_(t-1) dh_(t-1)/dU
        = sum over k <= t of dh_t/dh_k (d+ h_k/dU)

    where L_t is what the loss owes to the state of step t directly, not by way of later steps. d+
    is the explicit derivative, for which h_(t-1) is a constant: the term k = t. All terms with
    k < t are the implicit part, which came through earlier states.

    It computes and multiplies whole Jacobians: T^2 products of them for each row. `gradient_flow`
    serves networks of any size.

    Args:
        model: A built model, as for `gradient_flow`.
        x: A batch of inputs.
        y: The targets.
        layer: The path of the layer; the only one if left out. Layers with attention have none.
        product: The name of the product in the cell's step whose kernel U is; `cell.products()` has
            the names. "" is `recurrent_kernel`, or a part of it in a cell that multiplies twice. If
            a cell uses the kernel elsewhere too, that is not in the parts.
        loss: As for `gradient_flow`.

    Returns:
        `GradientParts`.

    Raises:
        ValueError: as `gradient_flow`; if there is no such layer or product; if it is too large.

    Example:

    >>> inputs = keras.Input((5, 3))
    >>> model = keras.Model(inputs, rnnlayers.Elman(4)(inputs))
    >>> model.compile(loss="mse")
    >>> parts = rnnlayers.diagnostics.gradient_parts(model, np.ones((2, 5, 3)), np.ones((2, 4)))
    >>> parts.explicit.shape, parts.gradient.shape
    ((5, 4, 4), (4, 4))

    Reference: Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural
    networks, equations 3 to 5.
    """
    flow = FlowProbe(model, loss=loss, return_gradients=True)(x, y)
    calls = {call.name: call for call in Recorder(model)(x)}
    if layer is None and len(calls) == 1:
        (layer,) = calls
    if layer not in calls:
        raise ValueError(
            f"`layer` must be one of {', '.join(map(repr, calls))}; received {layer!r}."
        )
    call = calls[layer]
    steps = Steps(call)
    if product not in steps.kernels:
        raise ValueError(
            f"`product` must be one of {', '.join(map(repr, steps.kernels))}, the products of "
            f"{type(call.cell).__name__}; received {product!r}."
        )
    batch, time, size = call.states.shape
    if time * time * batch * size > LARGEST:
        raise ValueError(
            f"`model` must be small: {time} * {time} steps of {batch} rows of {size} numbers are "
            f"more than {LARGEST:,} numbers. Take fewer rows, or `gradient_flow`."
        )
    total = np.concatenate([*flow.layers[layer].gradients.values()], -1).swapaxes(0, 1)
    order = np.arange(time)[::-1] if call.reverse else np.arange(time)
    jacobians = steps.jacobians()[order]
    total = total.astype("float64")[order]
    direct = total.copy()
    direct[:-1] -= np.einsum("tbij,tbi->tbj", jacobians[1:], total[1:])
    by_kernel = _ByKernel(steps, product)
    shape = tuple(steps.kernels[product].kernel.shape)
    explicit, implicit = np.zeros((2, time, *shape))
    norms = np.zeros((time, time))
    for t in range(time):
        sent = np.zeros((time, batch, size))  # by the loss at step t to each step k
        sent[t] = direct[t]
        for k in range(t, 0, -1):
            sent[k - 1] = np.einsum("bij,bi->bj", jacobians[k], sent[k])
        parts = by_kernel(sent[np.argsort(order)])[order]
        norms[t] = np.sqrt(np.square(parts).reshape(time, -1).sum(1))
        explicit[t], implicit[t] = parts[t], parts[:t].sum(0)
    return GradientParts(layer, explicit, implicit, norms)


class _ByKernel:
    """Explicit derivatives with respect to one kernel, step by step."""

    def __init__(self, steps: Steps, name: str) -> None:
        self.steps = steps
        self.kernel = steps.kernels[name].kernel
        self.operands: list[Tensor] = []
        self.results: list[Tensor] = []
        with tf.GradientTape(persistent=True) as self.tape:

            def multiply(v: Tensor, called: str = "") -> Any:
                result = steps.kernels[called].of(v)
                if called == name:
                    self.tape.watch(result)
                    self.operands.append(v)
                    self.results.append(result)
                return steps.kernels[called].cut(result)

            self.new = steps.take(steps.rows, multiply)

    def __call__(self, sent: np.ndarray) -> np.ndarray:
        """Return the gradient of the kernel by way of each step, from those of its new states."""
        d_new = self.steps.fold(tf.cast(sent, self.new.dtype))
        found = self.tape.gradient(self.new, self.results, d_new, unconnected_gradients="zero")
        total: Any = 0.0
        for v, d in zip(self.operands, found, strict=True):
            v, d = (self.steps.unfold(t).astype("float64") for t in (v, d))
            total = total + self._of(v, d)
        return np.asarray(total)

    def _of(self, v: np.ndarray, d: np.ndarray) -> np.ndarray:
        """Return the gradient of the kernel by way of each step, for one product."""
        shape = tuple(self.kernel.shape)
        if len(shape) == 1:
            return (v * d).sum(1)
        if len(shape) == 2:
            return np.einsum("tbi,tbo->tio", v, d)
        blocks, size, width = shape
        v, d = (t.reshape(*t.shape[:2], blocks, n) for t, n in ((v, size), (d, width)))
        return np.einsum("tbki,tbko->tkio", v, d)
