"""Attention and its decoders in NumPy float64: row by row, step by step, place by place.

Nothing here knows the library. Weights go by the names that the papers give them.
"""

import numpy as np


def additive(q, m, W, U, v):
    """Bahdanau et al. (2015), appendix A.1.2: e = v . tanh(W q + U m)."""
    return v @ np.tanh(q @ W + m @ U)


def concat(q, m, W, U, v):
    """Luong et al. (2015), section 3.1: v . tanh(W_a [q; m])."""
    return v @ np.tanh(np.concatenate([q, m]) @ np.concatenate([W, U]))


def dot(q, m):
    return q @ m


def general(q, m, W):
    return q @ W @ m


def attend(score, query, memory, mask=None):
    """Return the context and the weights of one query over one memory `(source, features)`."""
    mask = np.ones(len(memory), bool) if mask is None else mask
    weights = np.zeros(len(memory))
    for place in np.flatnonzero(mask):
        weights[place] = np.exp(score(query, memory[place]))
    if mask.any():
        weights /= weights.sum()
    return weights @ memory, weights


def decode(step, score, W, x, memory, states, mask, memory_mask, *, attend_when, feeding):
    """Return outputs, weights and final states of one row; `step(x, states)` is the cell's.

    Luong et al., equation 5: y = tanh(W [c; h]), and section 3.3: [x; y_prev] enters the cell.
    Bahdanau et al., section 3.1: the context of the state before, [x; c], enters the cell.
    """
    units = W.shape[1]
    states = [np.asarray(state, "float64") for state in states]
    outputs, all_weights = [], []
    for now in range(len(x)):
        if not mask[now]:
            outputs.append(np.zeros(units))
            all_weights.append(np.zeros(len(memory)))
            continue
        *inner, y_prev = states if feeding else (*states, None)
        if attend_when == "before":
            c, weights = attend(score, inner[0], memory, memory_mask)
            inner = step(np.concatenate([x[now], c]), inner)
        else:
            inner = step(np.concatenate([x[now], y_prev]) if feeding else x[now], inner)
            c, weights = attend(score, inner[0], memory, memory_mask)
        y = np.tanh(np.concatenate([c, inner[0]]) @ W)
        states = [*inner, y] if feeding else list(inner)
        outputs.append(y)
        all_weights.append(weights)
    source = len(memory)
    return np.reshape(outputs, (-1, units)), np.reshape(all_weights, (-1, source)), states
