# %% [markdown]
# # Backpropagation through time, on three steps
#
# At the end of this page you can compute the gradient of a recurrent network by hand. You will know
# what its explicit and its implicit parts are, what is summed over the steps, where the famous
# product of Jacobians comes from, and why nobody computes it that way. You need [the first
# tutorial](1_from_the_equations.md), derivatives and the chain rule, and about twenty minutes.
#
# ## What training needs
#
# Training changes each weight a little, in the direction that makes the error smaller. For this it
# needs one number for each weight: by how much the error changes if the weight changes. That is the
# **gradient**. In a recurrent network this is less obvious than elsewhere, since one and the same
# weight acts at every step, and each action has consequences at all later steps.
#
# We take the network with one unit, $h_t = \tanh(z_t)$ with $z_t = w \, x_t + u \, h_{t-1}$, over
# three steps, and a target for the last state only. The error, or **loss**, is half the squared
# difference:
#
# $$L = \frac{1}{2} (h_3 - y)^2$$

# %%
import numpy as np

x = [None, 1.0, 0.5, -0.5]  # x[1] to x[3]
y = 1.0
w, u = 0.8, 0.9


def forward(u):
    """Return h_0 to h_3."""
    h = [0.0]
    for t in (1, 2, 3):
        h.append(np.tanh(w * x[t] + u * h[t - 1]))
    return np.array(h)


def loss(u):
    return 0.5 * (forward(u)[3] - y) ** 2


h = forward(u)
slope = 1 - h**2  # the derivative of tanh at z_t, written in its result
for t in (1, 2, 3):
    print(f"step {t}: h = {h[t]:.4f}, slope of tanh = {slope[t]:.4f}")
print(f"loss = {loss(u):.4f}")

# %% [markdown]
# The slope says how strongly the state reacts to a small change of $z_t$. It is 1 in the middle of
# $\tanh$, and falls to 0 where $\tanh$ is flat. It needs no new computation, since the derivative
# of $\tanh(z)$ is $1 - \tanh(z)^2$.
#
# Before any theory, let us measure what we are after. Change $u$ by very little, up and down, and
# see how the loss changes. This is a **finite difference**, the slow and safe way to any
# derivative:

# %%
tiny = 1e-6
measured = (loss(u + tiny) - loss(u - tiny)) / (2 * tiny)
print(f"dL/du = {measured:.6f}, measured")

# %% [markdown]
# It is negative: if $u$ grows, the loss falls. Now we compute the same number.
#
# ## Explicit and implicit
#
# How does $h_2 = \tanh(w \, x_2 + u \, h_1)$ depend on $u$? In two ways.
#
# - **Explicitly**: $u$ stands in the formula. With $h_1$ as a fixed number, the derivative is
#   $s_2 \, h_1$, where $s_2$ is the slope at step 2.
# - **Implicitly**: $h_1$ is not a fixed number. It was itself computed with $u$. If it changes,
#   $h_2$ changes by $s_2 \, u$ times as much.
#
# We write the explicit derivative with $\partial$ and the total one with $d$. The total derivative
# is the sum of both parts, at every step:
#
# $$\frac{\partial h_t}{\partial u} = s_t \, h_{t-1}$$
#
# $$\frac{d h_t}{d u} = \frac{\partial h_t}{\partial u} + s_t \, u \, \frac{d h_{t-1}}{d u}$$

# %%
explicit = np.array([0.0] + [slope[t] * h[t - 1] for t in (1, 2, 3)])
total = np.zeros(4)  # h_0 does not depend on u
for t in (1, 2, 3):
    implicit = slope[t] * u * total[t - 1]
    total[t] = explicit[t] + implicit
    print(f"dh_{t}/du = {explicit[t]:.4f} explicit + {implicit:.4f} implicit = {total[t]:.4f}")
print(f"dL/du = (h_3 - y) dh_3/du = {(h[3] - y) * total[3]:.6f}")

# %% tags=["check"]
assert np.isclose((h[3] - y) * total[3], measured, rtol=1e-7)
assert measured < 0
assert implicit > 0.1, "at step 3 the implicit part is no trifle"

# %% [markdown]
# The number is the measured one. At step 1 both parts are zero, because $h_0 = 0$: where there is
# nothing to remember, $u$ multiplies nothing.
#
# ## The sum over the steps
#
# Insert the line for $h_1$ into that for $h_2$, and that into the one for $h_3$. The implicit parts
# disappear, and what remains is one term for each step $k$ at which $u$ acts:
#
# $$\frac{d h_3}{d u} = \sum_{k=1}^{3} \frac{d h_3}{d h_k} \, \frac{\partial h_k}{\partial u}
# \qquad \frac{d h_3}{d h_k} = \prod_{j=k+1}^{3} s_j \, u$$
#
# Read a term from right to left. At step $k$ the weight $u$ changes the state $h_k$ a little, and
# this is the explicit derivative. The change then travels through all later steps to $h_3$, and
# each of them multiplies it by $s_j \, u$. This factor is the derivative of a state with respect to
# the state before, $d h_j / d h_{j-1}$. With many units it is a matrix, and is called the
# **Jacobian** of the step. Hence the *product of Jacobians*.

# %%
terms = []
for k in (1, 2, 3):
    travels = np.prod([slope[j] * u for j in range(k + 1, 4)])  # 1 if k is 3
    terms.append((h[3] - y) * travels * explicit[k])
    print(f"k = {k}: (h_3 - y) * {travels:.4f} * {explicit[k]:.4f} = {terms[-1]:.6f}")
print(f"sum: {sum(terms):.6f}")

# %% tags=["check"]
assert np.isclose(sum(terms), measured, rtol=1e-7)

# %% [markdown]
# There is a neat way to see why it must be a sum. Pretend that each step has a weight of its own,
# $u_1$, $u_2$ and $u_3$, which happen to be equal. In the unfolded network they *are* three weights
# of three layers. Whoever changes $u$ changes all three, so the effects add up. TensorFlow can
# confirm it. A `tf.GradientTape` writes down what is computed and then works out derivatives,
# without our formulas:

# %%
import tensorflow as tf

copies = [None] + [tf.Variable(u, dtype="float64") for _ in range(3)]
with tf.GradientTape() as tape:
    state = tf.constant(0.0, "float64")
    for t in (1, 2, 3):
        state = tf.tanh(w * x[t] + copies[t] * state)
    error = 0.5 * (state - y) ** 2
by_copy = [gradient.numpy() for gradient in tape.gradient(error, copies[1:])]
print("with a weight for each step:", np.round(by_copy, 6))
print("our terms:                  ", np.round(terms, 6))

# %% tags=["check"]
assert np.allclose(by_copy, terms, rtol=1e-12, atol=1e-15)

# %% [markdown]
# ## The same, backwards
#
# The product for $k = 1$ contains the whole product for $k = 2$, and one factor more. To compute
# each from the beginning wastes time: for $T$ steps it takes about $T^2 / 2$ factors. So begin at
# the end, and take the gradient back one step at a time:
#
# $$\frac{d L}{d h_3} = h_3 - y \qquad \frac{d L}{d h_{k-1}} = \frac{d L}{d h_k} \, s_k \, u \qquad
# \frac{d L}{d u} = \sum_{k=1}^{3} \frac{d L}{d h_k} \, \frac{\partial h_k}{\partial u}$$
#
# This is **backpropagation through time**, or BPTT. $d L / d h_k$ is the total effect of the state
# $h_k$ on the loss, along everything that comes later. It contains the implicit parts, and so the
# explicit derivatives are all that is needed besides.

# %%
d_h, d_u = h[3] - y, 0.0
for k in (3, 2, 1):
    print(f"dL/dh_{k} = {d_h:.6f}")
    d_u += d_h * slope[k] * h[k - 1]
    d_h = d_h * slope[k] * u
print(f"dL/du   = {d_u:.6f}")

# %% tags=["check"]
assert np.isclose(d_u, measured, rtol=1e-7)

# %% [markdown]
# Each step back costs one factor. With a target at every step there is one change: the gradient
# that arrives from later steps and the gradient of the step's own loss are added before going on
# back.
#
# The layer gives the same number:

# %%
import rnnlayers

layer = rnnlayers.Elman(1, use_bias=False, dtype="float64")
layer.build((None, None, 1))
layer.set_weights([np.array([[w]]), np.array([[u]])])
sequence = tf.constant([[[x[1]], [x[2]], [x[3]]]], "float64")  # (batch, timesteps, features)
with tf.GradientTape() as tape:
    error = 0.5 * tf.reduce_sum((layer(sequence) - y) ** 2)
d_kernel, d_recurrent_kernel = tape.gradient(error, layer.trainable_variables)
print(f"dL/du = {d_recurrent_kernel.numpy().item():.6f}, by the layer")

# %% tags=["check"]
assert np.isclose(d_recurrent_kernel.numpy().item(), d_u, rtol=1e-12)

# %% [markdown]
# ## Many units, and what the engine does
#
# With several units and a batch of sequences the formulas stay, and the numbers become matrices.
# Now $H_k$ holds the states after step $k$, one row for each sequence, and $Z_k$ the sums of which
# $\tanh$ makes them. $\odot$ multiplies element by element, and a raised $T$ transposes a matrix:
#
# $$\frac{d L}{d Z_k} = \frac{d L}{d H_k} \odot (1 - H_k^2) \qquad
# \frac{d L}{d H_{k-1}} = \frac{d L}{d Z_k} \, U^{T} \qquad
# \frac{d L}{d U} = \sum_{k} H_{k-1}^{T} \, \frac{d L}{d Z_k}$$
#
# Look at what has to wait for what. The first two formulas form a chain: step $k$ needs the result
# of step $k + 1$. The third one needs nothing but the results of the chain. So the library runs two
# loops, one forwards to compute the states and one back to compute $d L / d Z_k$. Both contain only
# what must wait. After the second loop **one product** gives the gradient of $U$: all old states,
# one below the other, times all $d L / d Z_k$. The sum over $k$ happens inside this product, and a
# processor does one large product much faster than many small ones.

# %%
import keras

rng = np.random.default_rng(0)
batch, steps, features, units = 2, 5, 3, 4
keras.utils.set_random_seed(0)
layer = rnnlayers.Elman(units, return_sequences=True, dtype="float64")
inputs = tf.constant(rng.normal(size=(batch, steps, features)))
targets = rng.normal(size=(batch, steps, units))  # a target at every step
with tf.GradientTape() as tape:
    outputs = layer(inputs)
    error = 0.5 * tf.reduce_sum((outputs - targets) ** 2)
of_layer = tape.gradient(error, layer.trainable_variables)[1].numpy()

H, U = outputs.numpy(), layer.get_weights()[1]
dz = np.zeros_like(H)
from_later = np.zeros((batch, units))
for k in reversed(range(steps)):  # the loop back
    dz[:, k] = (H[:, k] - targets[:, k] + from_later) * (1 - H[:, k] ** 2)
    from_later = dz[:, k] @ U.T

H_before = np.concatenate([np.zeros((batch, 1, units)), H[:, :-1]], axis=1)
by_hand = H_before.reshape(-1, units).T @ dz.reshape(-1, units)  # one product for all steps
print("largest difference to the layer:", f"{abs(by_hand - of_layer).max():.0e}")

# %% tags=["check"]
assert np.allclose(by_hand, of_layer, rtol=1e-10, atol=1e-13)

# %% [markdown]
# How much does each step contribute? The sum over $k$ has one matrix for each step, and its size
# says how much of what is learned about $U$ was learned there. Take a longer sequence and a target
# at the last step alone, as when a whole sentence gets one label:

# %%
import matplotlib.pyplot as plt

steps = 20
H = layer(rng.normal(size=(1, steps, features))).numpy()
from_later = rng.normal(size=(1, units))  # dL/dh of the last step
sizes = np.zeros(steps)
for k in reversed(range(steps)):
    dz = from_later * (1 - H[:, k] ** 2)
    if k > 0:
        sizes[k] = np.linalg.norm(H[:, k - 1].T @ dz)
    from_later = dz @ U.T

figure, axes = plt.subplots(figsize=(7, 2.5), layout="constrained")
axes.bar(range(1, steps + 1), sizes / sizes[-1])
axes.set(xlabel="step k", ylabel="size of the term", xticks=[1, 5, 10, 15, 20])
plt.show()

# %% tags=["check"]
assert sizes[:10].max() < 0.02 * sizes[-1]

# %% [markdown]
# The bars show the size of each term in the sum for $d L / d U$, as a share of the last one. The
# gradient is made of the last few steps nearly alone; of the first ten, almost nothing arrives. The
# product of Jacobians is to blame: it has a factor for each step on the way. [The next
# tutorial](3_vanishing_and_exploding.md) is about it.
#
# ## In short
#
# - A state depends on $u$ explicitly, through its own formula, and implicitly, through the state
#   before.
# - Backpropagation through time sums over all steps $k$: the effect of $h_k$ on the loss, times the
#   explicit derivative of $h_k$.
# - The effect of $h_k$ on the loss is passed back from step to step, by one factor (with many
#   units, one matrix) for each step.
#
# [From the formula to the code](../backpropagation_through_time.md) has the complete derivation,
# with masks and gates, and the lines of the library that compute each term.
