# %% [markdown]
# # Recurrent or feedforward: the usual claims, tried
#
# Most introductions have a table that compares recurrent with feedforward networks. A *feedforward*
# network computes its outputs from its inputs in one pass, layer after layer. A *recurrent* one
# goes through a sequence step by step and carries a state along. Much of what such tables say is
# true, some of it is half true, and some is wrong. This page tries each claim with networks so
# small that you can try it too:
#
# 1. A feedforward network takes inputs of one fixed size, a recurrent one of any length.
# 2. A recurrent network heeds the order of its inputs, a feedforward one does not.
# 3. A recurrent network uses the same weights at each step, so what it learns holds everywhere.
# 4. A recurrent network has fewer parameters.
# 5. A feedforward network has no memory.
# 6. A recurrent network is slow.
# 7. For sequences, a recurrent network is the better one.
#
# At the end you will know which of them to believe, and have a better table. It takes about twenty
# minutes to read, and less than one to run. [Tutorial 1](1_from_the_equations.md) says what a
# recurrent network computes.

# %%
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import rnnlayers

keras.utils.set_random_seed(0)

# %% [markdown]
# ## One task, three networks
#
# Each sequence has 30 steps. Somewhere in it are one `a` and one `b`; all other steps are dots. The
# question is whether `a` comes first. A symbol is given to the network as three numbers, a one and
# two zeros ("one-hot").
#
# In the training data, both letters are in the *first third* of the sequence. That will matter. New
# sequences have them in the first, the second or the last third.


# %%
def make_pairs(count, places, timesteps, seed):
    """Return sequences with an `a` and a `b` at two of these places, and 1 where `a` is first."""
    rng = np.random.default_rng(seed)
    symbols = np.zeros((count, timesteps), int)
    at = np.array([rng.choice(places, size=2, replace=False) for _ in range(count)])
    symbols[np.arange(count), at[:, 0]] = 1
    symbols[np.arange(count), at[:, 1]] = 2
    return np.eye(3, dtype="float32")[symbols], (at[:, 0] < at[:, 1]).astype("float32")


TIMESTEPS = 30
training = make_pairs(1500, range(10), TIMESTEPS, seed=1)
thirds = {
    "first": make_pairs(500, range(10), TIMESTEPS, seed=2),
    "second": make_pairs(500, range(10, 20), TIMESTEPS, seed=3),
    "last": make_pairs(500, range(20, 30), TIMESTEPS, seed=4),
}
networks = {
    # One long vector of 90 numbers, and two layers.
    "flat": keras.Sequential(
        [
            keras.Input((TIMESTEPS, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    ),
    # The same layer at each step, and the mean over the steps.
    "mean": keras.Sequential(
        [
            keras.Input((None, 3)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    ),
    "recurrent": keras.Sequential(
        [
            keras.Input((None, 3)),
            rnnlayers.GRU(16),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    ),
}
shares = {}
for name, network in networks.items():
    network.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    network.fit(*training, batch_size=50, epochs=8, verbose=0)
    shares[name] = {
        third: network.evaluate(*data, batch_size=500, verbose=0)[1]
        for third, data in thirds.items()
    }
print("right if the letters are in the", *(f"{third:>7}" for third in thirds), "third")
for name, right in shares.items():
    print(f"{name:30}", *(f"{share:7.1%}" for share in right.values()))

# %% tags=["check"]
flat, mean, recurrent = (shares[name] for name in ("flat", "mean", "recurrent"))
assert flat["first"] > 0.97
assert max(flat["second"], flat["last"]) < 0.65
assert max(mean.values()) < 0.6
assert min(recurrent["first"], recurrent["second"]) > 0.9
assert recurrent["last"] < 0.85

# %% [markdown]
# ## Claim 1: the size of the inputs
#
# The flat network was made for 30 steps and refuses any other number. But "feedforward" means more
# than that. The network with the mean is feedforward too, and takes any length. So do convolutions,
# which apply one small layer at every place, to the place and its neighbours.

# %%
longer, _ = make_pairs(500, range(10), 60, seed=5)
taken = {}
for name, network in networks.items():
    try:
        taken[name] = network(longer).shape[0]
    except ValueError:
        taken[name] = 0
    print(f"{name:10} {taken[name]} of 500 sequences with 60 steps taken")

# %% tags=["check"]
assert list(taken.values()) == [0, 500, 500]

# %% [markdown]
# And the recurrent network takes any length, but is it *right* at any length? It was trained with
# letters that are at most nine steps apart. Let the distance between them grow:

# %%
distances = range(1, 31)
rights = []
for distance in distances:
    symbols = np.zeros((2, distance + 21), int)
    symbols[[0, 0, 1, 1], [5, 5 + distance] * 2] = 1, 2, 2, 1
    answers = networks["recurrent"](np.eye(3, dtype="float32")[symbols])
    rights.append(float(answers[0, 0] * (1 - answers[1, 0])))
figure, axis = plt.subplots(figsize=(7, 2.5), layout="constrained")
axis.plot(distances, rights, ".-")
axis.axvspan(1, 9, color="0.9", label="distances in the training data")
axis.set(
    xlabel="steps between the letters", ylabel="probability of\nthe right answers", ylim=(0, 1.05)
)
axis.legend(loc="upper right")
plt.show()

# %% tags=["check"]
assert min(rights[:9]) > 0.9
assert rights[-1] < 0.6

# %% [markdown]
# *The product of the probabilities of the two right answers, for `a` before `b` and for `b` before
# `a`, over the distance between the letters: near one in the range of the training data, and near
# zero a few steps beyond it.*
#
# **Half true.** Recurrent networks take any length, as do many feedforward ones. Whether the answer
# is right at lengths far from those of the training is another matter, and has to be tried.
#
# ## Claim 2: order
#
# The first column of the table above decides. The mean cannot see the order: the mean of `a`, `b`
# is that of `b`, `a`, and so it guesses. The flat network sees the order without effort, because
# each place has weights of its own. **Wrong**: whether a network heeds the order depends on what it
# does with the places, not on whether it is recurrent.
#
# ## Claim 3: shared weights
#
# The second column is the strength of recurrent networks. The flat network was perfect in the first
# third and guesses in the second: the weights of those places have never met a letter. The
# recurrent network has the same weights at each step, and was never told that another third is
# anything new.
#
# The last column is a warning. There, the recurrent network fails as well. The weights are shared,
# but the *state* is what the steps before have made of it, and that can be new. In training at
# least twenty dots came after the letters. The network has learned to give its answer by then, not
# at once. A few more dots at the end help it:

# %%
dots = np.tile(np.eye(3, dtype="float32")[0], (500, 20, 1))
sequences, answers = thirds["last"]
with_dots = np.concatenate([sequences, dots], axis=1)
helped = networks["recurrent"].evaluate(with_dots, answers, batch_size=500, verbose=0)[1]
print(f"right in the last third, with twenty dots more: {helped:.1%}")

# %% tags=["check"]
assert helped > 0.9

# %% [markdown]
# **True, with care**: train with the situations that will come. And sharing is not the privilege of
# recurrent networks. A convolution shares its weights over all places, too.
#
# ## Claim 4: parameters
#
# The number of weights of a recurrent layer does not depend on the length. With $F$ numbers a step
# and $H$ units, an Elman network has $H (F + H + 1)$ weights, a GRU three times as many and an LSTM
# four times. A flat layer has $H (T F + 1)$ for $T$ steps, one that serves each step alone
# $H (F + 1)$.

# %%
features, units = 8, 16
lengths = np.arange(1, 41)
counts = {"flat layer": units * (lengths * features + 1)}
layers = {
    "LSTM": rnnlayers.LSTM(units),
    "GRU": rnnlayers.GRU(units),
    "Elman": rnnlayers.Elman(units),
    "one layer for each step": keras.layers.Dense(units),
}
for name, layer in layers.items():
    layer.build((None, None, features))
    counts[name] = np.full(len(lengths), layer.count_params())
figure, axis = plt.subplots(figsize=(7, 2.5), layout="constrained")
for name, numbers in counts.items():
    axis.plot(lengths, numbers, label=name)
axis.set(xlabel="length of the sequences (steps)", ylabel="parameters", ylim=(0, None))
axis.legend(fontsize="small")
plt.show()
crossing = lengths[np.argmax(counts["flat layer"] > counts["LSTM"])]
print(f"the flat layer has more parameters than the LSTM from {crossing} steps on")

# %% tags=["check"]
assert counts["Elman"][0] == units * (features + units + 1)
assert counts["LSTM"][0] == 4 * counts["Elman"][0]
assert (
    counts["flat layer"][0]
    == keras.Sequential(
        [keras.Input((1, features)), keras.layers.Flatten(), keras.layers.Dense(units)]
    ).count_params()
)
assert 1 < crossing < 40
assert counts["one layer for each step"][0] < counts["Elman"][0]

# %% [markdown]
# *Parameters of a layer with 16 units for 8 numbers a step: constant for the recurrent layers and
# for one layer that serves each step alone, growing with the length for the flat layer.*
#
# **Half true.** For long sequences the flat layer is much larger, for short ones the recurrent
# layer is. The weights of a convolution do not grow with the length, either.
#
# ## Claim 5: memory
#
# A feedforward network that looks at a window of the last $w$ values remembers $w$ values exactly,
# and nothing before them. Let the task be to repeat the value of five steps ago, which takes a
# window of six, as the present value is one of them. A linear layer over the window is enough, and
# needs no training loop: NumPy solves it.

# %%
values = np.random.default_rng(6).normal(size=1000)
missed = {}
for window in (4, 5, 6):
    # Column k holds the value of k steps ago.
    windows = np.stack([values[10 - k : len(values) - k] for k in range(window)], axis=1)
    wanted = values[5 : len(values) - 5]
    weights, *_ = np.linalg.lstsq(windows, wanted, rcond=None)
    missed[window] = np.mean((windows @ weights - wanted) ** 2)
    print(f"window of {window} values: mean squared error {missed[window]:.3f}")

# %% tags=["check"]
assert missed[5] > 0.9
assert missed[6] < 1e-10

# %% [markdown]
# **Half true.** A window is a memory: sharp, of a size chosen beforehand, and paid for with inputs.
# A state is a memory, too: of no fixed reach, but it must learn what to keep, and it fades. The
# reverse is also worth knowing. Without a past, a recurrent layer *is* a feedforward layer: at the
# first step the state is zero, and Elman's network computes $\tanh(x W + b)$, which is `Dense`.

# %%
elman, dense = rnnlayers.Elman(4), keras.layers.Dense(4, activation="tanh")
single = np.random.default_rng(7).normal(size=(2, 1, 3)).astype("float32")
elman.build(single.shape)
dense.build((2, 3))
kernel, recurrent_kernel, bias = elman.get_weights()
dense.set_weights([kernel, bias])
print(
    "one step of Elman's network is a dense layer:", np.allclose(elman(single), dense(single[:, 0]))
)

# %% tags=["check"]
assert np.allclose(elman(single), dense(single[:, 0]), atol=1e-6)

# %% [markdown]
# ## Claim 6: speed
#
# Step $t$ needs the state of step $t - 1$, so the steps of a recurrent layer come one after
# another, while a feedforward network computes all places at once. Where values *arrive* one after
# another, it is the other way round. For each new value a window has to be computed again, but a
# recurrent layer takes a single step, however long the past is.

# %%
past = np.random.default_rng(8).normal(size=(1, 2000, 32)).astype("float32")
gru, dense = rnnlayers.GRU(64), keras.layers.Dense(64, activation="tanh")
gru.build(past.shape)
state = gru.cell.get_initial_state(1)


def one_more_step(values):
    """Return the output after one step."""
    return gru.take_step(values, state)[0]


ways = {
    "dense layer, 2000 steps at once": (tf.function(dense), past),
    "GRU, 2000 steps": (tf.function(gru), past),
    "GRU, one more step": (tf.function(one_more_step, autograph=False), past[:, 0]),
}
durations = {}
for name, (function, inputs) in ways.items():
    function(inputs)  # the first call prepares the function
    found = []
    for _ in range(15):
        start = time.perf_counter()
        function(inputs)
        found.append(time.perf_counter() - start)
    durations[name] = 1000 * min(found)  # the one that was least disturbed
    print(f"{name:32} {durations[name]:6.2f} ms")

# %% tags=["check"]
at_once, all_steps, one_more = durations.values()
assert at_once < all_steps
assert one_more < all_steps

# %% [markdown]
# **Half true**: slower over a whole sequence, faster in a stream.
#
# ## Claim 7: sequences need a recurrent network
#
# A series whose next value is a fixed mixture of the last two and a random push:
# $x_t = 1.6 \, x_{t-1} - 0.8 \, x_{t-2} + e_t$. The pushes $e_t$ have variance one and cannot be
# foretold, so no forecast has a mean squared error below one. Let a linear layer over four past
# values and a GRU try, with the same data.


# %%
def make_series(count, timesteps, seed):
    """Return series `(count, timesteps)`."""
    pushes = np.random.default_rng(seed).normal(size=(count, timesteps + 50))
    series = np.zeros_like(pushes)
    for t in range(2, timesteps + 50):
        series[:, t] = 1.6 * series[:, t - 1] - 0.8 * series[:, t - 2] + pushes[:, t]
    return series[:, 50:].astype("float32")  # without the beginning, where all start at zero


def make_windows(series):
    """Return four past values for each value, and the values."""
    windows = np.stack([series[:, k : k + series.shape[1] - 4] for k in range(4)], axis=-1)
    return windows.reshape(-1, 4), series[:, 4:].reshape(-1)


series, new_series = make_series(50, 60, seed=9), make_series(200, 60, seed=10)
weights, *_ = np.linalg.lstsq(*make_windows(series), rcond=None)
windows, wanted = make_windows(new_series)
linear_error = np.mean((windows @ weights - wanted) ** 2)

forecaster = keras.Sequential(
    [keras.Input((None, 1)), rnnlayers.GRU(16, return_sequences=True), keras.layers.Dense(1)]
)
forecaster.compile(keras.optimizers.Adam(0.02), "mean_squared_error")
forecaster.fit(series[:, :-1, None], series[:, 1:, None], batch_size=10, epochs=60, verbose=0)
said = forecaster.predict(new_series[:, :-1, None], verbose=0)[:, 3:, 0]
recurrent_error = np.mean((said - new_series[:, 4:]) ** 2)
print(f"linear layer, 4 weights: mean squared error {linear_error:.2f}")
print(f"GRU, {forecaster.count_params()} weights: mean squared error {recurrent_error:.2f}")

# %% tags=["check"]
assert linear_error < 1.05
assert linear_error < recurrent_error < 3.0

# %% [markdown]
# **Wrong**, as a rule. The linear layer is as good as can be, and the GRU has to learn from
# examples what is built into the linear layer. Always try the simple one first: the applications of
# this project print such baselines next to their networks. A recurrent network pays off where the
# reach of the past is not known beforehand, where it varies, or where what matters depends on what
# came before it.
#
# ## A better table
#
# | claim about recurrent networks | verdict | because |
# |---|---|---|
# | take any length | half true | means and convolutions do, too; being right is another matter |
# | heed order, others do not | wrong | a flat layer sees order; a mean does not |
# | share weights over time | true | so do convolutions; the state must be one that training met |
# | have fewer parameters | half true | only if the sequences are long |
# | have a memory, others do not | half true | a window remembers its values; a state fades |
# | are slow | half true | over a whole sequence; in a stream one step is enough for each value |
# | are better for sequences | wrong as a rule | measure against a simple baseline |
