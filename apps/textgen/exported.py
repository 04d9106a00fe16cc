"""The exported generator: prompts in, continuations out, character by character."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from apps.common.cards import GENERATED, Card
from apps.common.endpoint_checks import Requirement, Tensors, checked, every, sentence
from apps.common.other_runtimes import NumericEndpoints
from apps.common.text import count_characters, encode
from apps.textgen.model import split_layers
from apps.textgen.vocabulary import END, UNKNOWN, Characters
from rnnlayers.decoding import Sampling, decode

PROMPT, LENGTH, TEMPERATURE, SEED, TEXT = "prompt", "length", "temperature", "seed", "text"
CHARACTER, LOG_PROBABILITY = "character", "log_probability"
STATE = "state_"  # with its number, counted through the layers
MAX_LENGTH = 10_000  # characters generated at once
MAX_PROMPT = 20_000  # characters of a prompt that an endpoint reads
MAX_STEPS = 200_000  # characters read and generated, of all rows
TEMPERATURES = (1e-30, 1e30)  # logits divided by these are finite in float32
# The export is verified with these inputs.
PROBES = {
    PROMPT: [b"The ", b"", b"\xf0\x9f\x91\x8f"],
    LENGTH: 20,
    TEMPERATURE: 0.5,
    SEED: 7,
}
CARD = Card(
    "Continues a text, character by character.",
    {
        PROMPT: "the beginning of the text, UTF-8",
        LENGTH: f"characters to generate, from 1 to {MAX_LENGTH:,}",
        TEMPERATURE: "above 0; low values favour likely characters",
        SEED: "the same seed generates the same text",
        TEXT: "the continuation of the prompt",
        CHARACTER: "one character",
        STATE: "a state, zeros at first",
        LOG_PROBABILITY: "of each character of the vocabulary to be the next",
    },
    "It imitates its training text without understanding it. What it writes about people or things "
    f"is invented. A prompt may have {MAX_PROMPT:,} characters. A request may cost {MAX_STEPS:,} "
    "steps: its rows times the sum of the length and the longest prompt.",
    {
        "sample": GENERATED,
        "tfds": "tiny_shakespeare of the TensorFlow Datasets catalogue (Karpathy 2015); "
        "Shakespeare's plays are in the public domain.",
    },
    "text-generation",
    {
        "sample": "the embedded sample (generated sentences, no real texts)",
        "tfds": "tiny_shakespeare (the plays of Shakespeare)",
    },
)


class Generator(tf.Module):
    """A network with its vocabulary: prompts in, continuations out.

    Args:
        model: The network from `build_model`.
        characters: Turns texts into ids.
    """

    def __init__(self, model: keras.Model, characters: Characters):
        super().__init__()
        self.model = model
        self.characters = characters
        self.embedding, self.recurrent, self.head = split_layers(model)

    def states(self, batch: int | tf.Tensor) -> list[tf.Tensor]:
        """Return the states before the first character, `(batch, units)` each, layer by layer."""
        return [state for layer in self.recurrent for state in layer.get_initial_state(batch)]

    def logits(self, ids: tf.Tensor, states: Sequence[tf.Tensor]) -> tuple:
        """Return the logits `(batch, size)` of the characters after ids `(batch,)`, and states."""
        output, before, after = self.embedding(ids), iter(states), []
        for layer in self.recurrent:
            output, later = layer.cell(output, [next(before) for _ in layer.cell.state_names])
            after += later
        return self.head(output), after

    def step(self, character: tf.Tensor, **states) -> dict[str, tf.Tensor]:
        """Read one character `(batch,)` and return the probabilities of the next, and states."""
        ids = self.characters(character)[:, :1].to_tensor(UNKNOWN, shape=(None, 1))[:, 0]
        return self.step_ids(ids, **states)

    def step_ids(self, ids: tf.Tensor, **states) -> dict[str, tf.Tensor]:
        """Do the same as `step` for one character `(batch,)` given as its id."""
        before = [states[f"{STATE}{number}"] for number in range(len(states))]
        logits, after = self.logits(ids, before)
        return {LOG_PROBABILITY: tf.nn.log_softmax(logits), **_named(after)}

    def __call__(self, prompt, length, temperature, seed) -> dict[str, tf.Tensor]:
        """Continue prompts `(batch,)` by `length` characters.

        Args:
            prompt: The texts to continue. An empty one begins like a new line.
            length: The number of characters to generate, from 1 to `MAX_LENGTH`.
            temperature: Above 0. Below 1 likely characters become more likely.
            seed: The seed. The same seed generates the same text.
        """
        begin = tf.where(tf.strings.length(prompt) == 0, "\n", prompt)
        ids = self.characters(begin)
        last = tf.cast(ids.row_lengths(), tf.int32) - 1
        forced = ids[:, 1:].to_tensor(-1)
        decoded = decode(
            lambda token, states: self._scaled_logits(token, states, temperature),
            self.states(tf.shape(prompt)[0]),
            ids[:, :1].to_tensor()[:, 0],
            Sampling(seed=seed),
            stop_token_id=END,
            pad_token_id=END,
            max_length=last + length,
            forbidden_tokens=[UNKNOWN, END],
            forced_tokens=forced,
        )
        generated = tf.ragged.boolean_mask(
            decoded.tokens[:, 0],
            tf.range(tf.shape(decoded.tokens)[-1]) >= last[:, None],
        )
        return {TEXT: self.characters.join(generated)}

    def _scaled_logits(self, token: tf.Tensor, states: list, temperature: tf.Tensor) -> tuple:
        logits, after = self.logits(token, states)
        return logits / temperature, after

    def endpoints(self) -> dict[str, tuple]:
        """Return the exported functions with their inputs."""
        prompt = {
            PROMPT: tf.TensorSpec([None], tf.string),
            LENGTH: tf.TensorSpec([], tf.int32),
            TEMPERATURE: tf.TensorSpec([], tf.float32),
            SEED: tf.TensorSpec([], tf.int32),
        }
        step = {CHARACTER: tf.TensorSpec([None], tf.string), **self.state_specs()}
        generate = checked(self, prompt, _requirements)
        return {
            "serving_default": (generate, prompt),
            "generate": (generate, prompt),
            "step": (checked(self.step, step, _requirements_of_step), step),
        }

    def probes(self) -> dict[str, dict[str, Any]]:
        """Return example inputs of each endpoint."""
        step = {CHARACTER: [b"T", b"\n"], **self.named_states(2)}
        return {"serving_default": PROBES, "generate": PROBES, "step": step}

    def numeric(self) -> NumericEndpoints:
        """Return the endpoints for other runtimes."""
        step = {"ids": tf.TensorSpec([None], tf.int32), **self.state_specs()}
        return NumericEndpoints(
            {"step_ids": (self.step_ids, step)},
            {"step_ids": {"ids": [END + 1, UNKNOWN], **self.named_states(2)}},
            {"characters.json": [text.decode() for text in self.characters.strings.numpy()]},
        )

    def state_specs(self) -> dict[str, tf.TensorSpec]:
        """Return the states as inputs of an endpoint."""
        return {
            name: tf.TensorSpec([None, state.shape[-1]])
            for name, state in self.named_states(1).items()
        }

    def named_states(self, batch: int) -> dict[str, tf.Tensor]:
        """Return the states before the first character, by their names in endpoints."""
        return _named(self.states(batch))


def _requirements(inputs: Tensors) -> Iterable[Requirement]:
    prompt, length, temperature = (inputs[name] for name in (PROMPT, LENGTH, TEMPERATURE))
    some = sentence(f"{PROMPT} must have at least one row; received none")
    yield Requirement(tf.shape(prompt)[0] > 0, some)
    # A loop that runs cannot be stopped, and would keep a server busy.
    characters = tf.reduce_max(count_characters(prompt))
    yield Requirement(
        characters <= MAX_PROMPT,
        sentence(
            f"{PROMPT} may have at most {MAX_PROMPT:,} characters; received ",
            characters,
            "; send its end",
        ),
    )
    yield every(
        LENGTH,
        length,
        (length >= 1) & (length <= MAX_LENGTH),
        f"from 1 to {MAX_LENGTH:,} characters",
    )
    rows = tf.shape(prompt, tf.int64)[0]
    steps = rows * tf.cast(characters + length, tf.int64)
    yield Requirement(
        steps <= MAX_STEPS,
        sentence(
            f"a request may cost at most {MAX_STEPS:,} steps, its rows times the sum of {LENGTH} "
            f"and the longest {PROMPT}; received ",
            steps,
            "; send fewer rows",
        ),
    )
    low, high = TEMPERATURES
    yield every(
        TEMPERATURE,
        temperature,
        (temperature >= low) & (temperature <= high),
        f"above 0 (from {low:g} to {high:g})",
    )


def _requirements_of_step(inputs: Tensors) -> Iterable[Requirement]:
    lengths = tf.strings.length(inputs[CHARACTER], "UTF8_CHAR")
    yield every(CHARACTER, lengths, lengths == 1, "1 character a row")


def _named(states: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
    return {f"{STATE}{number}": state for number, state in enumerate(states)}


def generate(
    generator: Generator, prompt: bytes, length: int, temperature: float, seed: int
) -> str:
    """Return a continuation of a text."""
    inputs = (tf.constant(length), tf.constant(temperature), tf.constant(seed))
    (text,) = generator(encode([prompt]), *inputs)[TEXT].numpy()
    return text.decode("utf-8")
