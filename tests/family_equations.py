"""One step of each cell of the family in NumPy float64, written from the papers.

Each function takes the input of a row, its states by name, the weights by name (absent biases are
zero), and the functions and numbers of the cell. It returns the output and the new states.
"""

import numpy as np


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def normalize(v):
    return (v - v.mean()) / np.sqrt(v.var() + 1e-5)


def parts(array, count):
    return np.split(array, count, -1)


def gates(x, h, w, count):
    """Return W x + b + U h for each gate."""
    return parts(x @ w["kernel"] + w["bias"] + h @ w["recurrent_kernel"], count)


def peephole_lstm(x, s, w, f, peephole=True, layer_norm=False, projection=None):
    h, c = s["h"], s["c"]
    if layer_norm:
        z = normalize(x @ w["kernel"]) * w["kernel_gain"] + w["bias"]
        z = z + normalize(h @ w["recurrent_kernel"]) * w["recurrent_gain"]
        i, forget, g, o = parts(z, 4)
    else:
        i, forget, g, o = gates(x, h, w, 4)
    if peephole:
        i, forget = i + w["peephole_i"] * c, forget + w["peephole_f"] * c
    c = f.gate(forget) * c + f.gate(i) * f.act(g)
    if peephole:
        o = o + w["peephole_o"] * c
    shown = normalize(c) * w["state_gain"] + w["state_shift"] if layer_norm else c
    h = f.gate(o) * f.act(shown)
    h = h if projection is None else h @ w["projection_kernel"]
    return h, {"h": h, "c": c}


def coupled_lstm(x, s, w, f):
    i, g, o = gates(x, s["h"], w, 3)
    c = (1 - f.gate(i)) * s["c"] + f.gate(i) * f.act(g)
    h = f.gate(o) * f.act(c)
    return h, {"h": h, "c": c}


def original_lstm(x, s, w, f):
    i, g, o = gates(x, s["h"], w, 3)
    c = s["c"] + f.gate(i) * f.act(g)
    h = f.gate(o) * f.act(c)
    return h, {"h": h, "c": c}


def janet(x, s, w, f, beta):
    z, g = gates(x, s["h"], w, 2)
    h = f.gate(z) * s["h"] + (1 - f.gate(z - beta)) * f.act(g)
    return h, {"h": h}


def nas(x, s, w, f):
    z = parts(x @ w["kernel"] + w["bias"], 8)
    u = parts(s["h"] @ w["recurrent_kernel"], 8)
    a = f.act(f.gate(z[0] + u[0]) * np.maximum(z[1] + u[1], 0))
    b = f.act(f.gate(z[2] + u[2]) + np.maximum(z[3] * u[3], 0))
    p = f.act(f.act(z[4] + u[4]) * f.gate(z[5] + u[5]))
    q = f.gate(f.act(z[6] + u[6]) + f.gate(z[7] + u[7]))
    c = f.act(a + s["c"]) * b
    h = f.act(c * f.act(p + q))
    return h, {"h": h, "c": c}


def multiplicative_lstm(x, s, w, f):
    m = (x @ w["multiplicative_kernel"]) * (s["h"] @ w["multiplicative_recurrent_kernel"])
    i, forget, g, o = gates(x, m, w, 4)
    c = f.gate(forget) * s["c"] + f.gate(i) * f.act(g)
    h = f.gate(o) * f.act(c)
    return h, {"h": h, "c": c}


def mogrifier_lstm(x, s, w, f, rounds):
    h = s["h"]
    for r in range(1, rounds + 1):
        if r % 2:
            x = 2 * sigmoid(h @ w[f"q_{r}"]) * x
        else:
            h = 2 * sigmoid(x @ w[f"r_{r}"]) * h
    i, forget, g, o = gates(x, h, w, 4)
    c = f.gate(forget) * s["c"] + f.gate(i) * f.act(g)
    h = f.gate(o) * f.act(c)
    return h, {"h": h, "c": c}


def layer_norm_gru(x, s, w, f):
    def normalized(v, gain):
        size = v.size // 3
        return np.concatenate([normalize(v[: 2 * size]), normalize(v[2 * size :])]) * gain

    x_z, x_r, x_n = parts(normalized(x @ w["kernel"], w["kernel_gain"]) + w["bias"], 3)
    u_z, u_r, u_n = parts(normalized(s["h"] @ w["recurrent_kernel"], w["recurrent_gain"]), 3)
    z, r = f.gate(x_z + u_z), f.gate(x_r + u_r)
    h = z * s["h"] + (1 - z) * f.act(x_n + r * u_n)
    return h, {"h": h}


def minimal_gated(x, s, w, f):
    x_f, x_n = parts(x @ w["kernel"] + w["bias"], 2)
    U_f, U_n = parts(w["recurrent_kernel"], 2)
    forget = f.gate(x_f + s["h"] @ U_f)
    h = (1 - forget) * s["h"] + forget * f.act(x_n + (forget * s["h"]) @ U_n)
    return h, {"h": h}


def li_gru(x, s, w, f):
    z, n = gates(x, s["h"], w, 2)
    h = f.gate(z) * s["h"] + (1 - f.gate(z)) * f.act(n)
    return h, {"h": h}


def light_recurrent(x, s, w, f):
    x_f, x_n = parts(x @ w["kernel"] + w["bias"], 2)
    forget = f.gate(x_f + s["h"] @ w["recurrent_kernel"])
    h = (1 - forget) * s["h"] + forget * f.act(x_n)
    return h, {"h": h}


def mut1(x, s, w, f):
    W_z, W_r, W_n = parts(w["kernel"], 3)
    b_z, b_r, b_n = parts(w["bias"], 3)
    U_r, U_n = parts(w["recurrent_kernel"], 2)
    z = f.gate(x @ W_z + b_z)
    r = f.gate(x @ W_r + s["h"] @ U_r + b_r)
    h = f.act((r * s["h"]) @ U_n + f.act(x @ W_n) + b_n) * z + s["h"] * (1 - z)
    return h, {"h": h}


def mut2(x, s, w, f):
    x_z, x_r, x_n = parts(x @ w["kernel"] + w["bias"], 3)
    U_z, U_r, U_n = parts(w["recurrent_kernel"], 3)
    z = f.gate(x_z + s["h"] @ U_z)
    r = f.gate(x_r + s["h"] @ U_r)
    h = f.act((r * s["h"]) @ U_n + x_n) * z + s["h"] * (1 - z)
    return h, {"h": h}


def mut3(x, s, w, f):
    x_z, x_r, x_n = parts(x @ w["kernel"] + w["bias"], 3)
    U_z, U_r, U_n = parts(w["recurrent_kernel"], 3)
    z = f.gate(x_z + f.act(s["h"]) @ U_z)
    r = f.gate(x_r + s["h"] @ U_r)
    h = f.act((r * s["h"]) @ U_n + x_n) * z + s["h"] * (1 - z)
    return h, {"h": h}


def ran(x, s, w, f):
    x_i, x_f, x_g = parts(x @ w["kernel"] + w["bias"], 3)
    U_i, U_f = parts(w["recurrent_kernel"], 2)
    c = f.gate(x_i + s["h"] @ U_i) * x_g + f.gate(x_f + s["h"] @ U_f) * s["c"]
    return f.act(c), {"h": f.act(c), "c": c}


def ugrnn(x, s, w, f):
    g, n = gates(x, s["h"], w, 2)
    h = f.gate(g) * s["h"] + (1 - f.gate(g)) * f.act(n)
    return h, {"h": h}


def intersection(x, s, w, f):
    p, g, q, t = gates(x, s["h"], w, 4)
    y = f.gate(g) * x + (1 - f.gate(g)) * f.act(p)
    h = f.gate(t) * s["h"] + (1 - f.gate(t)) * f.act(q)
    return y, {"h": h}


def cfn(x, s, w, f):
    W_t, W_n, W_c = parts(w["kernel"], 3)
    U_t, U_n = parts(w["recurrent_kernel"], 2)
    b_t, b_n = parts(w["bias"], 2)
    t = f.gate(x @ W_t + s["h"] @ U_t + b_t)
    n = f.gate(x @ W_n + s["h"] @ U_n + b_n)
    h = t * f.act(s["h"]) + n * f.act(x @ W_c)
    return h, {"h": h}


def star(x, s, w, f):
    x_z, x_k = parts(x @ w["kernel"] + w["bias"], 2)
    k = f.gate(x_k + s["h"] @ w["recurrent_kernel"])
    h = f.act((1 - k) * s["h"] + k * f.act(x_z))
    return h, {"h": h}


def atr(x, s, w, f):
    p, q = x @ w["kernel"] + w["bias"], s["h"] @ w["recurrent_kernel"]
    h = f.gate(p + q) * p + f.gate(p - q) * s["h"]
    return h, {"h": h}


def minimal_rnn(x, s, w, f):
    b_z, b_u = parts(w["bias"], 2)
    z = f.act(x @ w["kernel"] + b_z)
    u = f.gate(s["h"] @ w["recurrent_kernel"] + z @ w["gate_kernel"] + b_u)
    h = u * s["h"] + (1 - u) * z
    return h, {"h": h}


def fast_rnn(x, s, w, f):
    (n,) = gates(x, s["h"], w, 1)
    h = sigmoid(w["alpha"]) * f.act(n) + sigmoid(w["beta"]) * s["h"]
    return h, {"h": h}


def fast_grnn(x, s, w, f):
    b_z, b_n = parts(w["bias"], 2)
    u = x @ w["kernel"] + s["h"] @ w["recurrent_kernel"]
    z, n = f.gate(u + b_z), f.act(u + b_n)
    h = (sigmoid(w["zeta"]) * (1 - z) + sigmoid(w["nu"])) * n + z * s["h"]
    return h, {"h": h}


def ind_rnn(x, s, w, f):
    h = f.act(x @ w["kernel"] + w["bias"] + w["recurrent_kernel"] * s["h"])
    return h, {"h": h}


def irnn(x, s, w, f):
    (z,) = gates(x, s["h"], w, 1)
    return f.act(z), {"h": f.act(z)}


def jordan(x, s, w, f, hidden_units):
    (z,) = gates(x, s["h"], w, 1)
    assert z.size == hidden_units
    y = f.output(f.act(z) @ w["output_kernel"] + w["output_bias"])
    return y, {"h": y}


def scrn(x, s, w, f, alpha, context_units):
    context = (1 - alpha) * (x @ w["context_kernel"]) + alpha * s["s"]
    assert context.size == context_units
    z = x @ w["kernel"] + w["bias"] + s["h"] @ w["recurrent_kernel"]
    h = f.act(z + context @ w["context_recurrent_kernel"])
    return h, {"h": h, "s": context}


def antisymmetric(x, s, w, f, epsilon, gamma):
    U = w["recurrent_kernel"]
    A = U - U.T - gamma * np.eye(len(U))
    h = s["h"] + epsilon * f.act(x @ w["kernel"] + w["bias"] + A @ s["h"])
    return h, {"h": h}


def gated_antisymmetric(x, s, w, f, epsilon, gamma):
    U = w["recurrent_kernel"]
    past = (U - U.T - gamma * np.eye(len(U))) @ s["h"]
    x_z, x_h = parts(x @ w["kernel"] + w["bias"], 2)
    h = s["h"] + epsilon * f.gate(x_z + past) * f.act(x_h + past)
    return h, {"h": h}


def co_rnn(x, s, w, f, dt, gamma, epsilon):
    y, z = s["y"], s["z"]
    force = f.act(
        x @ w["kernel"] + w["bias"] + y @ w["recurrent_kernel"] + z @ w["velocity_kernel"]
    )
    z = z + dt * (force - gamma * y - epsilon * z)
    y = y + dt * z
    return y, {"y": y, "z": z}


def unicornn(x, s, w, f, dt, alpha):
    y, z = s["y"], s["z"]
    step = dt * sigmoid(w["time_scale"])
    force = f.act(w["recurrent_kernel"] * y + x @ w["kernel"] + w["bias"])
    z = z - step * (force + alpha * y)
    y = y + step * z
    return y, {"y": y, "z": z}


def lem(x, s, w, f, dt):
    x_s, x_t, x_z, x_y = parts(x @ w["kernel"] + w["bias"], 4)
    u_s, u_t, u_z = parts(s["y"] @ w["recurrent_kernel"], 3)
    first, second = dt * f.gate(x_s + u_s), dt * f.gate(x_t + u_t)
    z = (1 - first) * s["z"] + first * f.act(x_z + u_z)
    y = (1 - second) * s["y"] + second * f.act(x_y + z @ w["memory_kernel"])
    return y, {"y": y, "z": z}


def recurrent_highway(x, s, w, f, depth):
    state = s["h"]
    n, t = gates(x, state, w, 2)
    state = f.act(n) * f.gate(t) + state * (1 - f.gate(t))
    for k in range(2, depth + 1):
        n, t = parts(state @ w[f"recurrent_kernel_{k}"] + w[f"bias_{k}"], 2)
        state = f.act(n) * f.gate(t) + state * (1 - f.gate(t))
    return state, {"h": state}


def clockwork(x, s, w, f, periods):
    size = s["h"].size // len(periods)
    h = s["h"].copy()
    for module, period in enumerate(periods):
        if s["t"][0] % period:
            continue
        mine = slice(module * size, (module + 1) * size)
        heard = sum(
            s["h"][other * size : (other + 1) * size]
            @ w["recurrent_kernel"][other * size : (other + 1) * size, mine]
            for other in range(module, len(periods))
        )
        h[mine] = f.act(x @ w["kernel"][:, mine] + w["bias"][mine] + heard)
    return h, {"h": h, "t": s["t"] + 1}


def echo_state(x, s, w, f, leak):
    (z,) = gates(x, s["h"], w, 1)
    h = (1 - leak) * s["h"] + leak * f.act(z)
    return h, {"h": h}


def min_gru(x, s, w, f):
    z, n = parts(x @ w["kernel"] + w["bias"], 2)
    h = (1 - sigmoid(z)) * s["h"] + sigmoid(z) * np.where(n >= 0, n + 0.5, sigmoid(n))
    return h, {"h": h}


def min_lstm(x, s, w, f):
    forget, i, n = parts(x @ w["kernel"] + w["bias"], 3)
    forget, i = sigmoid(forget), sigmoid(i)
    n = np.where(n >= 0, n + 0.5, sigmoid(n))
    h = forget / (forget + i) * s["h"] + i / (forget + i) * n
    return h, {"h": h}


def sru(x, s, w, f):
    projected = parts(x @ w["kernel"], w["kernel"].shape[1] // s["c"].size)
    b_f, b_r = parts(w["bias"], 2)
    forget, r = sigmoid(projected[0] + b_f), sigmoid(projected[1] + b_r)
    c = forget * s["c"] + (1 - forget) * projected[2]
    passing = projected[3] if len(projected) == 4 else x
    return r * f.act(c) + (1 - r) * passing, {"c": c}


def qrnn(x, s, w, f):
    n, forget, o = parts(x @ w["kernel"] + w["bias"], 3)
    c = sigmoid(forget) * s["c"] + (1 - sigmoid(forget)) * f.act(n)
    return sigmoid(o) * c, {"c": c}


def rg_lru(x, s, w, f):
    r, i, v = parts(x @ w["kernel"] + w["bias"], 3)
    a = sigmoid(-w["decay"]) ** (8 * sigmoid(r))  # softplus(v) = -log sigmoid(-v)
    h = a * s["h"] + np.sqrt(1 - a**2) * (sigmoid(i) * v)
    return h, {"h": h}


def lru(x, s, w, f):
    def as_complex(v):
        re, im = parts(v, 2)
        return re + 1j * im

    rotation = np.exp(-np.exp(w["nu"]) + 1j * np.exp(w["theta"]))
    h = rotation * as_complex(s["h"]) + np.exp(w["gamma"]) * as_complex(x @ w["kernel"])
    state = np.concatenate([h.real, h.imag])
    return state @ w["output_kernel"] + x @ w["skip_kernel"], {"h": state}


def slstm(x, s, w, f, heads, forget_gate):
    """Not stabilized: c, n and m stand for c exp(m) and n exp(m)."""
    size = len(s["h"]) // heads
    u = np.stack(
        [s["h"][k * size :][:size] @ w["recurrent_kernel"][k] for k in range(heads)]
    ).reshape(heads, 4, size)
    z, i, forget, o = (
        part + u[:, gate].reshape(-1)
        for gate, part in enumerate(parts(x @ w["kernel"] + w["bias"], 4))
    )
    kept = sigmoid(forget) if forget_gate == "sigmoid" else np.exp(forget)
    c = kept * s["c"] * np.exp(s["m"]) + np.exp(i) * f.act(z)
    n = kept * s["n"] * np.exp(s["m"]) + np.exp(i)
    m = np.maximum(np.log(kept) + s["m"], i)
    h = sigmoid(o) * c / np.maximum(n, np.exp(m))
    return h, {"h": h, "c": c * np.exp(-m), "n": n * np.exp(-m), "m": m}


def mlstm(x, s, w, f, heads, forget_gate):
    """Not stabilized, as `slstm`; one head after another."""
    q, k, v, o = (p.reshape(heads, -1) for p in parts(x @ w["kernel"] + w["bias"], 4))
    i, forget = parts(x @ w["gate_kernel"] + w["gate_bias"], 2)
    size = q.shape[-1]
    C_prev, n_prev = s["C"].reshape(heads, size, size), s["n"].reshape(heads, size)
    h, C, n, m = [], [], [], []
    for head in range(heads):
        kept = sigmoid(forget[head]) if forget_gate == "sigmoid" else np.exp(forget[head])
        scale, write, key = np.exp(s["m"][head]), np.exp(i[head]), k[head] / np.sqrt(size)
        matrix = kept * scale * C_prev[head] + write * np.outer(v[head], key)
        total = kept * scale * n_prev[head] + write * key
        h.append(sigmoid(o[head]) * (matrix @ q[head]) / max(abs(total @ q[head]), 1))
        m.append(max(np.log(kept) + s["m"][head], i[head]))
        C.append(matrix * np.exp(-m[-1]))
        n.append(total * np.exp(-m[-1]))
    h, C, n = (np.concatenate([part.reshape(-1) for part in whole]) for whole in (h, C, n))
    return h, {"h": h, "C": C, "n": n, "m": np.array(m)}


def phased_lstm(x, s, w, f, time_feature):
    """In inference, without the leak."""
    t = s["t"][0]
    if time_feature:
        x, t = x[:-1], x[-1]
    tau, ratio = np.exp(w["log_period"]), sigmoid(w["open_logit"])
    phase = np.mod(t - w["shift"], tau) / tau
    k = np.select([phase < ratio / 2, phase < ratio], [2 * phase / ratio, 2 - 2 * phase / ratio])
    i, forget, g, o = gates(x, s["h"], w, 4)
    c = f.gate(forget) * s["c"] + f.gate(i) * f.act(g)
    h = k * f.gate(o) * f.act(c) + (1 - k) * s["h"]
    c = k * c + (1 - k) * s["c"]
    return h, {"h": h, "c": c, "t": np.array([t if time_feature else t + 1])}


def gru_d(x, s, w, f, time_feature):
    x, time = (x[:-1], x[-1]) if time_feature else (x, s["clock"][1] + 1)
    # The states hold the last observation less the mean, and the time that has passed since.
    last, mean = s["e"] + w["means"], w["means"]
    delta = s["d"] + s["clock"][0] * (time - s["clock"][1])
    m = 1.0 - np.isnan(x)
    gamma_x = np.exp(-np.maximum(0, w["input_decay"] * delta + w["input_decay_bias"]))
    gamma_h = np.exp(-np.maximum(0, delta @ w["state_decay"] + w["state_decay_bias"]))
    x_hat = np.where(m == 1, x, gamma_x * last + (1 - gamma_x) * mean)
    h = gamma_h * s["h"]
    i_z, i_r, i_n = parts(x_hat @ w["kernel"] + m @ w["mask_kernel"] + w["bias"], 3)
    u_z, u_r, u_n = parts(w["recurrent_kernel"], 3)
    z, r = f.gate(i_z + h @ u_z), f.gate(i_r + h @ u_r)
    n = f.act(i_n + (r * h) @ u_n)
    h = z * h + (1 - z) * n
    last = np.where(m == 1, x, last)
    after = {"e": last - mean, "d": (1 - m) * delta, "clock": np.array([1.0, time])}
    return h, {"h": h, **after}


def nbrc(x, s, w, f):
    x_a, x_c, x_h = parts(x @ w["kernel"] + w["bias"], 3)
    u_a, u_c = parts(s["h"] @ w["recurrent_kernel"], 2)
    return _bistable(x_a + u_a, x_c + u_c, x_h, s["h"], f)


def brc(x, s, w, f):
    x_a, x_c, x_h = parts(x @ w["kernel"] + w["bias"], 3)
    w_a, w_c = parts(w["recurrent_kernel"], 2)
    return _bistable(x_a + w_a * s["h"], x_c + w_c * s["h"], x_h, s["h"], f)


def _bistable(a, c, candidate, h, f):
    a, c = 1 + f.act(a), f.gate(c)
    h = c * h + (1 - c) * f.act(candidate + a * h)
    return h, {"h": h}


def sgrn(x, s, w, f):
    z = x @ w["kernel"] + w["bias"]
    forget = f.gate(z + s["h"] @ w["recurrent_kernel"])
    h = f.act((1 - forget) * z + forget * s["h"])
    return h, {"h": h}


def sgu(x, s, w, f, deep):
    x_g, x_z = parts(x @ w["kernel"] + w["bias"], 2)
    u_g, u_z = parts(w["recurrent_kernel"], 2)
    out = f.act((x_g * s["h"]) @ u_g) * s["h"]
    out = f.output(out @ w["output_kernel"] if deep else out)
    z = f.gate(x_z + s["h"] @ u_z)
    h = (1 - z) * s["h"] + z * out
    return h, {"h": h}


def miru1(x, s, w, f, update_coefficient):
    x_r, x_n = parts(x @ w["kernel"] + w["bias"], 2)
    u_r, u_n = parts(w["recurrent_kernel"], 2)
    n = f.act(x_n + (f.gate(x_r + s["h"] @ u_r) * s["h"]) @ u_n)
    h = update_coefficient * s["h"] + (1 - update_coefficient) * n
    return h, {"h": h}


def miru2(x, s, w, f, update_coefficient, reset_coefficient):
    u = (reset_coefficient * s["h"]) @ w["recurrent_kernel"]
    n = f.act(x @ w["kernel"] + w["bias"] + u)
    h = update_coefficient * s["h"] + (1 - update_coefficient) * n
    return h, {"h": h}


def t_rnn(x, s, w, f):
    z, forget = parts(x @ w["kernel"], 2)
    forget = sigmoid(forget + w["bias"])
    h = forget * s["h"] + (1 - forget) * z
    return h, {"h": h}


def t_gru(x, s, w, f):
    z, forget, o = gates(x, s["x_prev"], w, 3)
    h = f.gate(forget) * s["h"] + z * f.act(o)
    return h, {"h": h, "x_prev": x}


def t_lstm(x, s, w, f):
    z, forget, o = gates(x, s["x_prev"], w, 3)
    c = f.gate(forget) * s["c"] + (1 - f.gate(forget)) * z
    h = c * f.act(o)
    return h, {"h": h, "c": c, "x_prev": x}


def working_memory_lstm(x, s, w, f):
    i, forget, g, o = gates(x, s["h"], w, 4)
    v_i, v_f, v_o = parts(w["memory_kernel"], 3)
    i = f.gate(i + np.tanh(s["c"] @ v_i))
    forget = f.gate(forget + np.tanh(s["c"] @ v_f))
    c = forget * s["c"] + i * f.act(g)
    h = f.gate(o + np.tanh(c @ v_o)) * f.act(c)
    return h, {"h": h, "c": c}


def residual_lstm(x, s, w, f):
    i, forget, g, o = gates(x, s["h"], w, 4)
    p_i, p_f, p_o = w["peephole"]
    c = f.gate(forget + p_f * s["c"]) * s["c"] + f.gate(i + p_i * s["c"]) * f.act(g)
    shortcut = x @ w["shortcut_kernel"] if "shortcut_kernel" in w else x
    h = f.gate(o + p_o * c) * (f.act(c) @ w["projection_kernel"] + shortcut)
    return h, {"h": h, "c": c}


def mass_conserving_lstm(x, s, w, f, masses):
    mass, control = x[:masses], x[masses:]
    *i, o = gates(control, s["c"] / np.abs(s["c"]).sum(), w, masses + 1)
    moved = np.exp(w["redistribution_kernel"])
    moved = moved / moved.sum(1, keepdims=True)
    total = sum(m * np.exp(gate) / np.exp(gate).sum() for m, gate in zip(mass, i, strict=True))
    total = total + sum(share * row for share, row in zip(s["c"], moved, strict=True))
    h = f.gate(o) * total
    return h, {"h": h, "c": total - h}


def tau_gru(x, s, w, f, delay):
    x_u, x_g, x_a, x_z = parts(x @ w["kernel"] + w["bias"], 4)
    u_u, u_g, u_a = parts(s["h"] @ w["recurrent_kernel"], 3)
    past = parts(s["past"], delay)
    z = f.act(x_z + past[-1] @ w["delay_kernel"])
    g = f.gate(x_g + u_g)
    h = (1 - g) * s["h"] + g * (f.act(x_u + u_u) + f.gate(x_a + u_a) * z)
    return h, {"h": h, "past": np.concatenate([s["h"], *past[:-1]])}
