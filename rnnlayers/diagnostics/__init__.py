"""Diagnostics: how far gradients reach, what gates and states do, and what is wrong."""

from rnnlayers.diagnostics.activity import LayerStates, states
from rnnlayers.diagnostics.advice import advise
from rnnlayers.diagnostics.callbacks import GradientFlow, States
from rnnlayers.diagnostics.clipping import ClippingReport, what_clipping_does
from rnnlayers.diagnostics.flow import Flow, FlowProbe, LayerFlow, gradient_flow
from rnnlayers.diagnostics.jacobians import LayerJacobians, step_jacobians
from rnnlayers.diagnostics.parts import GradientParts, gradient_parts
from rnnlayers.diagnostics.plots import (
    plot_clipping,
    plot_flow,
    plot_jacobians,
    plot_reach,
    plot_states,
)

__all__ = [
    "ClippingReport",
    "Flow",
    "FlowProbe",
    "GradientFlow",
    "GradientParts",
    "LayerFlow",
    "LayerJacobians",
    "LayerStates",
    "States",
    "advise",
    "gradient_flow",
    "gradient_parts",
    "plot_clipping",
    "plot_flow",
    "plot_jacobians",
    "plot_reach",
    "plot_states",
    "states",
    "step_jacobians",
    "what_clipping_does",
]
