# %% [markdown]
# # LSTM and GRU with their gates open
#
# At the end of this page you will know what a gate is, what the three gates of an LSTM do, what its
# second state is for, and why the forget gate lets gradients live. You will have seen all of them
# at work in a network with a single unit, and the GRU next to it. You need [the first
# tutorial](1_from_the_equations.md), and about twenty minutes.
#
# ## A task for which one must keep and replace
#
# A value arrives at every step, and with it a flag. If the flag is 1, the value counts: take it. If
# it is 0, the value is noise: ignore it. After each step, say which value counted last.
#
# | step | 1 | 2 | 3 | 4 | 5 | 6 |
# |---|---|---|---|---|---|---|
# | value | 0.4 | -0.9 | 0.7 | -0.3 | 0.1 | 0.8 |
# | flag | 1 | 0 | 0 | 1 | 0 | 0 |
# | answer | 0.4 | 0.4 | 0.4 | -0.3 | -0.3 | -0.3 |
#
# The state of an Elman network is computed from scratch at every step,
# $h_t = \tanh(x_t W + h_{t-1} U + b)$. What it remembers has to pass through the matrix and through
# $\tanh$ each time, and new inputs are added whether they matter or not. For this task one would
# rather have a switch: *now* write, *now* leave everything as it is. Such a switch is a **gate**.
#
# ## A gate
#
# A gate is a number between 0 and 1 by which something is multiplied. At 1 it is open, and all
# comes through; at 0 it is closed, and nothing does. The network computes it at each step from what
# it sees, the input and its last output, by weights of its own:
#
# $$f_t = \sigma(x_t W_f + h_{t-1} U_f + b_f)$$
#
# Here $\sigma$ is the sigmoid, $1 / (1 + e^{-z})$, which turns any number into one between 0 and 1.
# No one tells the gate when to open. Its weights are trained like all others.
#
# ## The LSTM
#
# Long short-term memory (LSTM, 1997) has two states. The **cell state** $c_t$ is the memory. The
# output $h_t$ is what the network shows of it. Three gates stand around the memory, and $\odot$
# multiplies element by element, one gate for each unit:
#
# $$c_t = f_t \odot c_{t-1} + i_t \odot g_t$$
#
# $$h_t = o_t \odot \tanh(c_t)$$
#
# - $f_t$, the **forget gate**: how much of the old memory stays. 1 keeps it, 0 erases it.
# - $i_t$, the **input gate**: how much of the new content is written.
# - $g_t = \tanh(x_t W_g + h_{t-1} U_g + b_g)$, the **candidate**: the new content. It is Elman's
#   formula.
# - $o_t$, the **output gate**: how much of the memory is shown.
#
# The memory is changed by a sum. With $f_t = 1$ and $i_t = 0$, $c_t = c_{t-1}$: it is copied, and
# neither a matrix nor a $\tanh$ wears it away.
#
# In NumPy the equations read as follows. Keras keeps the four parts side by side in one matrix, in
# the order i, f, g, o.

# %%
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm(x, W, U, b):
    """Return outputs, cell states and gates of each step, for x of (timesteps, features)."""
    units = U.shape[0]
    h, c, steps = np.zeros(units), np.zeros(units), []
    for x_t in x:
        i, f, g, o = np.split(x_t @ W + h @ U + b, 4)
        i, f, o = sigmoid(i), sigmoid(f), sigmoid(o)
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        steps.append((h, c, i, f, o))
    return (np.stack(column) for column in zip(*steps, strict=True))


# %% [markdown]
# Now we train the smallest LSTM there is, with one unit, on the task. After it comes a `Dense`
# layer, which scales its output to the answer.

# %%
import keras

import rnnlayers

keras.utils.set_random_seed(1)
rng = np.random.default_rng(0)


def sequences(count, steps=30):
    values = rng.uniform(-1, 1, (count, steps))
    flags = rng.random((count, steps)) < 0.12
    flags[:, 0] = True
    last = np.maximum.accumulate(np.where(flags, np.arange(steps), 0), axis=1)
    answers = np.take_along_axis(values, last, axis=1)
    return np.stack([values, flags], -1).astype("float32"), answers[..., None].astype("float32")


def train(recurrent):
    model = keras.Sequential([keras.Input((None, 2)), recurrent, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.03), loss="mse")
    model.fit(*sequences(2000), batch_size=64, epochs=20, verbose=0)
    return model


model = train(rnnlayers.LSTM(1, return_sequences=True))
error = model.evaluate(*sequences(500), verbose=0) ** 0.5
print(f"typical error of an answer: {error:.3f}, where answers lie between -1 and 1")

# %% tags=["check"]
assert error < 0.07

# %% [markdown]
# One unit is enough. Let us open it: we run our NumPy equations with the weights that it has
# learned, on one new sequence, and look at the gates.

# %%
import matplotlib.pyplot as plt

x, answers = sequences(1)
h, c, i, f, o = lstm(x[0], *model.layers[0].get_weights())
flags = x[0, :, 1] == 1
steps = np.arange(1, len(flags) + 1)


def show(lines, answers, memory, name):
    """Draw gates above, the memory below, and a grey bar where the flag is 1."""
    _, (above, below) = plt.subplots(2, figsize=(7, 4), sharex=True, layout="constrained")
    for axes in (above, below):
        for step in steps[flags]:
            axes.axvspan(step - 0.3, step + 0.3, color="0.85")
    for label, (gate, style) in lines.items():
        above.plot(steps, gate, style, label=label)
    above.set(ylabel="gate", ylim=(-0.05, 1.05))
    below.plot(steps, answers, "k:", label="right answer")
    below.plot(steps, memory, "o-", color="#2c6fad", label=name)
    below.set(xlabel="step t", ylabel="memory")
    for axes in (above, below):
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    plt.show()


gates = {"forget f": (f, "s-"), "input i": (i, "^-"), "output o": (o, "x-")}
show(gates, answers[0], c, "cell state c")
print(f"forget gate at a flag: {f[flags][1:].mean():.2f}, between flags: {f[~flags].mean():.3f}")
print(f"input gate  at a flag: {i[flags].mean():.2f}, between flags: {i[~flags].mean():.3f}")

# %% tags=["check"]
outputs = model.layers[0](x)[0].numpy()
assert np.allclose(h, outputs, atol=1e-5), "the NumPy equations are the layer's"
assert flags.sum() > 2
assert f[flags][1:].mean() < 0.3
assert f[~flags].mean() > 0.98
assert i[flags].mean() > 0.4
assert i[~flags].mean() < 0.05
assert o.mean() > 0.8

# %% [markdown]
# Above are the three gates at each step, and grey bars mark the steps with a flag. Below is the
# cell state, with the right answer dotted. Nobody told the network what its gates are for, and yet
# they do what the task asks:
#
# - **Between flags** the forget gate is close to 1 and the input gate close to 0: *keep, and do not
#   write*. The cell state is a flat line, whatever values arrive.
# - **At a flag** the forget gate falls and the input gate opens: *erase, and write*. The cell state
#   jumps.
# - The output gate stays open, since the answer is wanted at every step.
#
# (The cell state has a scale of its own, which the `Dense` layer undoes. Nor is this the only
# solution: from another random start, the same network can distribute the work among its gates
# differently.)
#
# ## What the forget gate does for the gradient
#
# The forget gate is also the factor by which a gradient goes back along the cell state from one
# step to the one before: $d c_t / d c_{t-1} = f_t$, as long as one looks at the sum alone. Over
# several steps the factors multiply:

# %%
between = f[~flags].mean()
for steps_back in (1, 10, 100):
    print(f"{between:.3f} to the power of {steps_back}: {between**steps_back:.2f}")
print(f"and across a flag: {f[flags][1:].mean():.2f}")

# %% tags=["check"]
assert between**10 > 0.85
assert between**100 > 0.2

# %% [markdown]
# Between flags the gradient goes back a hundred steps and still has a good part of its size. At a
# flag most of it ends, and rightly so: what was stored before has no influence on any later answer.
# The network decides at each step how far back learning reaches. In an Elman network this is up to
# a fixed matrix, as [the tutorial before](3_vanishing_and_exploding.md) has shown.
#
# ## The GRU
#
# The gated recurrent unit (GRU, 2014) makes do with less. It has one state and two gates:
#
# $$h_t = z_t \odot h_{t-1} + (1 - z_t) \odot n_t$$
#
# $$n_t = \tanh(x_t W_n + b_n + r_t \odot (h_{t-1} U_n + d_n))$$
#
# - $z_t$, the **update gate**, does the work of both the forget and the input gate: the share $z_t$
#   of the state is kept, and the rest is replaced by the candidate $n_t$.
# - $r_t$, the **reset gate**, says how much the candidate looks at the old state.
#
# Both gates are computed like $f_t$ above, with weights of their own. $b_n$ and $d_n$ are biases:
# the reset gate multiplies $d_n$, and does not reach $b_n$.
#
# The output is the state itself. There is no output gate.


# %%
def gru(x, W, U, b):
    """Return states and gates of each step. b has two rows: of the inputs, and of the state."""
    h, steps = np.zeros(U.shape[0]), []
    for x_t in x:
        z_x, r_x, n_x = np.split(x_t @ W + b[0], 3)
        z_h, r_h, n_h = np.split(h @ U + b[1], 3)
        z, r = sigmoid(z_x + z_h), sigmoid(r_x + r_h)
        h = z * h + (1 - z) * np.tanh(n_x + r * n_h)
        steps.append((h, z, r))
    return (np.stack(column) for column in zip(*steps, strict=True))


model_of_gru = train(rnnlayers.GRU(1, return_sequences=True))
error_of_gru = model_of_gru.evaluate(*sequences(500), verbose=0) ** 0.5
print(f"typical error of an answer: {error_of_gru:.3f}")
h, z, r = gru(x[0], *model_of_gru.layers[0].get_weights())
show({"update z": (z, "s-"), "reset r": (r, "x-")}, answers[0], h, "state h")
for name, trained in [("LSTM", model), ("GRU", model_of_gru)]:
    print(f"{name}: {trained.layers[0].count_params()} weights in the layer")

# %% tags=["check"]
assert np.allclose(h, model_of_gru.layers[0](x)[0], atol=1e-5)
assert error_of_gru < 0.07
assert z[flags].mean() < 0.5
assert z[~flags].mean() > 0.95
assert model.layers[0].count_params() == 4 * (2 + 1 + 1)
assert model_of_gru.layers[0].count_params() == 3 * (2 + 1 + 2)

# %% [markdown]
# The same picture for the GRU: the update gate is near 1 between the flags, and falls at a flag.
# The state is a flat line between flags. Its scale is again its own, here even upside down, and
# `Dense` turns it round. The reset gate wanders. Between flags it hardly matters, since almost
# nothing of the candidate is written there.
#
# On this task both are equally good. The GRU has three matrices of each kind where the LSTM has
# four, and is the smaller of the two.
#
# ## Where they differ
#
# In the GRU keeping and writing are tied: whoever writes more keeps less. An LSTM can do both at
# once, and so it can *count*. To see it, we set the weights by hand: forget and input gate always
# open, and the candidate near 1 at each 1 of the input.

# %%
counter = rnnlayers.LSTM(1, return_sequences=True, return_state=True)
counter.build((None, None, 1))
counter.set_weights(
    [np.array([[0, 0, 10, 0]]), np.zeros((1, 4)), np.array([10, 10, 0, 10])]  # i, f, g, o
)
ones = np.array([1, 0, 1, 1, 0, 1, 1, 1, 0, 1], dtype="float32")
_, _, cell_state = counter(ones[None, :, None])
print(
    f"ones in the sequence: {ones.sum():.0f}, cell state at the end: {cell_state.numpy()[0, 0]:.3f}"
)

# %% tags=["check"]
assert np.isclose(cell_state[0, 0], ones.sum(), atol=0.01)
assert np.abs(h).max() <= 1

# %% [markdown]
# A GRU's state is always between its old state and the candidate, and so between -1 and 1. It
# cannot add up like this.
#
# ## In short
#
# - A gate is a number between 0 and 1, computed by the network itself, that multiplies what passes.
# - The forget gate says how much of the memory stays. It is also the factor of the gradient. The
#   input gate says what is written, the output gate what is shown.
# - The LSTM's memory is changed by a sum, and nothing wears it off while the gates say "keep".
# - The GRU ties keeping and writing together: fewer weights, one state, no counting.
#
# Which one should you take? Try both; they are exchanged by one word. The [list of
# cells](../cells.md) has some sixty more with other gates. The complete equations of
# [`LSTM`](../reference/layers.md#rnnlayers.LSTM) and [`GRU`](../reference/layers.md#rnnlayers.GRU)
# are in the reference. [The next tutorial](5_four_topologies.md) turns to what surrounds the layer.
