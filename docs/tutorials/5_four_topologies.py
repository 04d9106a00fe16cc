# %% [markdown]
# # One to one, one to many, many to one, many to many
#
# At the end of this page you will know the shapes in which sequences go into a network and come out
# of it, which shape a task of yours has, and how to build each with the same recurrent layer. You
# will have trained four networks that differ in their ends alone. You need [the first
# tutorial](1_from_the_equations.md), and about fifteen minutes.
#
# ## The shapes
#
# A recurrent layer reads a sequence and has a state after each step. What differs from task to task
# is what goes in, and which of the states one looks at. This arrangement is called the
# **topology**:

# %%
import matplotlib.pyplot as plt
import numpy as np

INPUT, STATE, OUTPUT = "#2c6fad", "#c0392b", "#27815a"


def draw(axes, title, steps, inputs, outputs):
    """Draw states in a row, with inputs below and outputs above some of them."""
    arrows = [((t - 1, 1), (t, 1)) for t in range(1, steps)]
    arrows += [((t, 0), (t, 1)) for t in inputs] + [((t, 1), (t, 2)) for t in outputs]
    for start, end in arrows:
        axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "shrinkB": 7})
    for row, columns, color in [(0, inputs, INPUT), (1, range(steps), STATE), (2, outputs, OUTPUT)]:
        axes.plot(list(columns), [row] * len(columns), "s", color=color, markersize=13)
    axes.set(xlim=(-0.6, steps - 0.4), ylim=(-0.4, 2.4))
    axes.set_title(title, fontsize=9)
    axes.axis("off")


topologies = {
    "one to one": (1, {0}, {0}),
    "many to one": (3, {0, 1, 2}, {2}),
    "one to many": (3, {0}, {0, 1, 2}),
    "many to many,\naligned": (3, {0, 1, 2}, {0, 1, 2}),
    "many to many,\nencoder and decoder": (5, {0, 1, 2}, {2, 3, 4}),
}
widths = [steps for steps, _, _ in topologies.values()]
_, places = plt.subplots(1, 5, figsize=(7, 2.2), width_ratios=widths, layout="constrained")
for axes, (title, shape) in zip(places, topologies.items(), strict=True):
    draw(axes, title, *shape)
plt.show()

# %% [markdown]
# In the picture, time goes to the right. Inputs are blue and at the bottom, states are red, outputs
# are green and at the top.
#
# - **One to one** is no sequence at all: one input, one output, an ordinary network. A picture goes
#   in, and the name of a class comes out. It is here for completeness.
# - **Many to one** reads everything and answers once: *sentiment*, from a review to a verdict. A
#   *forecast* of a single value belongs here too.
# - **One to many** gets one thing and tells it step by step: *captioning*, from a photograph to a
#   sentence.
# - **Many to many, aligned**, answers at every step, about this step: marking names in a text. A
#   network that *generates text* is trained like this too: its answer at each step is the letter
#   that comes next. When it writes, it is one to many, since each letter that it has written is its
#   next input.
# - **Many to many by encoder and decoder** reads everything first and writes then. Input and output
#   may have different lengths and orders: *translation*, or a *forecast* of the next 24 hours from
#   those of the last week.
#
# Now each of the last four, with the same few lines. This function trains any of them. (The loss
# will be a *crossentropy*, which is large where the network thought the right answer improbable.)

# %%
import keras

import rnnlayers

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)


def train(layers, x, y, loss, epochs):
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    return model


# %% [markdown]
# ## Many to one: sentiment
#
# Sentences of eight words from a tiny language, and one question: is the speaker pleased? There are
# good words and bad words, and *not* reverses the word after it. So a network that merely counts
# words must fail: it has to know the order. A sentence is pleased if its good words outnumber its
# bad words.
#
# The `Embedding` turns the number of each word into a row of 8 numbers, which are learned. The
# `GRU` reads them and returns its **last state only**, which is what layers here do unless told
# otherwise. `Dense` makes one number of that, the probability of "pleased".

# %%
words = np.array(
    ["the", "film", "is", "very", "good", "great", "fun", "bad", "dull", "poor", "not"]
)
value = np.array([0, 0, 0, 0, 1, 1, 1, -1, -1, -1, 0])


def sentences(count):
    x = rng.integers(0, len(words), (count, 8))
    reversed_by_not = np.roll(x == 10, 1, axis=1)
    reversed_by_not[:, 0] = False  # nothing is before the first word
    total = np.where(reversed_by_not, -value[x], value[x]).sum(axis=1)
    return x[total != 0], (total > 0)[total != 0, None]


sentiment = train(
    [
        keras.layers.Embedding(len(words), 8),
        rnnlayers.GRU(16),
        keras.layers.Dense(1, activation="sigmoid"),
    ],
    *sentences(2500),
    "binary_crossentropy",
    epochs=8,
)
x, y = sentences(1000)
guesses = sentiment.predict(x, verbose=0) > 0.5
print(" ".join(words[x[0]]), "->", "pleased" if guesses[0] else "not pleased")
print(f"right in {np.mean(guesses == y):.1%} of 1000 new sentences")

# %% tags=["check"]
assert np.mean(guesses == y) > 0.97

# %% [markdown]
# ## One to many: captions
#
# One thing goes in, and a sequence comes out. For a caption the thing is a photograph; here it is a
# digit, and its caption is its name, letter by letter. `RepeatVector(6)` shows the input to the
# layer at each of six steps. And now we want an output at every step, so the `GRU` gets
# **`return_sequences=True`**. A dot stands for "nothing more".

# %%
names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
letters = ".abcdefghijklmnopqrstuvwxyz"
x = np.arange(10)[:, None]
y = np.array([[letters.index(letter) for letter in name.ljust(6, ".")] for name in names])

caption = train(
    [
        keras.layers.Embedding(10, 8),
        keras.layers.Flatten(),
        keras.layers.RepeatVector(6),
        rnnlayers.GRU(32, return_sequences=True),
        keras.layers.Dense(len(letters), activation="softmax"),
    ],
    np.tile(x, (32, 1)),
    np.tile(y, (32, 1)),
    "sparse_categorical_crossentropy",
    epochs=20,
)
guesses = caption.predict(x, verbose=0).argmax(axis=-1)
print(["".join(letters[letter] for letter in row).strip(".") for row in guesses])

# %% tags=["check"]
assert np.array_equal(guesses, y)

# %% [markdown]
# The input is the same at each step, and the output is not. Only the state tells the network how
# far it has got. (`softmax` makes probabilities of the 27 numbers for the letters, and the most
# probable letter is taken.)
#
# ## Many to many, aligned: adding
#
# Two numbers are added as at school, column by column, from the right. Here they are binary
# numbers: at each step the network gets one digit of each, and has to say this digit of the sum.
# One thing goes from column to column, the carry, and for this there is the state. The network
# below is the shortest of all: a sequence in, `return_sequences=True`, a sequence out.


# %%
def additions(count, digits):
    a, b = rng.integers(0, 2, (2, count, digits))
    total, carry = np.zeros((count, digits, 1)), np.zeros(count)
    for t in range(digits):
        column = a[:, t] + b[:, t] + carry
        total[:, t, 0], carry = column % 2, column // 2
    return np.stack([a, b], axis=-1).astype("float32"), total


adder = train(
    [
        keras.Input((None, 2)),
        rnnlayers.GRU(8, return_sequences=True),
        keras.layers.Dense(1, activation="sigmoid"),
    ],
    *additions(1500, 12),
    "binary_crossentropy",
    epochs=15,
)
shares = {}
for digits in (12, 100):
    x, y = additions(300, digits)
    guesses = adder.predict(x, verbose=0) > 0.5
    shares[digits] = np.mean(np.all(guesses == y, axis=(1, 2)))
for digits in shares:
    print(f"{digits} digits: {shares[digits]:.0%} of the sums are right in every digit")

# %% tags=["check"]
assert shares[12] > 0.97
assert shares[100] > 0.9

# %% [markdown]
# It was trained with 12 digits and adds numbers of 100. It has learned the rule for a column, and
# the weights of all columns are the same.
#
# ## Many to many, encoder and decoder: translation
#
# Translate numbers from our digits into Roman numerals: 288 is CCLXXXVIII, and 300 is CCC. The
# lengths differ, and no output can be written before the input has been read: the first letter
# depends on how many digits there are. So two recurrent layers share the work:
#
# - The **encoder** is many to one. It reads the digits, and its last state is all that is left of
#   them.
# - The **decoder** is one to many. It gets this state and writes.
#
# You see both parts in the list: the first two lines are those of *sentiment*, the last three those
# of *captions*. The network is trained on four fifths of the numbers from 1 to 399 and tested on
# the others.


# %%
signs = {100: "C", 90: "XC", 50: "L", 40: "XL", 10: "X", 9: "IX", 5: "V", 4: "IV", 1: "I"}


def roman(number):
    numeral = ""
    for value, sign in signs.items():
        while number >= value:
            numeral, number = numeral + sign, number - value
    return numeral


letters = ".IVXLC"
numbers = rng.permutation(np.arange(1, 400))
x = np.array([[int(digit) for digit in f"{number:03d}"] for number in numbers])
y = np.array([[letters.index(letter) for letter in roman(n).ljust(12, ".")] for n in numbers])

translation = train(
    [
        keras.layers.Embedding(10, 8),
        rnnlayers.GRU(64),
        keras.layers.RepeatVector(12),
        rnnlayers.GRU(64, return_sequences=True),
        keras.layers.Dense(len(letters), activation="softmax"),
    ],
    x[:320],
    y[:320],
    "sparse_categorical_crossentropy",
    epochs=30,
)
guesses = translation.predict(x[320:], verbose=0).argmax(axis=-1)
for number, row in zip(numbers[320:324], guesses, strict=False):
    print(number, "->", "".join(letters[letter] for letter in row).strip("."))
right = np.mean(np.all(guesses == y[320:], axis=1))
print(f"{right:.0%} of the {len(guesses)} numbers that it has never seen are right in every letter")

# %% tags=["check"]
assert right > 0.9

# %% [markdown]
# A real translator differs in one point. Its decoder is also told what it has written so far, word
# by word, and often may look back at the whole input instead of at one state. That is the subject
# of the tutorial on [attention and beams](9_attention_and_beams.md), and
# [`EncoderDecoder`](../reference/models.md#rnnlayers.models.EncoderDecoder) is such a model.
#
# ## In short
#
# | topology | what makes it | application |
# |---|---|---|
# | one to one | no recurrent layer | |
# | many to one | the last state of a layer | [sentiment](../apps/sentiment.md) |
# | one to many | `RepeatVector` before the layer | [captioning](../apps/captioning.md) |
# | many to many, aligned | `return_sequences=True` | [text generation](../apps/textgen.md) |
# | many to many, encoder and decoder | two layers | [translation](../apps/translation.md) |
#
# [Forecasting](../apps/forecasting.md) is many to one for a single value, and the last line for
# several: the past is read first, and then the future is written.
#
# The recurrent layer is the same in all of them. Ask two questions of a new task. Is there one
# answer, or one at each step? And may the answer to a step be given when this step has been read,
# or only at the end? If it may even wait for what comes later, the next tutorial is for you: a
# network can read in [two directions](6_two_directions.md).
