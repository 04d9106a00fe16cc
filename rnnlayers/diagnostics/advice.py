"""Lines of plain advice from what diagnostics measure."""

from collections.abc import Mapping, Sequence

import numpy as np

from rnnlayers.diagnostics.activity import LayerStates
from rnnlayers.diagnostics.flow import Flow, LayerFlow
from rnnlayers.diagnostics.measures import in_order, mean_of

SHORT = 0.5  # a reach below this share of the steps
FEW = 10  # steps: shorter sequences need no reach
LARGER = 100.0  # times as large at the first step as at the last, for each loss on the way
ENOUGH = 10  # norms, of which the median is a threshold
FIRST_LIMIT = 1.0  # a threshold before there are enough
MANY = 0.3  # of the gates or units
LOW_RANK = 0.1  # of the units


def advise(
    flow: Flow | None = None,
    states: Mapping[str, LayerStates] | None = None,
    norms: Sequence[float] = (),
) -> list[str]:
    """Return what is wrong and what to do about it, a line each; none if all is well.

    Args:
        flow: From `gradient_flow`.
        states: From `states`.
        norms: The norms of the gradient of all weights of some steps of training, from which a
            threshold for clipping is taken.

    Example:

    >>> inputs = keras.Input((30, 1))
    >>> half = keras.initializers.Constant(0.5)
    >>> layer = rnnlayers.Elman(1, "linear", recurrent_initializer=half, name="elman")
    >>> model = keras.Model(inputs, layer(inputs))
    >>> flow = rnnlayers.diagnostics.gradient_flow(
    ...     model, np.ones((1, 30, 1)), np.ones((1, 1)), loss=keras.losses.mean_squared_error
    ... )
    >>> print(*rnnlayers.diagnostics.advise(flow))
    gradients of layer 'elman' are below 1 % after 7 of 30 steps: what lies further back is hardly
    learned. Try LSTM or GRU, shorter sequences, or a recurrent kernel that begins orthogonal.
    """
    lines = []
    if flow is not None:
        lines += _of_flow(flow, [norm for norm in norms if np.isfinite(norm)])
    for layer in (states or {}).values():
        lines += _of_states(layer)
    return lines


def _of_flow(flow: Flow, norms: Sequence[float]) -> list[str]:
    if not np.isfinite([flow.loss, flow.gradient_norm]).all():
        limit = float(np.median(norms)) if len(norms) >= ENOUGH else FIRST_LIMIT
        return [
            f"the loss is {flow.loss:g} and the norm of its gradient {flow.gradient_norm:g}: clip "
            f"at {limit:.2g}, lower the learning rate, and look for bad inputs; then train again "
            "from an earlier checkpoint."
        ]
    lines = []
    for name, layer in flow.layers.items():
        steps, ratio = float(layer.steps.mean()), _ratio(layer)
        if ratio > LARGER * (steps if flow.at_each_step else 1):
            seen = [*norms, flow.gradient_norm]
            limit = float(np.median(seen)) if len(seen) >= ENOUGH else FIRST_LIMIT
            lines.append(
                f"exploding: the gradient of layer '{name}' is {ratio:.3g} times as large at the "
                f"first step as at the last: clip at {limit:.2g}; the 99th percentile of the norm "
                f"is {np.percentile(seen, 99):.2g}. rnnlayers.ClippedOptimizer clips."
            )
            continue
        reach = mean_of(layer.reach)
        if not flow.at_each_step and steps > FEW and reach < SHORT * steps:
            lines.append(
                f"gradients of layer '{name}' are below 1 % after {reach:.0f} of {steps:.0f} "
                f"steps: what lies further back is hardly learned. {_remedy(layer)}"
            )
    return lines


def _remedy(layer: LayerFlow) -> str:
    if "c" in layer.norms:
        return "Begin with a larger bias of the forget gate, or take shorter sequences."
    return "Try LSTM or GRU, shorter sequences, or a recurrent kernel that begins orthogonal."


def _ratio(layer: LayerFlow) -> float:
    """Return how many times as large the gradient is at the first step as at the last one."""
    ratios = []
    for norms in in_order(layer.norm, layer.valid, layer.reverse):
        there = norms[norms > 0]
        if there.size > 1:
            ratios.append(there[-1] / there[0])
    return float(np.median(ratios)) if ratios else 0.0


def _of_states(layer: LayerStates) -> list[str]:
    lines = []
    forget = layer.forget_gate
    if forget is not None and layer.closed[forget] > MANY:
        lines.append(
            f"{100 * layer.closed[forget]:.0f} % of the forget gates of layer '{layer.name}' are "
            f"closed at 0: it forgets at once. Begin with a larger bias of the gate {forget}, or "
            "scale the inputs down."
        )
    if len(layer.dead) > MANY * layer.units:
        lines.append(
            f"{len(layer.dead)} of {layer.units} units of layer '{layer.name}' are dead, 0 at all "
            "steps: lower the learning rate, or take tanh in place of relu."
        )
    if len(layer.constant) > MANY * layer.units:
        lines.append(
            f"{len(layer.constant)} of {layer.units} units of layer '{layer.name}' never change: "
            "scale the inputs, and look for weights that are too large."
        )
    if layer.saturated is not None and layer.saturated > MANY:
        lines.append(
            f"{100 * layer.saturated:.0f} % of the outputs of layer '{layer.name}' are beyond "
            "0.95: they pass hardly any gradient. Scale the inputs, or lower the learning rate."
        )
    if 0 < layer.effective_rank < LOW_RANK * layer.units:
        lines.append(
            f"the states of layer '{layer.name}' move in {layer.effective_rank:.1f} directions, "
            f"with {layer.units} units: fewer units would do."
        )
    return lines
