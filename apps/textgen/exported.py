"""A generator of texts, character by character."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from apps.common.cards import GENERATED, Card
from apps.common.other_runtimes import NumericEndpoints
from apps.common.text import encode
from apps.textgen.vocabulary import END, UNKNOWN, Characters
from rnnlayers.decoding import Sampling, decode

MOST = 10_000  # characters written at once
PROBES = {
    "prompt": [b"The ", b"", b"\xf0\x9f\x91\x8f"],
    "length": 20,
    "temperature": 0.5,
    "seed": 7,
}
CARD = Card(
    "Goes on with a text, character by character.",
    {
        "prompt": "how the text begins, UTF-8",
        "length": "characters to write, at least 1",
        "temperature": "above 0; below 1 surer, above 1 more daring",
        "seed": "the same one writes the same text",
        "text": "what follows on the prompt",
        "character": "one character",
        "state_": "a state, zeros at first",
        "log_probability": "of each character of the vocabulary to be the next",
    },
    "It writes what sounds like its training text and means nothing; what it says of people or "
    "things is invented.",
    {
        "sample": GENERATED,
        "tfds": "tiny_shakespeare of the TensorFlow Datasets catalogue (Karpathy 2015); "
        "Shakespeare's plays are in the public domain.",
    },
)


class Generator(tf.Module):
    """Prompts in, continuations out.

    Args:
        model: The network, in this order an embedding, recurrent layers of one state, and a layer
            whose outputs are the logits.
        characters: Turns texts into its ids.
    """

    def __init__(self, model: keras.Model, characters: Characters):
        super().__init__()
        self.model = model
        self.characters = characters
        self.embedding, *others = [layer for layer in self.model.layers if layer.weights]
        *self.recurrent, self.head = others

    def states(self, batch: int | tf.Tensor) -> list[tf.Tensor]:
        """Returns the states before any character, `(batch, units)` for each layer."""
        return [layer.get_initial_state(batch)[0] for layer in self.recurrent]

    def logits(self, ids: tf.Tensor, states: Sequence[tf.Tensor]) -> tuple:
        """Returns the logits `(batch, size)` of what follows on ids `(batch,)`, and the states."""
        output, after = self.embedding(ids), []
        for layer, state in zip(self.recurrent, states, strict=True):
            output, (state,) = layer.cell(output, [state])
            after.append(state)
        return self.head(output), after

    def step(self, character: tf.Tensor, **states) -> dict[str, tf.Tensor]:
        """Reads one character `(batch,)`: the chances of those to follow, and the states."""
        ids = self.characters(character)[:, :1].to_tensor(UNKNOWN, shape=(None, 1))[:, 0]
        return self.step_ids(ids, **states)

    def step_ids(self, ids: tf.Tensor, **states) -> dict[str, tf.Tensor]:
        """Reads one character `(batch,)`, given as its id, likewise."""
        logits, after = self.logits(ids, [states[name] for name in sorted(states)])
        states = {f"state_{i}": state for i, state in enumerate(after)}
        return {"log_probability": tf.nn.log_softmax(logits), **states}

    def __call__(self, prompt, length, temperature, seed) -> dict[str, tf.Tensor]:
        """Goes on with prompts `(batch,)` for `length` characters.

        Args:
            prompt: The texts to go on with; an empty one begins like a new line.
            length: How many characters to draw, at least 1 and at most `MOST`.
            temperature: Above 0; below 1 what is likely becomes likelier.
            seed: Of the draws: the same seed gives the same text.
        """
        # A loop that has begun cannot be called off: whoever serves this must not be made to wait.
        tf.debugging.assert_less_equal(length, MOST, f"length must be at most {MOST}")
        begin = tf.where(tf.strings.length(prompt) == 0, "\n", prompt)
        ids = self.characters(begin)
        last = tf.cast(ids.row_lengths(), tf.int32) - 1
        forced = ids[:, 1:].to_tensor(-1)
        decoded = decode(
            lambda token, states: self._scaled(token, states, temperature),
            self.states(tf.shape(prompt)[0]),
            ids[:, :1].to_tensor()[:, 0],
            Sampling(seed=seed),
            stop_token_id=END,
            pad_token_id=END,
            max_length=last + tf.maximum(length, 1),
            forbidden_tokens=[UNKNOWN, END],
            forced_tokens=forced,
        )
        drawn = tf.ragged.boolean_mask(
            decoded.tokens[:, 0],
            tf.range(tf.shape(decoded.tokens)[-1]) >= last[:, None],
        )
        return {"text": self.characters.joined(drawn)}

    def _scaled(self, token: tf.Tensor, states: list, temperature: tf.Tensor) -> tuple:
        logits, after = self.logits(token, states)
        return logits / temperature, after

    def endpoints(self) -> dict[str, tuple]:
        """Returns what is exported, with its inputs."""
        prompt = {
            "prompt": tf.TensorSpec([None], tf.string),
            "length": tf.TensorSpec([], tf.int32),
            "temperature": tf.TensorSpec([], tf.float32),
            "seed": tf.TensorSpec([], tf.int32),
        }
        step = {"character": tf.TensorSpec([None], tf.string), **self.state_specs()}
        return {
            "serving_default": (self, prompt),
            "generate": (self, prompt),
            "step": (self.step, step),
        }

    def numeric(self) -> NumericEndpoints:
        """Returns what other runtimes are given."""
        step = {"ids": tf.TensorSpec([None], tf.int32), **self.state_specs()}
        return NumericEndpoints(
            {"step_ids": (self.step_ids, step)},
            {"step_ids": {"ids": [END + 1, UNKNOWN], **self.named_states(2)}},
            {"characters.json": [text.decode() for text in self.characters.strings.numpy()]},
        )

    def state_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the states as an endpoint takes them."""
        return {
            name: tf.TensorSpec([None, state.shape[-1]])
            for name, state in self.named_states(1).items()
        }

    def named_states(self, batch: int) -> dict[str, tf.Tensor]:
        """Returns the states before any character by the names that endpoints have for them."""
        return {f"state_{i}": state for i, state in enumerate(self.states(batch))}


def generate(
    generator: Generator, prompt: bytes, length: int, temperature: float, seed: int
) -> str:
    """Returns how a text may go on."""
    inputs = (tf.constant(length), tf.constant(temperature), tf.constant(seed))
    (text,) = generator(encode([prompt]), *inputs)["text"].numpy()
    return text.decode("utf-8")
