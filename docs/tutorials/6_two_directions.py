# %% [markdown]
# # Two directions, and when not
#
# A recurrent network reads a sequence from its first step to its last, and carries a *state* along,
# its memory of what it has read. So what it says at a step depends on the steps up to there. Often
# the answer lies further on. In "the bank of the river", the last word decides what the second one
# means. `Bidirectional` runs two layers over the same sequence, one forwards and one backwards, and
# puts their outputs together.
#
# At the end you will know what each output of such a layer has seen, how the two outputs are
# merged, why padding needs a mask here more than elsewhere, and three kinds of work for which two
# directions are wrong. Reading takes about fifteen minutes, running less than one.

# %%
import itertools

import keras
import matplotlib.pyplot as plt
import numpy as np

import rnnlayers

keras.utils.set_random_seed(0)

# %% [markdown]
# ## A task that needs both sides
#
# Our sequences consist of dots and brackets. If an opening bracket is followed, after any number of
# dots, by a closing one, then both and all dots between them are *inside*; everything else is
# outside. A network has to say for each step whether it is inside. Giving every step a label of its
# own is called *tagging*.


# %%
def make_brackets(count, timesteps, seed):
    """Return symbols 0 (dot), 1 (opens), 2 (closes), and 1 for steps that are inside."""
    rng = np.random.default_rng(seed)
    symbols = rng.choice(3, size=(count, timesteps), p=(0.7, 0.15, 0.15))
    inside = np.zeros((count, timesteps), "float32")
    for row, tags in zip(symbols, inside, strict=True):
        brackets = np.flatnonzero(row)
        for left, right in itertools.pairwise(brackets):
            if row[left] == 1 and row[right] == 2:
                tags[left : right + 1] = 1
    return symbols, inside


symbols, inside = make_brackets(2000, 20, seed=1)
new_symbols, new_inside = make_brackets(1000, 20, seed=2)
for row, tags in zip(new_symbols[:3], new_inside[:3], strict=True):
    print("".join(".()"[symbol] for symbol in row))
    print("".join(" ^"[int(tag)] for tag in tags))

# %% [markdown]
# The same small network is trained three times: with a layer that runs forwards, with one that runs
# backwards, and with both. All three have 16 outputs at each step. The layer is a `GRU`, a
# recurrent network with gates; [tutorial 4](4_gates.md) opens them, but nothing here depends on
# that. `return_sequences=True` asks for the output of each step instead of the last one.
#
# `go_backwards=True` makes a layer begin with the last step. Its outputs come in the order in which
# they are computed, the last step first. So we turn them round again, with `flip`.


# %%
def make_tagger(recurrent, turn=False):
    """Return a model that gives each step the probability that it is inside."""
    inputs = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(3, 4)(inputs)  # a vector of four numbers for each symbol
    outputs = recurrent(vectors)
    if turn:
        outputs = keras.ops.flip(outputs, axis=1)
    outputs = keras.layers.Dense(1, activation="sigmoid")(outputs)
    model = keras.Model(inputs, outputs[..., 0])
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["binary_accuracy"])
    return model


taggers = {
    "forwards": make_tagger(rnnlayers.GRU(16, return_sequences=True)),
    "backwards": make_tagger(
        rnnlayers.GRU(16, return_sequences=True, go_backwards=True), turn=True
    ),
    "both": make_tagger(rnnlayers.Bidirectional(rnnlayers.GRU(8, return_sequences=True))),
}
accuracies = {}
for name, tagger in taggers.items():
    tagger.fit(symbols, inside, batch_size=50, epochs=8, verbose=0)
    accuracies[name] = tagger.evaluate(new_symbols, new_inside, verbose=0)[1]
    print(f"{name:9} {accuracies[name]:6.1%} of the steps right")

# %% tags=["check"]
assert accuracies["both"] > 0.98
assert accuracies["forwards"] < 0.9
assert accuracies["backwards"] < 0.9

# %% [markdown]
# The two single directions stay below 90 %, and no amount of training helps them: behind an opening
# bracket, the next bracket closes as often as it opens, and a network that reads forwards has not
# seen it yet. It can only guess. With both directions nearly every tag is right.
#
# ## What each output has seen
#
# To see what an output depends on, change one step of the inputs and look which outputs change. The
# picture has a row for each output and a column for each changed input; dark means that the output
# changed.

# %%
timesteps = 12
sequence = np.random.default_rng(3).normal(size=(1, timesteps, 2)).astype("float32")
changed = np.repeat(sequence, timesteps, axis=0)  # copy number s differs at step s
changed[np.arange(timesteps), np.arange(timesteps)] += 1.0


def influence(layer):
    """Return how much each output, a row, changes with each input, a column."""
    return np.abs(layer(changed) - layer(sequence)).max(axis=-1).T


layers = {
    "forwards": rnnlayers.GRU(8, return_sequences=True),
    "both directions": rnnlayers.Bidirectional(rnnlayers.GRU(4, return_sequences=True)),
}
figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), layout="constrained")
for axis, (name, layer) in zip(axes, layers.items(), strict=True):
    seen = influence(layer)
    axis.imshow(np.log10(seen + 1e-4), cmap="Greys", vmin=-4, vmax=0)
    axis.set(title=name, xlabel="changed input (step)", ylabel="output (step)")
plt.show()

# %% tags=["check"]
future = np.triu_indices(timesteps, k=1)
assert influence(layers["forwards"])[future].max() == 0.0
assert influence(layers["both directions"])[future].min() > 0.0
assert influence(layers["both directions"]).min() > 0.0

# %% [markdown]
# *How much the output of a step changes (logarithmic grey scale) if the input of another step does:
# forwards only the inputs up to the output count, which is the lower left half; in both directions
# every input counts.*
#
# The upper right half of the left picture is exactly zero: an output cannot depend on what has not
# been read. The grey grows paler away from the diagonal, since a state forgets.
#
# With `return_sequences=False`, the default, a layer returns one output for the sequence. Forwards
# this is the output of the last step, backwards that of the first, since each comes last in its own
# order. Both have read everything. The last step of `return_sequences=True` is something else:
# there the backward half has read one step only. Taking `outputs[:, -1]` of a bidirectional layer
# is a common mistake.

# %%
some_bias = keras.initializers.RandomNormal(stddev=0.5)  # as in a layer that has been trained
pattern = rnnlayers.GRU(4, return_sequences=True, bias_initializer=some_bias)
all_steps = rnnlayers.Bidirectional(pattern)
outputs = all_steps(sequence)
one = rnnlayers.Bidirectional(rnnlayers.GRU(4))
one.build(sequence.shape)
one.set_weights(all_steps.get_weights())
forward, backward = one(sequence)[:, :4], one(sequence)[:, 4:]
print(
    "forward half is that of the last step:  ", np.allclose(forward, outputs[:, -1, :4], atol=1e-6)
)
print(
    "backward half is that of the last step: ", np.allclose(backward, outputs[:, -1, 4:], atol=1e-6)
)
print(
    "backward half is that of the first step:", np.allclose(backward, outputs[:, 0, 4:], atol=1e-6)
)

# %% tags=["check"]
assert np.allclose(forward, outputs[:, -1, :4], atol=1e-6)
assert np.allclose(backward, outputs[:, 0, 4:], atol=1e-6)
assert not np.allclose(backward, outputs[:, -1, 4:], atol=1e-2)

# %% [markdown]
# ## How the halves are merged
#
# `merge_mode` says what becomes of the two outputs $f_t$ and $b_t$ of a step, each with as many
# numbers as the layer has units:
#
# | `merge_mode` | output | numbers for 4 units |
# |---|---|---|
# | `"concat"`, the default | $f_t$ next to $b_t$ | 8 |
# | `"sum"` | $f_t + b_t$ | 4 |
# | `"ave"` | $(f_t + b_t) / 2$ | 4 |
# | `"mul"` | $f_t b_t$, element by element | 4 |
# | `None` | two separate outputs | 4 and 4 |
#
# `"concat"` loses nothing: the layers after it decide what to do with each half. The others halve
# the inputs of the next layer, and so its weights. `"mul"` is rare, as a small number in one half
# silences the other. The two layers have weights of their own in all cases, so a bidirectional
# layer has twice the weights of the layer that it is made of.

# %%
halves = {}
for mode in ("concat", "sum", "ave", "mul", None):
    merged = rnnlayers.Bidirectional(rnnlayers.GRU(4), merge_mode=mode)
    merged.build(sequence.shape)
    merged.set_weights(all_steps.get_weights())
    halves[mode] = merged(sequence)
    shapes = [tuple(x.shape) for x in (halves[mode] if mode is None else [halves[mode]])]
    print(f"{mode!s:7}", *shapes)

# %% tags=["check"]
forward, backward = halves[None]
assert np.allclose(halves["concat"], np.concatenate([forward, backward], axis=-1))
assert np.allclose(halves["sum"], forward + backward)
assert np.allclose(halves["ave"], (forward + backward) / 2)
assert np.allclose(halves["mul"], forward * backward)
assert merged.count_params() == 2 * merged.forward_layer.count_params()

# %% [markdown]
# ## Padding needs a mask
#
# Sequences of different lengths are padded to one length, usually with zeros at the end, to fit
# into one array. A *mask* says which steps are real. A forward layer reaches the padding last, so
# without a mask the outputs of the real steps are right all the same. A backward layer begins with
# the padding: its state is no longer zero when it comes to the first real step, and every output is
# wrong.

# %%
padded = np.pad(sequence, ((0, 0), (0, 5), (0, 0)))
mask = np.arange(timesteps + 5)[None] < timesteps
without = np.abs(all_steps(padded)[:, :timesteps] - outputs).max(axis=(0, 1))
with_mask = np.abs(all_steps(padded, mask=mask)[:, :timesteps] - outputs).max(axis=(0, 1))
for name, change in (("without a mask", without), ("with a mask", with_mask)):
    forward, backward = change[:4].max(), change[4:].max()
    print(f"changed by padding, {name}: forward {forward:.3f}, backward {backward:.3f}")

# %% tags=["check"]
assert without[:4].max() < 1e-6
assert without[4:].max() > 0.01
assert with_mask.max() < 1e-6

# %% [markdown]
# A mask seldom has to be passed by hand. `Embedding(..., mask_zero=True)` makes one from the symbol
# 0, and the layers after it hand it on. Both directions skip what it hides, wherever it is.
#
# ## When not: the answer is in the inputs
#
# A model of language or of a series predicts each step from those before it. Toss a coin a few
# thousand times, and train a network to say the next toss at every step. Nobody can do better than
# one half:

# %%
tosses = np.random.default_rng(4).integers(0, 2, size=(2000, 21))
now, following = tosses[:, :-1], tosses[:, 1:].astype("float32")
prophets = {
    "forwards": make_tagger(rnnlayers.GRU(8, return_sequences=True)),
    "both": make_tagger(rnnlayers.Bidirectional(rnnlayers.GRU(8, return_sequences=True))),
}
foreseen = {}
for name, prophet in prophets.items():
    prophet.fit(now[:1500], following[:1500], batch_size=50, epochs=4, verbose=0)
    foreseen[name] = prophet.evaluate(now[1500:], following[1500:], verbose=0)[1]
    print(f"{name:9} {foreseen[name]:6.1%} of new tosses foretold")

# %% tags=["check"]
assert abs(foreseen["forwards"] - 0.5) < 0.03
assert foreseen["both"] > 0.95

# %% [markdown]
# The bidirectional network has not learned to foretell coins. What step $t$ must say is the input
# of step $t + 1$, and its backward half has just read it. Only the last toss of each sequence,
# whose successor is not among the inputs, remains a guess. Such a network looks brilliant while it
# is trained and tested, and fails on the first day that the future is not there to be read. Be wary
# of a result that is too good.

# %%
said = prophets["both"].predict(now[1500:], verbose=0)[:, -1] > 0.5
last = np.mean(said == following[1500:, -1])
print(f"foretold at the last step, where there is nothing to read ahead: {last:.1%}")

# %% tags=["check"]
assert abs(last - 0.5) < 0.08

# %% [markdown]
# There are three kinds of work for which two directions are wrong:
#
# - **Forecasting** at each step, as above. A layer that reads a *finished* window of the past to
#   say what comes after it may read the window in both directions, for all of it has happened. It
#   must not read what it is to predict.
# - **Generation.** A text is written from left to right, and nothing stands to the right yet. In a
#   translation the *encoder*, which reads the finished source, is usually bidirectional, and the
#   decoder, which writes, is not: see [tutorial 9](9_attention_and_beams.md).
# - **Streaming.** If values arrive one by one and an answer is due at each, a forward layer takes
#   one step for each value. A backward layer begins at the end, so it must wait for the end, or
#   read a window again for each value.
#
# For everything else that has the whole sequence before it, such as classifying texts, tagging
# words or recognizing a recording, two directions are the first thing to try. They cost twice the
# weights and, on two cores, 1.7 times the time of one ([measured](../results/variants.md) with an
# LSTM).
# [`Bidirectional`](../reference/layers.md#rnnlayers.Bidirectional) has all of its arguments.
