# %% [markdown]
# # Your own cell in ten lines
#
# A recurrent network is a step that is repeated. The step is called a *cell*: it takes what comes
# in and the state before, and returns the state after. The loop over the sequence, masks,
# directions, the gradient and saving are the same for all cells. So a new recurrence needs only its
# equations, and this library supplies the rest.
#
# At the end you will have written a cell that the library lacks, checked it, and run it on each
# engine that takes cells of your own, in both directions, saved, and value by value. It takes about
# twenty minutes to read, and less than one to run. [Tutorial 4](4_gates.md) explains gates, which
# the cell has.

# %%
import tempfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import ops

import rnnlayers
from rnnlayers.testing import ContractError, check_cell

keras.utils.set_random_seed(0)

# %% [markdown]
# ## The equations
#
# Some meters have a hand that a rising value pushes up, and that sinks back slowly: it remembers
# the peak. Our *peak cell* has one such hand for each unit,
#
# $$ n_t = \tanh(x_t W_n + h_{t-1} U_n + b_n) \qquad f_t = \sigma(x_t W_f + h_{t-1} U_f + b_f) $$
# $$ h_t = \max(f_t \, h_{t-1}, \; n_t) $$
#
# The candidate $n_t$ is what an ordinary recurrent network would take as its next state. The gate
# $f_t$ is between 0 and 1 and says how far the hand sinks. The new state is the larger of the two.
# The matrices $W$ and $U$ and the biases $b$ are learned.
#
# ## The cell
#
# `GatedCell` knows the arguments and weights that cells with gates share. A subclass names the
# gates and writes one step:


# %%
@keras.saving.register_keras_serializable(package="tutorial")
class PeakCell(rnnlayers.GatedCell):
    """A state that keeps the largest of its candidates and lets it sink."""

    gates = ("f", "n")

    def step(self, x, states, product, constants=()):
        """Return the new state."""
        (h_prev,) = states
        (x_f, x_n), (u_f, u_n) = x, product(self.drop(h_prev, constants))
        f, n = ops.sigmoid(x_f + u_f), self.activation(x_n + u_n)
        return (ops.maximum(f * h_prev, n),)


# %% [markdown]
# What is what:
#
# - `x` is the part of the inputs, $x_t W + b$, one tensor for each gate. It does not depend on the
#   state, so it has been computed for all steps at once, in one large product, before the loop.
# - `product(h)` is $h U$, one tensor for each gate. Every product with a matrix goes through it, so
#   that an engine can collect the gradient of $U$ in one large product after the loop.
# - `self.drop` applies `recurrent_dropout`, if someone asks for it.
# - `register_keras_serializable` gives the class a name in saved models.
#
# One law holds: the rows of a batch never meet. The new state of a sequence must not depend on the
# other sequences that happen to be computed with it. The units of one row may.
#
# ## Is it right?
#
# `check_cell` tries what engines and layers rely on: shapes, dtypes, that the configuration makes
# an equal cell, that rows never meet, and the gradients, against differences of the outputs for
# small changes of each weight. It raises a `ContractError` that says what is wrong, or says
# nothing.

# %%
check_cell(PeakCell(4))
print("the cell keeps the contract")

# %% [markdown]
# To see it at work, here is a cell with a common mistake: it takes the mean over the batch, axis 0,
# instead of over the units.


# %%
@keras.saving.register_keras_serializable(package="tutorial")
class MeetingCell(PeakCell):
    """A cell whose rows meet."""

    def step(self, x, states, product, constants=()):
        """Return the new state, wrongly."""
        (h,) = super().step(x, states, product, constants)
        return (h - ops.mean(h, axis=0, keepdims=True),)


try:
    check_cell(MeetingCell(4))
except ContractError as error:
    complaint = str(error)
    print(complaint)

# %% tags=["check"]
assert "row" in complaint
assert "meet" in complaint

# %% [markdown]
# The contract cannot know which equations you meant. For that, write them a second time, from your
# notes and not from your code, as plainly as possible: in NumPy, step after step.
#
# ## A layer of it
#
# `Recurrent` makes a layer of any cell, with the arguments that every recurrent layer has:

# %%
layer = rnnlayers.Recurrent(PeakCell(8), return_sequences=True, name="peaks")
sequences = np.random.default_rng(0).normal(size=(4, 30, 3)).astype("float32")
outputs = layer(sequences)


def peak_equations(sequence, W, U, b):
    """Return the states of one sequence `(timesteps, features)`."""
    h, states = np.zeros(len(U)), []
    for x in sequence:
        z_f, z_n = np.split(x @ W + h @ U + b, 2)
        h = np.maximum(h / (1 + np.exp(-z_f)), np.tanh(z_n))
        states.append(h)
    return np.array(states)


weights = [weight.astype("float64") for weight in layer.get_weights()]
expected = np.stack([peak_equations(sequence, *weights) for sequence in sequences])
print("largest difference from the equations:", f"{np.abs(outputs - expected).max():.0e}")

# %% tags=["check"]
assert [weight.shape for weight in weights] == [(3, 16), (8, 16), (16,)]
assert np.abs(outputs - expected).max() < 1e-5

# %% [markdown]
# ## Every engine
#
# An *engine* is a way to run the loop. All give the same numbers, at different speeds.
# `explain_engine` says which one a layer gets in a compiled model, and why not another:

# %%
explanation = rnnlayers.explain_engine(layer, shape=(32, 30, 3))
print(explanation)


# %%
def gradients(engine):
    """Return the gradients of all weights on an engine."""
    other = rnnlayers.Recurrent(PeakCell(8), return_sequences=True, engine=engine)
    other.build(sequences.shape)
    other.set_weights(layer.get_weights())
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(other(sequences) ** 2)
    return tape.gradient(loss, other.trainable_variables)


pairs = zip(gradients("stepwise"), gradients("compiled"), strict=True)
differences = [float(np.abs(slow - fast).max() / np.abs(slow).max()) for slow, fast in pairs]
print("relative differences of the gradients:", *(f"{number:.0e}" for number in differences))

# %% tags=["check"]
assert "runs on the compiled engine" in explanation
assert "native" in explanation
assert max(differences) < 1e-4

# %% [markdown]
# The `stepwise` engine is the plain loop and the yardstick. The `compiled` engine runs every cell:
# it goes through the steps once forwards and once backwards, and differentiates your `step` by
# itself. So a cell of your own gets the fast engine without further work. The `native` engine is
# written in C++ for the common cells alone. A cell whose state is *linear* in the state before,
# with neither a $\tanh$ nor a maximum around it, can be a `LinearCell`; the `scan` engine computes
# all of its steps in parallel.
#
# ## Masks, directions, saving, streaming
#
# All of this comes with the layer. A mask hides steps; hidden steps leave the state alone. To run
# in both directions, wrap the layer. A model with it is saved and loaded like any other.

# %%
mask = np.ones((4, 30), bool)
mask[:, 10:15] = False
hidden = layer(sequences, mask=mask)[:, -1]
cut_out = layer(np.delete(sequences, range(10, 15), axis=1))[:, -1]
print("a hidden step is as if it were not there:", np.allclose(hidden, cut_out, atol=1e-6))

both = keras.Sequential(
    [keras.Input((None, 3)), rnnlayers.Bidirectional(rnnlayers.Recurrent(PeakCell(8)))]
)
with tempfile.TemporaryDirectory() as folder:
    both.save(Path(folder, "peaks.keras"))
    loaded = keras.models.load_model(Path(folder, "peaks.keras"))
print("the loaded model answers alike:", np.allclose(loaded(sequences), both(sequences)))

# %% tags=["check"]
assert np.allclose(hidden, cut_out, atol=1e-6)
assert np.allclose(loaded(sequences), both(sequences), atol=1e-6)
assert both(sequences).shape == (4, 16)

# %% [markdown]
# If values arrive one by one, `take_step` takes one step and returns the state for the next:

# %%
states = layer.cell.get_initial_state(batch_size=4)
for step in range(30):
    output, states = layer.take_step(sequences[:, step], states)
print("step by step as at once:", np.allclose(output, outputs[:, -1], atol=1e-6))

# %% tags=["check"]
assert np.allclose(output, outputs[:, -1], atol=1e-6)

# %% [markdown]
# ## Does it learn something?
#
# A cell is worth its equations if they fit a problem. Let a network tell the largest value of a
# series up to each step. Both networks below learn it from 500 series of 20 steps, and are then
# tried on series of 200.


# %%
def make_series(count, timesteps, seed):
    """Return random walks between -1 and 1, and their largest value up to each step."""
    steps = np.random.default_rng(seed).normal(scale=0.1, size=(count, timesteps, 1))
    series = np.sin(np.cumsum(steps, axis=1)).astype("float32")
    return series, np.maximum.accumulate(series, axis=1)


series, peaks = make_series(500, 20, seed=1)
new_series, new_peaks = make_series(200, 20, seed=2)
long_series, long_peaks = make_series(50, 200, seed=3)
errors, answers = {}, {}
for name, cell in {"peak": PeakCell(8), "LSTM": rnnlayers.LSTMCell(8)}.items():
    network = keras.Sequential(
        [rnnlayers.Recurrent(cell, return_sequences=True), keras.layers.Dense(1)]
    )
    network.compile(keras.optimizers.Adam(0.02), "mean_absolute_error")
    network.fit(series, peaks, batch_size=50, epochs=25, verbose=0)
    answers[name] = network(long_series).numpy()
    short = np.abs(network(new_series) - new_peaks).mean()
    errors[name] = short, np.abs(answers[name] - long_peaks).mean()
    print(f"{name}: mean error {short:.3f} on new series of 20 steps,", end=" ")
    print(f"{errors[name][1]:.3f} on those of 200")

# %% tags=["check"]
assert errors["peak"][0] < 0.05
assert errors["LSTM"][0] < 0.1
assert errors["peak"][1] < 0.5 * errors["LSTM"][1]

# %%
figure, axis = plt.subplots(figsize=(7, 2.5), layout="constrained")
axis.plot(long_series[0, :, 0], color="0.75", label="series")
axis.plot(long_peaks[0, :, 0], color="black", label="largest value so far")
axis.plot(answers["peak"][0, :, 0], label="peak cell")
axis.plot(answers["LSTM"][0, :, 0], label="LSTM")
axis.set(xlabel="step", ylabel="value")
axis.legend(ncols=2, fontsize="small")
plt.show()

# %% [markdown]
# *A series of 200 steps, the largest value so far, and what the two networks say, which have seen
# series of 20 steps only.*
#
# This problem was chosen for the cell. On others, an LSTM or a GRU is hard to beat: try them first,
# and measure. [Which cell](../cells.md) lists those that are here already.
#
# ## Into the library
#
# [Contributing](../contributing.md) has the five steps to a cell of the library: its file, the
# contract, its equations in NumPy, one entry in the list of cells that every test reads, and its
# name. To write more than gates, see [`Cell`](../reference/contract.md#rnnlayers.Cell): several
# states of different sizes, several products in a step, outputs that are more than the state.
