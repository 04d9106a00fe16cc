# %% [markdown]
# # From training to a server
#
# A trained network is of use once others can ask it. On this page a small classifier of sentences
# is trained, exported, loaded without the code that made it, and asked through a server, by the
# same interface that TensorFlow Serving has in production.
#
# At the end you will know what a SavedModel contains, why raw texts should go in and readable
# answers come out, and how to ask a server from any language. It takes about fifteen minutes to
# read, and about half a minute to run, mostly because other processes import TensorFlow. The server
# is one of the applications, so run this in a clone of the project, after `make setup`, which
# installs all that it needs.

# %%
import itertools
import json
import re
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.error
import urllib.request
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import rnnlayers

keras.utils.set_random_seed(0)

# %% [markdown]
# ## Training
#
# The sentences say something of a meal. A word such as "not" turns praise into a complaint and the
# other way round, so the order of the words matters, and counting words is not enough.

# %%
THINGS = ["the soup", "our dessert", "the fish", "that bread", "my coffee", "the rice"]
GOOD = ["good", "fresh", "excellent", "lovely", "delicious"]
BAD = ["bad", "cold", "stale", "bland", "awful"]
VERBS = {
    "was": 1,
    "was very": 1,
    "was not": -1,
    "was anything but": -1,
    "could not have been more": 1,
}

sentences, praises = [], []
for thing, (verb, sign), word in itertools.product(THINGS, VERBS.items(), GOOD + BAD):
    sentences.append(f"{thing} {verb} {word}")
    praises.append(float((sign > 0) == (word in GOOD)))
order = np.random.default_rng(0).permutation(len(sentences))
sentences, praises = np.array(sentences, object)[order], np.array(praises, "float32")[order]
print(len(sentences), "sentences, for example:", *sentences[:3], sep="\n  ")

# %% [markdown]
# A network computes with numbers. `TextVectorization` looks each word up in a list of words that it
# has made of the training data; 0 is padding, and 1 stands for words that it does not know. The
# `Embedding` turns each number into a vector and hides the padding, and a bidirectional GRU
# ([tutorial 6](6_two_directions.md)) reads the vectors. One sentence in five is kept for the test.

# %%
held_out = len(sentences) // 5
words_to_numbers = keras.layers.TextVectorization()
words_to_numbers.adapt(sentences[held_out:])
model = keras.Sequential(
    [
        keras.layers.Embedding(words_to_numbers.vocabulary_size(), 16, mask_zero=True),
        rnnlayers.Bidirectional(rnnlayers.GRU(16)),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
numbers = words_to_numbers(sentences)
model.fit(numbers[held_out:], praises[held_out:], batch_size=40, epochs=15, verbose=0)
accuracy = model.evaluate(numbers[:held_out], praises[:held_out], verbose=0)[1]
print(f"{accuracy:.1%} of {held_out} new sentences are judged rightly")

# %% tags=["check"]
assert accuracy > 0.97

# %% [markdown]
# ## Export
#
# The model takes numbers and answers with a number. Whoever asks it has a sentence, and wants to
# know whether it is praise. If the step from one to the other stayed in your Python code, each
# client would have to repeat it, and would some day repeat it wrongly. So it goes into the export:
# an *endpoint* is a function from raw inputs to readable outputs, with the names and types of its
# inputs.


# %%
def judge(text):
    """Return for each text the probability that it is praise, and a word for it."""
    probability = model(words_to_numbers(text))[:, 0]
    return {"label": tf.where(probability > 0.5, "praise", "complaint"), "probability": probability}


folder = tempfile.TemporaryDirectory()
models = Path(folder.name, "models")
questions = ["The soup was anything but cold.", "my coffee was not good"]
version = rnnlayers.export_model(
    [model, words_to_numbers],
    models / "meals",
    endpoints={"serving_default": (judge, {"text": tf.TensorSpec([None], tf.string)})},
    probes={"serving_default": {"text": questions}},
)
for path in sorted(version.rglob("*")):
    if path.is_file():
        print(f"{path.relative_to(models)!s:45} {path.stat().st_size:8,} bytes")

# %% tags=["check"]
assert version == models / "meals" / "1"
assert (version / "saved_model.pb").is_file()

# %% [markdown]
# A SavedModel is a folder with the computation as a graph (`saved_model.pb`), the weights
# (`variables`) and, here, nothing more: the list of words is part of the graph. The folder above it
# has the number of the version. `export_model` publishes it only after a fresh process, without
# this library and without Keras, has given the answers of the live model to the `probes`.
#
# ## Without the code that made it
#
# The same can be seen by hand. The next cell starts Python in isolation, makes Keras unavailable,
# and asks the SavedModel with TensorFlow alone. This is what a C++ or Java program would do as
# well.

# %%
program = """
    import json, sys
    sys.modules["keras"] = sys.modules["rnnlayers"] = None  # an import of these would fail
    import tensorflow as tf
    loaded = tf.saved_model.load(sys.argv[1])
    answers = loaded.signatures["serving_default"](text=tf.constant(json.loads(sys.argv[2])))
    labels = [label.decode() for label in answers["label"].numpy()]
    print(json.dumps([labels, answers["probability"].numpy().tolist()]))
"""
command = [
    sys.executable,
    "-I",
    "-c",
    textwrap.dedent(program),
    str(version),
    json.dumps(questions),
]
finished = subprocess.run(command, capture_output=True, text=True, check=True)
labels, probabilities = json.loads(finished.stdout)
for question, label, probability in zip(questions, labels, probabilities, strict=True):
    print(f"{question:35} {label:9} {probability:.3f}")

# %% tags=["check"]
assert labels == ["praise", "complaint"]
live = judge(tf.constant(questions))["probability"].numpy()
assert np.allclose(probabilities, live, atol=1e-5)

# %% [markdown]
# Capitals and the full stop do no harm: taking them off is the first thing that `TextVectorization`
# does, and it is in the graph now.
#
# ## A server
#
# `apps.serve` serves every model in a folder over HTTP. In a terminal the command is
#
# ```
# python -m apps.serve models
# ```
#
# Here it is started as another process, on a free port (`--port 0`), asked, and stopped again. A
# request is a JSON object with a list of `instances`, and its answer has `predictions` in the same
# order. Any program that can send HTTP can ask; no TensorFlow is needed on its side.


# %%
def ask(address, instances):
    """Return the answer to instances, or the message of the server if it refuses them."""
    request = urllib.request.Request(
        f"{address}v1/models/meals:predict", json.dumps({"instances": instances}).encode()
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.load(error)


def wait_until_ready(address, seconds=120):
    """Wait for a server, which answers 503 until it has loaded its models."""
    for _ in range(10 * seconds):
        try:
            with urllib.request.urlopen(f"{address}healthz", timeout=30):
                return
        except urllib.error.HTTPError:
            time.sleep(0.1)
    raise TimeoutError(f"the server at {address} did not get ready in {seconds} seconds")


command = [sys.executable, "-m", "apps.serve", str(models), "--port", "0"]
with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
    try:
        line = next(line for line in server.stderr if "Serving" in line)
        address = re.search(r"http://\S+", line).group()
        wait_until_ready(address)
        answer = ask(address, questions)
        refusal = ask(address, [1, 2])
    finally:
        server.terminate()
print(json.dumps(answer, indent=1))
print(textwrap.fill(refusal["error"], 90))

# %% tags=["check"]
assert [one["label"] for one in answer["predictions"]] == labels
served = [one["probability"] for one in answer["predictions"]]
assert np.allclose(served, probabilities, atol=1e-5)
assert "text" in refusal["error"] or "string" in refusal["error"]
assert server.returncode is not None

# %% [markdown]
# A request that does not fit gets status 400 and a sentence that says why.
#
# ## What happens next
#
# - **A new version.** Export again into the same folder: the next version is `meals/2`. The server
#   finds it, loads it, and only then lets go of version 1, without missing a request.
# - **Many clients.** Sentences that arrive together are computed as one batch, which is why the
#   endpoint takes a list of texts and not one.
# - **Production.** TensorFlow Serving reads the same folder and takes the same requests:
#   [Serving](../serving.md) has its configuration, and says what to know about access and limits.
# - **Elsewhere.** [`export_onnx`](../reference/export.md) and `export_litert` write the model for
#   ONNX Runtime and for phones. Raw texts do not go through there: give those endpoints the
#   numbers.
#
# The temporary folder goes away at the end:

# %%
folder.cleanup()
