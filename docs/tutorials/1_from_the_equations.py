# %% [markdown]
# # A recurrent network from its equations
#
# At the end of this page you can compute a recurrent network by hand. You will know why a sequence
# needs a memory, what the state $h_t$ and the weights $W$, $U$ and $b$ are, why the same weights
# are used at every step, and how to get the very same numbers from NumPy and from the layer
# [`rnnlayers.Elman`](../reference/layers.md#rnnlayers.Elman). You need some Python and NumPy, and
# about fifteen minutes.
#
# ## Why a sequence needs a memory
#
# A sensor reports once a minute: 1 if the door was opened, 0 if not. After every minute we want to
# know: *has the door been opened yet?*
#
# | minute $t$ | 1 | 2 | 3 | 4 | 5 | 6 |
# |---|---|---|---|---|---|---|
# | report $x_t$ | 0 | 0 | 1 | 0 | 0 | 0 |
# | answer $y_t$ | 0 | 0 | 1 | 1 | 1 | 1 |
#
# Look at minutes 2 and 4. The report is the same, 0, and the answers differ. So no function of
# $x_t$ alone can be right, however large it is. What is missing is the past. One could pass all
# reports so far to the function, but there are more of them every minute. A recurrent network does
# what a person would do: it keeps a short note, and rewrites the note at each step. The note is
# called the **state** or hidden state, $h_t$.
#
# ## One unit, by hand
#
# The simplest recurrent network was described by Elman in 1990. Its state, in the smallest case, is
# a single number:
#
# $$h_t = \tanh(w \, x_t + u \, h_{t-1} + b)$$
#
# - $x_t$ is the input at step $t$, and $h_{t-1}$ is the state that the step before has left. The
#   first step finds $h_0 = 0$, an empty note.
# - $w$ is the weight of the input: how strongly the state reacts to what is new.
# - $u$ is the **recurrent weight**: how much of the old state goes into the new one.
# - $b$ is the bias, as in any network.
# - $\tanh$ is an S-shaped function that squeezes any number into the range from -1 to 1, so that
#   the state stays bounded.
#
# Take $w = 1$, $u = 2$ and $b = 0$, and let the door open in the first minute: $x = (1, 0, 0)$. A
# pocket calculator is enough. $z$ is the sum inside the parentheses:
#
# - $z = 1 \cdot 1 + 2 \cdot 0 = 1$, and $h_1 = \tanh(1) = 0.762$
# - $z = 1 \cdot 0 + 2 \cdot 0.762 = 1.523$, and $h_2 = \tanh(1.523) = 0.909$
# - $z = 1 \cdot 0 + 2 \cdot 0.909 = 1.818$, and $h_3 = \tanh(1.818) = 0.949$
#
# The input has gone back to 0, but the state still says that the door was open. Now the same with
# other recurrent weights:

# %%
import matplotlib.pyplot as plt
import numpy as np

x = np.zeros(13)
x[1] = 1.0  # the door opens in minute 1; x[0] is not used


def one_unit(x, w, u, b=0.0):
    h = np.zeros(len(x))
    for t in range(1, len(x)):
        h[t] = np.tanh(w * x[t] + u * h[t - 1] + b)
    return h


figure, axes = plt.subplots(figsize=(7, 2.5), layout="constrained")
for u, marker in [(2.0, "o"), (1.0, "s"), (0.5, "^"), (0.0, "x")]:
    h = one_unit(x, w=1.0, u=u)
    print(f"u = {u}:", h[1:4].round(3))
    axes.plot(h, marker=marker, label=f"u = {u}")
axes.set(xlabel="step t", ylabel="state h", xticks=range(0, 13, 2))
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% tags=["check"]
assert np.allclose(one_unit(x, 1.0, 2.0)[1:4], [0.762, 0.909, 0.949], atol=5e-4)
assert one_unit(x, 1.0, 2.0)[-1] > 0.95
assert one_unit(x, 1.0, 0.5)[8] < 0.01, "eight steps later"
assert 0.3 < one_unit(x, 1.0, 1.0)[-1] < 0.4
assert np.all(one_unit(x, 1.0, 0.0)[2:] == 0)

# %% [markdown]
# The picture shows the state over twelve steps after a single 1 at step 1. With $u = 2$ the state
# stays near 1: the unit remembers. With $u = 1$ it fades slowly, with $u = 0.5$ it is gone after a
# few steps, and with $u = 0$ nothing of the past is left: that is an ordinary network, which sees
# $x_t$ alone.
#
# **So $u$ is the memory's weight.** It decides what a network carries from one step to the next,
# and training sets it, as it sets $w$ and $b$.
#
# ## Several units: $u$ becomes the matrix $U$
#
# One number is a very short note. In practice $x_t$ is a row of several numbers, the **features**,
# and the state is a row of numbers too, one for each **unit**. The equation stays as it is, with
# matrices in place of the numbers:
#
# $$h_t = \tanh(x_t W + h_{t-1} U + b)$$
#
# | | shape | what it is | name in Keras |
# |---|---|---|---|
# | $x_t$ | (features) | the input of step $t$ | `inputs[:, t]` |
# | $h_t$ | (units) | the state after step $t$ | state, output |
# | $W$ | (features, units) | from inputs to units | `kernel` |
# | $U$ | (units, units) | from the old state to the new one | `recurrent_kernel` |
# | $b$ | (units) | bias | `bias` |
#
# Entry $U_{ij}$ says how strongly unit $i$ of the old state acts on unit $j$ of the new one. Units
# can thus take notes of each other, not only of themselves. (Books write $W x_t + U h_{t-1}$ with
# columns. Keras and this library use rows, so that the weights stand on the right. It is the same
# network.)
#
# In NumPy that is a loop of three lines:


# %%
def elman(x, W, U, b):
    """Return the states after each step, (timesteps, units), for x of (timesteps, features)."""
    h = np.zeros(U.shape[0])  # nothing is remembered at first
    states = []
    for x_t in x:
        h = np.tanh(x_t @ W + h @ U + b)
        states.append(h)
    return np.stack(states)


rng = np.random.default_rng(0)
steps, features, units = 4, 2, 3
x = rng.normal(size=(steps, features))
W = rng.normal(size=(features, units))
U = rng.normal(size=(units, units))
b = rng.normal(size=units)
print(elman(x, W, U, b).round(3))

# %% [markdown]
# Each line is a step, and each column a unit. Now the same network as a layer. A layer wants a
# *batch*: several sequences at once, of shape (batch, timesteps, features). We have one sequence,
# so `x[None]` makes it a batch of one. With `return_sequences=True` the layer returns the state
# after every step. Without it, the layer returns the state after the last step only.

# %%
import rnnlayers

layer = rnnlayers.Elman(units, return_sequences=True)
layer.build((None, None, features))  # any batch size, any number of steps
layer.set_weights([W, U, b])
for weight in layer.weights:
    print(weight.name, tuple(weight.shape))
print(layer(x[None])[0].numpy().round(3))

# %% tags=["check"]
assert np.allclose(layer(x[None])[0], elman(x, W, U, b), atol=1e-6)
assert [weight.name for weight in layer.weights] == ["kernel", "recurrent_kernel", "bias"]

# %% [markdown]
# The numbers are the same. The layer is the equation, with what one needs around it: batches, masks
# for sequences of different lengths, gradients, and speed.
#
# ## Folded and unfolded
#
# There are two ways to draw the network. **Folded**, it is one box with an arrow from its output
# back to its input. **Unfolded** (or unrolled), each step gets a box of its own, and the arrow goes
# from each box to the next:


# %%
RED, BLUE, GREY = "#c0392b", "#2c6fad", "#7f8c8d"


def box(axes, x, y, text, color):
    frame = {"fc": "white", "ec": color, "pad": 7}
    axes.text(x, y, text, ha="center", va="center", fontsize=13, bbox=frame)


def arrow(axes, start, end, text, bend=0.0):
    style = {"arrowstyle": "-|>", "color": "black", "connectionstyle": f"arc3,rad={bend}"}
    axes.annotate("", end, start, arrowprops=style)
    axes.text((start[0] + end[0]) / 2 + 0.1, (start[1] + end[1]) / 2 + 0.1, text, fontsize=12)


figure, axes = plt.subplots(figsize=(7, 2.5), layout="constrained")
box(axes, 0, 1, "$h$", RED)
box(axes, 0, -0.2, "$x$", BLUE)
arrow(axes, (0, 0.05), (0, 0.75), "$W$")
arrow(axes, (0.22, 1.1), (-0.22, 1.1), "", bend=1.8)
axes.text(0.3, 1.45, "$U$", fontsize=12)
axes.text(0.95, 1, "=", fontsize=18, va="center")
box(axes, 2, 1, "$h_0$", GREY)
for t in (1, 2, 3, 4):
    place = 2 + 1.2 * t
    box(axes, place, 1, f"$h_{t}$", RED)
    box(axes, place, -0.2, f"$x_{t}$", BLUE)
    arrow(axes, (place, 0.05), (place, 0.75), "$W$")
    arrow(axes, (place - 0.95, 1), (place - 0.25, 1), "$U$")
axes.set(xlim=(-0.6, 7.3), ylim=(-0.5, 1.8))
axes.axis("off")
plt.show()

# %% [markdown]
# On the left is the folded network: the input $x$ goes into the state $h$ through $W$, and the
# state goes back into itself through $U$. On the right is the same network unfolded over four
# steps. Read it from left to right: $h_2$ is made of $x_2$ and $h_1$, and through $h_1$ of $x_1$
# too.
#
# Unfolded, a recurrent network is an ordinary network without loops. It has as many layers as there
# are steps, an input at each of them, and one peculiarity: **all layers have the same weights**.
# And because it is an ordinary network, it is trained like one, as the [next
# tutorial](2_backpropagation_through_time.md) shows.
#
# Each $h_t$ is used twice. It is the network's output at step $t$, which further layers read, and
# it is the memory that step $t + 1$ begins with. Both uses share one state. Whatever the network
# must not forget has to be in these few numbers.
#
# ## Why the weights are the same at every step
#
# **Sequences have any length.** The number of weights does not depend on it. A network with weights
# for each step could read no sequence longer than those that it was built for.

# %%
for length in (4, 1000):
    print(f"{length} steps: output {layer(rng.normal(size=(1, length, features))).shape},", end=" ")
    print(f"{layer.count_params()} weights")

# %% tags=["check"]
assert layer.count_params() == units * (features + units + 1) == 18

# %% [markdown]
# The count is units · (features + units + 1): here 3 · (2 + 3 + 1) = 18.
#
# **What is learned at one place holds at every place.** A word means the same at the start of a
# sentence and in its middle. If nothing happens for three steps ($x_t = 0$, and $b = 0$), the
# network does the same as before, three steps later:

# %%
late = np.concatenate([np.zeros((3, features)), x])
print(np.array_equal(elman(late, W, U, 0 * b)[3:], elman(x, W, U, 0 * b)))

# %% tags=["check"]
assert np.array_equal(elman(late, W, U, 0 * b)[3:], elman(x, W, U, 0 * b))

# %% [markdown]
# **Every step is an example.** A sequence of 1000 steps contains 1000 uses of $W$ and $U$, and each
# of them helps to learn the same few numbers.
#
# ## It learns to remember
#
# Back to the door. We draw sequences of 20 minutes, in each of which the door is opened with a
# probability of 5 %, and train two networks. One is a `Dense` network, which sees the report of one
# minute alone. The other has four recurrent units before its output. (`Adam` is the method that
# changes the weights, and `binary_crossentropy` is the error that it makes small.)

# %%
import keras

keras.utils.set_random_seed(0)


def doors(sequences, steps):
    reports = rng.random((sequences, steps, 1)) < 0.05
    return reports.astype("float32"), np.logical_or.accumulate(reports, axis=1).astype("float32")


def train(hidden):
    model = keras.Sequential([keras.Input((None, 1)), hidden, keras.layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    model.fit(*doors(1000, 20), epochs=20, verbose=0)
    return model


without = train(keras.layers.Dense(4, "tanh"))
recurrent = train(rnnlayers.Elman(4, return_sequences=True))
cases = {
    "without memory, 20 minutes": (without, 20),
    "recurrent, 20 minutes": (recurrent, 20),
    "recurrent, 200 minutes": (recurrent, 200),
}
scores = {
    name: model.evaluate(*doors(1000, steps), verbose=0)[1]
    for name, (model, steps) in cases.items()
}
for name, score in scores.items():
    print(f"{name}: {score:.1%} of the answers are right")

# %% tags=["check"]
assert scores["without memory, 20 minutes"] < 0.75
assert scores["recurrent, 20 minutes"] > 0.995
assert scores["recurrent, 200 minutes"] > 0.995

# %% [markdown]
# Without a memory, two thirds of the answers are right: after a 0, the network can only say what is
# more frequent. The recurrent network answers nearly everything, and it does so on sequences ten
# times as long as those it was trained on.
#
# ## In short
#
# - The state $h_t$ is what a network knows of the past. $h_t = \tanh(x_t W + h_{t-1} U + b)$ is all
#   there is.
# - $W$ lets the input in, and $U$ carries the old state over. Without $U$ there is no memory.
# - All steps share the same weights, so a network reads sequences of any length.
#
# How training finds $U$ is the subject of [the next tutorial](2_backpropagation_through_time.md).
# The [list of cells](../cells.md) begins with this network, and has some sixty relatives of it.
