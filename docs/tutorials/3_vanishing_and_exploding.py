# %% [markdown]
# # Vanishing and exploding gradients, seen
#
# At the end of this page you will know why a gradient that goes back over many steps tends to
# vanish or to explode, which number of a network decides it, what an LSTM does about the one, and
# what clipping does about the other. You will have seen a network that cannot learn, one that can,
# and a training run that breaks down until its gradients are clipped. You need [the second
# tutorial](2_backpropagation_through_time.md), and about twenty minutes.
#
# ## One unit: a power
#
# A gradient goes back in time step by step, and each step multiplies it by a factor. Take the
# simplest network, one unit without $\tanh$: $h_t = u \, h_{t-1} + x_t$. A small change of
# $h_{t-1}$ changes $h_t$ by $u$ times as much, so the factor is $u$ itself, at every step. From the
# last step $T$ back to step $t$ there are $T - t$ steps:
#
# $$\left| \frac{d h_T}{d h_t} \right| = |u|^{T-t}$$
#
# That is compound interest, and few people have a feeling for it:

# %%
import matplotlib.pyplot as plt
import numpy as np

back = np.arange(101)
figure, axes = plt.subplots(figsize=(7, 2.5), layout="constrained")
for u in (1.1, 1.0, 0.9, 0.5):
    print(f"u = {u}: after 10 steps {u**10:.3g}, after 100 steps {u**100:.3g}")
    axes.semilogy(back, u**back, label=f"u = {u}")
axes.set(xlabel="steps back, T - t", ylabel="$dh_T / dh_t$", ylim=(1e-8, 1e5))
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% tags=["check"]
assert 1.1**100 > 10_000
assert 0.9**100 < 3e-5
assert 0.5**20 < 1e-6

# %% [markdown]
# The vertical scale is logarithmic, so that powers become straight lines. A factor of 1.1 makes a
# gradient more than ten thousand times as large after 100 steps. It **explodes**. A factor of 0.9
# leaves less than a thirty-thousandth. It **vanishes**. Only with a factor of exactly 1 does it
# arrive as it was.
#
# A vanished gradient is not merely small. It is small *in comparison*: the gradient of $u$ is a sum
# over all steps, and the near ones drown the far ones. What happened long ago has no say in what is
# learned.
#
# With $\tanh$ the factor is $s_t \, u$, and the slope $s_t$ is at most 1. It makes the gradient
# smaller still. Against explosion it helps only while the unit is in the flat part of $\tanh$.
#
# ## Many units: singular values
#
# With many units the factor is a matrix, the Jacobian of the step: $U$, scaled by the slopes of the
# units. How much does a matrix stretch a vector? That depends on the direction. The **singular
# values** of $U$ are its stretching factors: it stretches no vector by more than the largest one,
# $\sigma_{\max}$, and none by less than the smallest one. Hence the rule:
#
# - If $\sigma_{\max} < 1$, gradients vanish, at least as fast as $\sigma_{\max}^{T-t}$.
# - If $\sigma_{\max} > 1$, they *can* explode. They need not: slopes below 1 and directions that
#   are shrunk may win.
# - If all singular values are 1, the matrix only turns or mirrors vectors. Such a matrix is called
#   **orthogonal**, and without $\tanh$ the gradient keeps its length for ever.

# %%
rng = np.random.default_rng(0)
units = 16
turning = np.linalg.qr(rng.normal(size=(units, units)))[0]  # orthogonal
matrices = {
    "random": rng.normal(size=(units, units)) / np.sqrt(units),
    "orthogonal": turning,
    "0.9 orthogonal": 0.9 * turning,
}
lengths = {}
for name, U in matrices.items():
    singular = np.linalg.svd(U, compute_uv=False)
    gradient = np.ones(units) / np.sqrt(units)  # of length 1
    lengths[name] = [1.0]
    for _ in range(50):
        gradient = gradient @ U.T
        lengths[name].append(np.linalg.norm(gradient))
    print(f"{name}: singular values {singular[-1]:.2f} to {singular[0]:.2f},", end=" ")
    print(f"after 50 steps {lengths[name][-1]:.3g}")

# %% tags=["check"]
assert np.isclose(lengths["orthogonal"][-1], 1)
assert np.isclose(lengths["0.9 orthogonal"][-1], 0.9**50)
assert np.linalg.svd(matrices["random"], compute_uv=False)[0] > 1.5
assert lengths["random"][-1] < 0.1, "although its largest singular value is above 1"

# %% [markdown]
# The orthogonal matrix keeps the length, and 0.9 times that matrix shrinks it like $0.9^{50}$. The
# random matrix stretches some directions nearly twofold, and the gradient dies all the same: no
# direction is stretched at every step. This is why Keras and this library make the initial $U$ of a
# recurrent layer orthogonal. It is a good start, but $\tanh$ takes its share at each step, and
# training soon changes $U$.
#
# ## A network that cannot learn, and one that can
#
# Here is a task that needs nothing but memory. The network reads 80 random numbers between -1 and
# 1. After the last one it must say the *first*, which a second feature marks with a 1.

# %%
import keras
import tensorflow as tf

import rnnlayers


def first_of(steps, count):
    x = rng.uniform(-1, 1, (count, steps, 2)).astype("float32")
    x[:, :, 1] = 0
    x[:, 0, 1] = 1  # the mark
    return x, x[:, 0, :1]


def build(recurrent):
    model = keras.Sequential([keras.Input((None, 2)), recurrent, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    return model


keras.utils.set_random_seed(3)
networks = {
    "Elman": build(rnnlayers.Elman(16)),
    "LSTM": build(rnnlayers.LSTM(16)),
    "LSTM, open": build(rnnlayers.LSTM(16)),
}
kernel, recurrent_kernel, bias = networks["LSTM, open"].layers[0].get_weights()
bias[16:32] = 3.0  # the part of the forget gate
networks["LSTM, open"].layers[0].set_weights([kernel, recurrent_kernel, bias])

# %% [markdown]
# The second and the third network are LSTMs. An LSTM has a second state, $c_t$, which is passed on
# by a sum and not by a matrix: $c_t = f_t \, c_{t-1} + ...$ The **forget gate** $f_t$ is a number
# between 0 and 1 that the network computes at each step. So the factor from step to step is $f_t$,
# and the network can choose it. [The next tutorial](4_gates.md) opens the gates. Here their start
# matters. The initial bias of the forget gate is 1, as in Keras. So $f_t$ begins at about 0.73, and
# along this path $0.73^{79}$, or $10^{-11}$, is left. (A little more arrives on detours through the
# gates.) In the third network we have set the bias to 3. There $f_t$ begins at about 0.95, and
# $0.95^{79}$ is 0.02.
#
# Before any training we ask: by how much does the loss change if the input of step $t$ changes a
# little? It is $d L / d x_t$, which goes back along the states. A `tf.GradientTape` computes it for
# all steps at once.


# %%
def gradient_by_step(model):
    x, y = first_of(80, 200)
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_mean((model(x) - y) ** 2)
    sizes = tf.norm(tape.gradient(loss, x), axis=-1).numpy().mean(axis=0)
    return sizes / sizes[-1]  # as a share of the last step's


figure, axes = plt.subplots(figsize=(7, 2.5), layout="constrained")
arrives = {}
for name, model in networks.items():
    sizes = gradient_by_step(model)
    arrives[name] = sizes[0]
    axes.semilogy(range(1, 81), sizes, label=name)
axes.set(xlabel="step t", ylabel="size of $dL/dx_t$", ylim=(1e-6, 20))
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

errors = {}
for name, model in networks.items():
    model.fit(*first_of(80, 1000), batch_size=64, epochs=20, verbose=0)
    errors[name] = model.evaluate(*first_of(80, 500), verbose=0) ** 0.5
for name in networks:
    print(f"{name:10} gradient at step 1: {arrives[name]:.0e}, typical error: {errors[name]:.2f}")

# %% tags=["check"]
assert arrives["Elman"] < 1e-2
assert arrives["LSTM"] < 1e-4
assert arrives["LSTM, open"] > 0.1
assert errors["Elman"] > 0.5
assert errors["LSTM"] > 0.5
assert errors["LSTM, open"] < 0.2
assert np.isclose(1 / (1 + np.exp(-3)), 0.95, atol=0.005)
assert np.isclose(0.95**79, 0.02, atol=0.005)
assert np.isclose(1 / (1 + np.exp(-1)), 0.73, atol=0.005)

# %% [markdown]
# The picture shows the sizes of $d L / d x_t$ before training, as shares of that of the last step.
# In the Elman network and in the LSTM with a bias of 1, little or nothing arrives at step 1, where
# the answer is. In the LSTM with open forget gates the gradient of step 1 is as large as that of
# the last step. The errors after training follow: 0.58 is the error of someone who always says 0,
# and the first two networks have learned no more than that. The third one answers almost exactly.
#
# Two lessons. An LSTM does not abolish vanishing. It gives the network a factor that *can* be near
# 1, and a good start lets training find out. And a loss that does not move may have nothing to do
# with the size of the network or with the learning rate: look at how far back the gradient reaches.
# [`gradient_flow`](../reference/diagnostics.md#rnnlayers.diagnostics.gradient_flow) measures it in
# any model. (With shorter sequences, or with more patience, the first two networks can learn this
# too.)
#
# ## A run that explodes
#
# The other danger is more dramatic. Here the network adds up 30 numbers. It is an Elman network
# with `relu` in place of $\tanh$, $\mathrm{relu}(z) = \max(0, z)$, and its $U$ begins as the
# identity matrix: all factors are 1 or 0, and nothing vanishes. But nothing holds the state back
# either, and a small growth at each step is compound interest. We train with plain gradient
# descent, each weight minus the learning rate times its gradient, and note the loss of every
# training step, or batch:

# %%
x = rng.uniform(-1, 1, (1000, 30, 1)).astype("float32")
y = x.sum(axis=1)


class Losses(keras.callbacks.Callback):
    """Keeps the loss of each batch."""

    def __init__(self):
        super().__init__()
        self.values = []

    def on_train_batch_end(self, batch, logs):
        # Keras reports the mean of the epoch so far, so take the earlier batches out.
        earlier = self.values[len(self.values) - batch :]
        self.values.append(logs["loss"] * (batch + 1) - sum(earlier))


def adder():
    keras.utils.set_random_seed(1)
    recurrent = rnnlayers.Elman(32, activation="relu", recurrent_initializer="identity")
    return keras.Sequential([keras.Input((30, 1)), recurrent, keras.layers.Dense(1)])


def train(optimizer):
    model, losses = adder(), Losses()
    model.compile(optimizer, loss="mse")
    model.fit(x, y, batch_size=32, epochs=3, verbose=0, callbacks=[losses], shuffle=False)
    return np.array(losses.values)


plain = train(keras.optimizers.SGD(learning_rate=0.01))
for step in (0, 1, 2):
    print(f"loss of batch {step + 1}: {plain[step]:.3g}")
print(f"loss of the last batch: {plain[-1]:.3g}")

# %% [markdown]
# The loss of the second batch is astronomical, and soon after it is `nan`, not a number: the
# figures have left the range that a computer can represent. Such a run is beyond help, since the
# weights are `nan` as well. One single update has done it. Let us repeat this update by hand and
# look at two things: the length of the gradient over all weights, which is called its **global
# norm**, and the largest singular value of $U$ before and after.

# %%
model = adder()
with tf.GradientTape() as tape:
    loss = tf.reduce_mean((model(x[:32]) - y[:32]) ** 2)
gradients = tape.gradient(loss, model.trainable_weights)
norm = float(tf.linalg.global_norm(gradients))
U, gradient_of_u = model.layers[0].get_weights()[1], gradients[1].numpy()


def largest_singular_value(matrix):
    return np.linalg.svd(matrix, compute_uv=False)[0]


print(f"global norm of the gradient: {norm:.0f}")
for name, step in [("before", 0), ("after", 0.01), ("after, with clipping", 0.01 / norm)]:
    largest = largest_singular_value(U - step * gradient_of_u)
    print(f"largest singular value {name}: {largest:.3f}; to the power of 30: {largest**30:.3g}")

# %% tags=["check"]
assert np.isclose(plain[0], float(loss), rtol=1e-4), "the same batch"
assert plain[1] > 1e6
assert not plain[-1] < 1e3, "it may be nan, too"
assert norm > 100
assert largest_singular_value(U - 0.01 * gradient_of_u) > 2
assert largest_singular_value(U - 0.01 / norm * gradient_of_u) < 1.01

# %% [markdown]
# The gradient was long, a sum over 30 steps in which nothing vanished. The update took $U$ from
# factors of 1 to factors above 2, and a factor above 2 at each of 30 steps is a factor above a
# billion at the end. That is how a long gradient becomes an explosion.
#
# ## Clipping
#
# The last line shows the remedy. If the global norm $\|g\|$ is greater than a limit $c$, shorten
# the gradient to the length $c$:
#
# $$g \leftarrow g \cdot \min \left( 1, \frac{c}{\|g\|} \right)$$
#
# The direction stays, and only the length of the step is bounded. A gradient that is shorter than
# $c$ is left alone. In this library the clipping stands around any optimizer of Keras, in a
# [`ClippedOptimizer`](../reference/optimizers.md#rnnlayers.optimizers.ClippedOptimizer):

# %%
from rnnlayers.optimizers import ClipByGlobalNorm

sgd = keras.optimizers.SGD(learning_rate=0.01)
clipped = train(rnnlayers.ClippedOptimizer(sgd, ClipByGlobalNorm(1.0)))
print(f"loss with clipping: {clipped[0]:.2f} at first, {clipped[-32:].mean():.2f} at the end")

figure, axes = plt.subplots(figsize=(7, 2.5), layout="constrained")
axes.semilogy(plain, "o-", markersize=5, color="#c0392b", label="without clipping")
axes.semilogy(clipped, color="#2c6fad", label="with clipping")
axes.set(xlabel="training step (batch)", ylabel="loss", xlim=(-2, 60), ylim=(0.1, 1e14))
axes.legend()
plt.show()

# %% tags=["check"]
assert clipped[0] == plain[0]
assert clipped[-32:].mean() < 1.5 < clipped[0]

# %% [markdown]
# The picture shows the loss of the first 60 batches, on a logarithmic scale. The two runs begin
# with the same loss. Without clipping the second point is far above, and there is no third one that
# could be drawn. With clipping, the same network with the same data and learning rate learns to
# add.
#
# Clipping does nothing against vanishing: it only ever shortens. Nor does it make a network stable.
# A gradient tells the truth only about tiny changes of the weights, and clipping keeps the
# optimizer from taking a huge step on its word.
#
# ## In short
#
# - Going back one step multiplies the gradient by one factor, or by one matrix. Over many steps
#   this is a power: it vanishes below 1 and may explode above.
# - The singular values of $U$ bound the factor. An orthogonal $U$ is a good start for an Elman
#   network.
# - An LSTM passes its cell state on by a sum, with the forget gate as the factor. With open gates,
#   a gradient arrives from far back.
# - Clip gradients against explosions. The direction stays the same.
#
# How to choose the limit, and the other ways to clip, are in the guide on
# [clipping](../clipping.md). [The next tutorial](4_gates.md) looks into the LSTM.
