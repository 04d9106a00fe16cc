"""Small recurrent networks in NumPy float64, with a loop over time and nothing else."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def elman(weights):
    W, U, b = weights

    def step(x, state):
        return np.tanh(x @ W + b + state @ U)

    return step


def lstm(weights):
    W, U, b = weights
    units = len(U)

    def step(x, state):
        h, c = state[..., :units], state[..., units:]
        i, f, g, o = np.split(x @ W + b + h @ U, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return np.concatenate([sigmoid(o) * np.tanh(c), c], -1)

    return step


def gru(weights):
    W, U, (b, d) = weights

    def step(x, state):
        (z, r, n), (u_z, u_r, u_n) = np.split(x @ W + b, 3, -1), np.split(state @ U + d, 3, -1)
        z, n = sigmoid(z + u_z), np.tanh(n + sigmoid(r + u_r) * u_n)
        return z * state + (1 - z) * n

    return step


STEPS = {"Elman": elman, "LSTM": lstm, "GRU": gru}


def run(step, x, mask, size, pushed=None, reverse=False):
    """Return the states after each step, `(timesteps, size)`, of one row.

    Args:
        step: A function of one step.
        x: `(timesteps, features)`.
        mask: Booleans `(timesteps,)`.
        size: The size of the state.
        pushed: A step, and what is added to the state after it.
        reverse: Whether the last step is computed first.
    """
    state, states = np.zeros(size), np.zeros((len(x), size))
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        state = step(x[t], state) if mask[t] else state
        if pushed is not None and pushed[0] == t:
            state = state + pushed[1]
        states[t] = state
    return states


def gradients(loss_of, step, x, mask, size, reverse=False, by=1e-6):
    """Return dL/ds_t of one row by central differences, `(timesteps, size)`."""
    found = np.zeros((len(x), size))
    for t in range(len(x)):
        for unit in range(size):
            push = by * np.eye(size)[unit]
            up, down = (
                loss_of(run(step, x, mask, size, (t, sign * push), reverse)) for sign in (1, -1)
            )
            found[t, unit] = (up - down) / (2 * by)
    return found
