"""The Jacobian of a step: what it does to a gradient on its way one step back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnnlayers.checks import check_positive_integer
from rnnlayers.diagnostics.steps import Recorded, Recorder, Rows, Steps
from rnnlayers.types import Tensor

ITERATIONS = 30  # of the power method


@dataclass(frozen=True)
class LayerJacobians:
    """Singular values of the Jacobians ds_t/ds_(t-1) of a layer; see `step_jacobians`.

    Args:
        name: The path of the layer.
        largest: The largest singular value of each step, `(rows, timesteps)`, NaN if masked.
        spans: For each length of a span, the largest singular value of the product of the last so
            many Jacobians, `(rows,)`, NaN if a row has fewer steps.
        singular_values: All of each step, the largest first, `(rows, timesteps, size)`, or None for
            a layer above the size that is computed exactly.
    """

    name: str
    largest: np.ndarray
    spans: dict[int, np.ndarray]
    singular_values: np.ndarray | None


def step_jacobians(
    model: keras.Model,
    x: Any,
    *,
    rows: int = 4,
    spans: Sequence[int] = (1, 10, 100),
    exact_up_to: int = 128,
) -> dict[str, LayerJacobians]:
    """Return the singular values of the Jacobian of each step, and of products over spans.

        dL/ds_k = (ds_T/ds_(T-1) ... ds_(k+1)/ds_k)^T dL/ds_T

    for a loss on the last step: a gradient grows over a span by no more than the largest singular
    value of the product. Values below 1 at each step make it vanish. The state s is all states of
    the cell side by side, h and c of an LSTM.

    A layer whose state has at most `exact_up_to` numbers is computed exactly, with `size` backward
    passes of a single step. A larger one is computed by the power method, whose results are lower
    bounds that are close after 30 iterations. Layers with attention are left out.

    Args:
        model: A built model, as for `gradient_flow`.
        x: A batch of inputs.
        rows: Take that many rows of the batch.
        spans: Lengths of spans in steps, each ending with the step computed last. Masked steps do
            not count.
        exact_up_to: The size of the state up to which all singular values are computed.

    Returns:
        `LayerJacobians` by the path of the layer.

    Raises:
        ValueError: if the model has no recurrent layer or is not built, or if a number is not
            positive.

    Example:

    >>> inputs = keras.Input((10, 3))
    >>> model = keras.Model(inputs, rnnlayers.Elman(8, activation="linear", name="elman")(inputs))
    >>> found = rnnlayers.diagnostics.step_jacobians(model, np.ones((2, 10, 3)))["elman"]
    >>> bool(np.allclose(found.singular_values, 1.0))  # the recurrent kernel begins orthogonal
    True

    Reference: Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural
    networks, section 2.1.
    """
    check_positive_integer("rows", rows, "the number of rows to take")
    for span in spans:
        check_positive_integer("spans", span, "each a number of steps")
    first = keras.tree.map_structure(lambda tensor: tf.convert_to_tensor(tensor)[:rows], x)
    found = {}
    for call in Recorder(model)(first):
        exact = call.states.shape[-1] <= exact_up_to
        found[call.name] = (_exactly if exact else _by_iteration)(call, spans)
    return found


def _computed(call: Recorded, row: int) -> np.ndarray:
    """Return the steps of a row that count, the one computed last first."""
    steps = np.flatnonzero(call.valid[row])
    return steps if call.reverse else steps[::-1]


def _exactly(call: Recorded, spans: Sequence[int]) -> LayerJacobians:
    jacobians = Steps(call).jacobians()
    values = np.linalg.svd(jacobians, compute_uv=False).swapaxes(0, 1)
    values[~call.valid.numpy()] = np.nan
    batch = len(values)
    of_spans = {span: np.full(batch, np.nan) for span in spans}
    for row in range(batch):
        product = np.eye(jacobians.shape[-1])
        for length, step in enumerate(_computed(call, row), start=1):
            product = product @ jacobians[step, row]
            if length in of_spans:
                of_spans[length][row] = np.linalg.norm(product, 2)
    return LayerJacobians(call.name, values[..., 0], of_spans, values)


def _by_iteration(call: Recorded, spans: Sequence[int]) -> LayerJacobians:
    steps = Steps(call)
    products, rows = _Products(steps), steps.rows
    v = np.random.default_rng(0).normal(size=rows.previous.shape)
    largest = steps.unfold(_power(products, [rows], v)).T
    orders = [_computed(call, row) for row in range(steps.batch)]
    of_spans = {}
    for span in spans:
        long = [row for row, order in enumerate(orders) if len(order) >= span]
        of_spans[span] = np.full(steps.batch, np.nan)
        if long:
            places = [[orders[row][k] * steps.batch + row for row in long] for k in range(span)]
            chain = [rows.at(at_once) for at_once in reversed(places)]  # the last step at the end
            of_spans[span][long] = _power(products, chain, v[: len(long)])
    return LayerJacobians(call.name, np.where(call.valid, largest, np.nan), of_spans, None)


class _Products:
    """Products J v and J^T u with the Jacobians of steps, one of each for each row."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.times = tf.function(self._times, autograph=False)
        self.transposed = tf.function(self._transposed, autograph=False)

    def _times(self, rows: Rows, v: Tensor) -> Tensor:
        with tf.autodiff.ForwardAccumulator(rows.previous, v) as accumulator:
            new = self.steps.take(rows)
        return accumulator.jvp(new, unconnected_gradients="zero")

    def _transposed(self, rows: Rows, u: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            tape.watch(rows.previous)
            new = self.steps.take(rows)
        return tape.gradient(new, rows.previous, u, unconnected_gradients="zero")


def _power(products: _Products, chain: Sequence[Rows], v: np.ndarray) -> np.ndarray:
    """Return the largest singular value of each row's product, by the power method on J^T J.

    Args:
        products: Multiplies with the Jacobians.
        chain: The steps of the span, the first one first.
        v: What to begin with, `(rows, size)`.
    """
    dtype = chain[0].previous.dtype
    for _ in range(ITERATIONS):
        v = v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-300)
        u = tf.cast(v, dtype)
        for rows in chain:
            u = products.times(rows, u)
        sigma = np.linalg.norm(np.asarray(u, "float64"), axis=-1)
        for rows in reversed(chain):
            u = products.transposed(rows, u)
        v = np.asarray(u, "float64")
    return sigma
