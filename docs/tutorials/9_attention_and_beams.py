# %% [markdown]
# # Attention and beams
#
# A translation has another length than its source, and other words in other places. Two recurrent
# networks do this together: the *encoder* reads the source, and the *decoder* writes the target,
# symbol by symbol. Two ideas make them good. *Attention* lets the decoder look back at the source
# at each step. *Beam search* lets it follow several beginnings at once instead of the one that
# looks best.
#
# At the end you will be able to train such a model, to read a picture of its attention, and to say
# when a beam finds what the obvious choice misses. It takes about twenty minutes to read, and less
# than one to run. You need to know what a recurrent network and its state are ([tutorial
# 1](1_from_the_equations.md)).

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import rnnlayers
from rnnlayers.decoding import BeamSearch, Greedy

keras.utils.set_random_seed(0)

# %% [markdown]
# ## A small task
#
# The source is a word of letters, and the target is the word reversed. The sign `&` makes it
# harder: it is written out, and not always alike. In 40 % of the examples it becomes `xy`, in 20 %
# each `z1`, `z2` or `z3`. Real translations are like that: there are several right ones.
#
# Symbols are numbers for the network. Three of them have a meaning of their own: 0 is *padding*,
# which fills short words up to one length, 1 starts a target, and 2 ends it. Without a symbol for
# the end, the decoder could not say that it has finished.

# %%
SYMBOLS = [" ", "<", ">", *"abcdefgh", "&", *"xyz123"]
PAD, START, STOP = 0, 1, 2
WRITTEN_OUT = ("xy", "z1", "z2", "z3"), (0.4, 0.2, 0.2, 0.2)
LONGEST = 8  # letters of a source
EPOCHS = 8


def make_words(count, shortest, longest, seed, share_of_and=0.7):
    """Return sources and targets, padded, as numbers."""
    rng = np.random.default_rng(seed)
    sources = np.zeros((count, LONGEST), int)
    targets = np.zeros((count, LONGEST + 3), int)  # two for the start and the end, one for `&`
    for source, target in zip(sources, targets, strict=True):
        letters = list(rng.choice(list("abcdefgh"), size=rng.integers(shortest, longest + 1)))
        written = letters[::-1]
        if rng.random() < share_of_and:
            place = rng.integers(len(letters))
            letters[place] = "&"
            written[len(letters) - 1 - place] = rng.choice(WRITTEN_OUT[0], p=WRITTEN_OUT[1])
        source[: len(letters)] = [SYMBOLS.index(letter) for letter in letters]
        written = "<" + "".join(written) + ">"
        target[: len(written)] = [SYMBOLS.index(letter) for letter in written]
    return sources, targets


def spell(numbers):
    """Return numbers as letters, without padding."""
    return "".join(SYMBOLS[number] for number in numbers if number != PAD)


sources, targets = make_words(3000, 3, 8, seed=1)
for source, target in zip(sources[:4], targets[:4], strict=True):
    print(f"{spell(source):8} -> {spell(target)}")

# %% [markdown]
# ## Encoder and decoder
#
# The encoder is bidirectional, as the whole source is there from the beginning ([tutorial
# 6](6_two_directions.md)). Its outputs $m_1, \dots, m_S$, one for each symbol of the source, are
# called the *memory*.
#
# The simplest decoder is a `GRU` that starts from a summary of the memory and gets nothing else:
# all that it writes must fit into the state at its start. A decoder with attention computes a
# *context* at each step. From its state $h_t$ it makes a score for each place of the memory, turns
# the scores into weights that are positive and sum to one, and takes the weighted mean:
#
# $$ a_{ts} = \frac{e^{h_t W m_s}}{\sum_{r} e^{h_t W m_r}} \qquad c_t = \sum_{s} a_{ts} \, m_s $$
#
# The matrix $W$ is learned; this score is called "general". The next symbol is chosen from $c_t$
# and $h_t$ together. Nobody tells the network where to look. The weights are trained with all
# others.
#
# In training, each step of the decoder is given the *right* symbol before it, which is called
# teacher forcing. That is why the inputs of the decoder are `targets[:, :-1]` and its labels
# `targets[:, 1:]`, the same symbols one step ahead.


# %%
def make_model(decoder):
    """Return a model for pairs of a source and a target, compiled."""
    symbols = len(SYMBOLS)
    encoder = keras.Sequential(
        [
            keras.layers.Embedding(symbols, 16, mask_zero=True),
            rnnlayers.Bidirectional(rnnlayers.GRU(16, return_sequences=True)),
        ]
    )
    model = rnnlayers.EncoderDecoder(
        encoder,
        embedding=keras.layers.Embedding(symbols, 16),
        decoder=decoder,
        # Logits: the logarithms of probabilities, up to a constant.
        head=keras.layers.Dense(symbols),
        start_token_id=START,
        stop_token_id=STOP,
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = keras.optimizers.schedules.CosineDecay(0.015, decay_steps=EPOCHS * len(sources) // 100)
    model.compile(keras.optimizers.Adam(rate), loss)
    return model


cell = rnnlayers.AttentionCell(rnnlayers.GRUCell(32), "general")
with_attention = make_model(rnnlayers.AttentiveDecoder(cell))
without_attention = make_model(rnnlayers.GRU(32, return_sequences=True))
plain, reversed_plain = make_words(300, 8, 8, seed=2, share_of_and=0.0)


def share_right(model):
    """Return the share of new words of eight letters that are reversed without a mistake."""
    written = model.generate(plain, max_length=10).tokens[:, 0].numpy()
    written = np.pad(written, ((0, 0), (0, 10 - written.shape[1])))
    return np.mean(np.all(written == reversed_plain[:, 1:11], axis=1))


with_attention((sources[:1], targets[:1]))  # a first call makes the weights
untrained = with_attention.generate(plain[:1], max_length=9).extras[0, 0].numpy()
right = {}
for name, model in {"without": without_attention, "with": with_attention}.items():
    model.fit((sources, targets[:, :-1]), targets[:, 1:], batch_size=100, epochs=EPOCHS, verbose=0)
    right[name] = share_right(model)
    print(f"{name:7} attention: {right[name]:.1%} of new words right")

# %% tags=["check"]
assert right["with"] > 0.85
assert right["without"] < 0.5

# %% [markdown]
# After the same few passes over the data, the model with attention reverses nearly every new word.
# The other one can learn the task as well, but for every longer word it needs more training and
# more units, because everything has to pass through one state of a fixed size.
#
# ## A picture of attention
#
# `generate` writes words, and its result has the weights of the attention in `extras`. A row of the
# picture is a step of the decoder, a column is a letter of the source, and dark is a large weight.

# %%
result = with_attention.generate(plain[:1], max_length=10)
word, written = spell(plain[0]), spell(result.tokens[0, 0].numpy())
weights = result.extras[0, 0].numpy()
figure, axes = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
for axis, (name, shown) in zip(
    axes, {"before training": untrained, "after training": weights}.items(), strict=True
):
    image = axis.imshow(shown[:9, : len(word)], cmap="Greys", vmin=0, vmax=1)
    axis.set(title=name, xlabel="letter of the source", ylabel="step of the decoder")
    axis.set_xticks(range(len(word)), word)
axes[1].set_yticks(range(len(written)), [*written[:-1], "end"])
axes[1].set_ylabel("letter that is written")
figure.colorbar(image, ax=axes, label="weight of the attention")
plt.show()

# %% tags=["check"]
assert np.allclose(weights.sum(axis=1), 1.0, atol=1e-5)
assert written == word[::-1] + ">"
looked_at = weights[: len(word)].argmax(axis=1)
assert np.mean(np.abs(looked_at - np.arange(len(word))[::-1]) <= 1) > 0.8
assert untrained[: len(word)].max() < 0.5

# %% [markdown]
# *The weights of the attention for one word, each row summing to one: even before training, and
# afterwards on the last letter first and then further to the left at each step, from the upper
# right to the lower left.*
#
# Before training, every letter gets about the same weight. Afterwards the decoder looks at the last
# letter of the source while it writes the first one of the target, and walks to the left. Such a
# picture is a good check of a model: a decoder that looks at the wrong place has not learned what
# you think. It is not a proof, for the memory at a place also knows something of its neighbours.
#
# ## Greedy choice and beam search
#
# A decoder gives a probability to each next symbol. `Greedy`, the default, takes the likeliest one
# at each step. What we want is the likeliest *word*, and that is not the same. Think of the source
# `&`:
#
# - `z` is the likeliest first symbol, with 0.6. After it each digit has 1/3, so greedy choice ends
#   with a word of probability 0.6 · 1/3 = 0.2.
# - `x` has only 0.4, but `y` follows for certain. The word `xy` has 0.4 · 1 = 0.4, twice as much.
#
# Greedy choice never finds it, for it never goes back. A *beam* follows the `num_beams` likeliest
# beginnings side by side, and compares whole words at the end. With two beams, the beginnings `z`
# and `x` both live on.

# %%
ampersand = np.zeros((1, LONGEST), int)
ampersand[0, :4] = [SYMBOLS.index(letter) for letter in "ab&c"]
greedy = with_attention.generate(ampersand, Greedy(), max_length=10)
beam = with_attention.generate(ampersand, BeamSearch(4, num_return=4), max_length=10)
print("greedy:", spell(greedy.tokens[0, 0].numpy()), f"{np.exp(greedy.scores[0, 0]):.2f}")
for tokens, score in zip(beam.tokens[0].numpy(), beam.scores[0].numpy(), strict=True):
    print("beam:  ", spell(tokens), f"{np.exp(score):.2f}")

# %% tags=["check"]
assert spell(greedy.tokens[0, 0].numpy())[:2] == "cz"
assert spell(beam.tokens[0, 0].numpy()) == "cxyba>"
assert {spell(tokens) for tokens in beam.tokens[0].numpy()} == {
    f"c{middle}ba>" for middle in WRITTEN_OUT[0]
}
assert beam.scores[0, 0] > greedy.scores[0, 0]
given = np.concatenate([[START], beam.tokens[0, 0].numpy()])[None]
logits = with_attention((ampersand, given[:, :-1]))
log_probabilities = keras.ops.log_softmax(logits)[0]
total = sum(log_probabilities[step, token] for step, token in enumerate(given[0, 1:]))
assert np.isclose(total, beam.scores[0, 0], atol=1e-3)

# %% [markdown]
# The scores are logarithms of probabilities, added up over the steps; here they are turned back.
# The model has learned the shares of the four forms from examples, and the beam lists them in their
# order.
#
# Now all new words with one `&`. Each has one right form in the data, drawn by chance. How often
# does the model choose the same form?

# %%
new_sources, new_targets = make_words(400, 3, 8, seed=3, share_of_and=1.0)
agreement = {}
samplers = {"greedy": Greedy(), "2 beams": BeamSearch(2), "4 beams": BeamSearch(4)}
for name, sampler in samplers.items():
    result = with_attention.generate(new_sources, sampler, max_length=10)
    pairs = zip(result.tokens[:, 0].numpy(), new_targets, strict=True)
    agreement[name] = np.mean([spell(ours) == spell(theirs)[1:] for ours, theirs in pairs])
    likely = np.mean(np.exp(result.scores[:, 0]))
    print(f"{name}: agrees in {agreement[name]:.0%}, mean probability of its words {likely:.2f}")

# %% tags=["check"]
assert agreement["greedy"] < 0.28
assert agreement["2 beams"] > 0.32

# %% [markdown]
# The form that greedy choice takes has a share of 20 % in the data, and `xy`, which the beam takes,
# has 40 %. So the beam agrees about twice as often, and nobody can expect more than 40 %. Both come
# from the same trained model: only the search differs.
#
# What to know before you use a beam:
#
# - It takes more work for each symbol, in proportion to the number of beams. (The time grows less:
#   [measured](../results/decoding.md) with five beams, it is 1.4 to 2.8 times that of greedy
#   choice.) Four to six beams are usual, and more seldom help: a wide beam finds the words that the
#   model overrates, often short ones.
# - Short words have fewer factors, so they look likelier. `length_penalty` compensates for that.
# - A beam is for tasks with a right answer. To write freely, as an author does, *draw* each symbol
#   with its probability instead: `Sampling(temperature=0.8)`.
#
# [`rnnlayers.decoding`](../reference/decoding.md) has all of these, and
# [`EncoderDecoder`](../reference/models.md#rnnlayers.models.EncoderDecoder) the model. [The
# translation application](../apps/translation.md) is the same model on real sentences.
