"""The equations of each cell in NumPy float64, and a loop over time that can be read at a glance.

Nothing here knows the library: gates are cut by name, rows and steps are run one by one.
"""

import numpy as np

ACTIVATIONS = {
    "linear": lambda x: x,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "bent": lambda x: 0.5 * np.tanh(x) + 0.25 * x,
}


def bind(equation, cell):
    """Return `(x, states) -> states` with the weights and the activations of a built cell."""
    weights = {
        weight.name: np.asarray(weight.numpy(), "float64") for weight in cell.trainable_weights
    }
    functions = {
        name: ACTIVATIONS[getattr(cell, name).__name__]
        for name in ("activation", "recurrent_activation")
        if hasattr(cell, name)
    }
    form = {"reset_after": cell.reset_after} if hasattr(cell, "reset_after") else {}
    return lambda x, states: equation(x, states, **weights, **functions, **form)


def cut(gates, *fused):
    """Return, for each gate, its part of each fused array (None stays None)."""
    parts = [
        [0.0] * len(gates) if array is None else np.split(array, len(gates), -1) for array in fused
    ]
    return dict(zip(gates, zip(*parts, strict=True), strict=True))


def elman(x, states, kernel, recurrent_kernel, bias=0.0, *, activation):
    (h_prev,) = states
    return (activation(x @ kernel + h_prev @ recurrent_kernel + bias),)


def lstm(x, states, kernel, recurrent_kernel, bias=None, *, activation, recurrent_activation):
    h_prev, c_prev = states
    z = {
        gate: x @ W + h_prev @ U + b
        for gate, (W, U, b) in cut("ifgo", kernel, recurrent_kernel, bias).items()
    }
    i = recurrent_activation(z["i"])
    f = recurrent_activation(z["f"])
    g = activation(z["g"])
    o = recurrent_activation(z["o"])
    c = f * c_prev + i * g
    return o * activation(c), c


def gru(
    x,
    states,
    kernel,
    recurrent_kernel,
    bias=None,
    *,
    activation,
    recurrent_activation,
    reset_after,
):
    (h_prev,) = states
    b, d = bias if reset_after and bias is not None else (bias, None)
    gates = cut("zrn", kernel, recurrent_kernel, b, d)

    def gate(name):
        W, U, b, d = gates[name]
        return recurrent_activation(x @ W + h_prev @ U + b + d)

    z, r = gate("z"), gate("r")
    W, U, b, d = gates["n"]
    past = r * (h_prev @ U + d) if reset_after else (r * h_prev) @ U
    n = activation(x @ W + b + past)
    return (z * h_prev + (1 - z) * n,)


def over_time(step, sequences, initial_states, mask=None, *, go_backwards=False, zero=False):
    """Run a step over `(batch, timesteps, features)` as a layer must; return outputs, states.

    The outputs come in the order in which they are computed. A masked step repeats the output
    before it (zeros at first), or gives zeros with `zero`.
    """
    sequences = np.asarray(sequences, "float64")
    mask = np.ones(sequences.shape[:2], bool) if mask is None else mask
    outputs, finals = [], []
    for row, valid, *states in zip(sequences, mask, *initial_states, strict=True):
        states = [np.asarray(state, "float64") for state in states]
        output = np.zeros_like(states[0])
        kept = []
        for now in reversed(range(len(row))) if go_backwards else range(len(row)):
            if valid[now]:
                states = step(row[now], states)
                output = states[0]
            kept.append(output if valid[now] or not zero else np.zeros_like(output))
        outputs.append(np.array(kept).reshape(len(row), -1))
        finals.append(states)
    return np.stack(outputs), tuple(np.stack(state) for state in zip(*finals, strict=True))
