"""The exported transcriber: recordings in, words out, also while the recording comes in."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import rnnlayers
from apps.common.cards import Card
from apps.common.endpoint_checks import Requirement, Tensors, checked, sentence
from apps.common.other_runtimes import NumericEndpoints
from apps.recognition.decoding import Decoded, as_texts, follow_best, search_prefixes
from apps.recognition.networks import LENGTH, SAMPLES, with_explicit_states
from apps.recognition.recognizer import CARD_DATA, TRAINED_ON, WAV, Recognizer, answers_no_rows

TEXT, LOG_PROBABILITY, LOGITS = "text", "log_probability", "logits"
STATE = "state_"  # with the number of a state, or the words below
HEARD, LAST = f"{STATE}heard", f"{STATE}last"


class Transcriber(Recognizer):
    """A network with the letters of its alphabet.

    Args:
        model: The network from `build_model`.
        symbols: The letters.
        stride: Spectra that become one step.
        trim: Whether `wav` cuts silence at both ends.
        streaming: Whether the network runs forwards only, so that there is an endpoint `step`.
    """

    def __init__(
        self,
        model: keras.Model,
        symbols: Sequence[str],
        stride: int,
        trim: bool = False,
        streaming: bool = False,
    ):
        super().__init__(model, trim)
        self.symbols = tuple(symbols)
        self.stride = stride
        self.stream = with_explicit_states(self.network) if streaming else None
        self.hear = tf.function(self.step, reduce_retracing=True)

    def logits(self, **inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the logits of symbols `(batch, steps, symbols + 1)`, and how many steps count."""
        steps = -(-self.spectra.count(inputs[LENGTH]) // self.stride)
        return self.model(inputs), steps

    def decoded_greedily(self, **inputs: tf.Tensor) -> Decoded:
        """Transcribe recordings by the likeliest symbol of each step."""
        return follow_best(*self.logits(**inputs))

    @answers_no_rows
    def __call__(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Transcribe recordings: `samples` `(batch, samples)` and `length` `(batch,)`."""
        found = search_prefixes(*self.logits(**inputs))
        return {TEXT: self.texts(found), LOG_PROBABILITY: found.log_probability}

    def texts(self, decoded: Decoded) -> tf.Tensor:
        """Return transcripts as texts, `(batch,)`."""
        return as_texts(decoded.ids, self.symbols)

    def wav(self, wav: tf.Tensor) -> dict[str, tf.Tensor]:
        """Transcribe WAV files `(batch,)`."""
        return self(**self.decoded(wav))

    def step(self, samples: tf.Tensor, **states: tf.Tensor) -> dict[str, tf.Tensor]:
        """Hear the next samples, and return the letters that they add, and states.

        Args:
            samples: `(batch, samples)`, a multiple of `block` samples.
            **states: Those of the step before, zeros at first.
        """
        heard = tf.concat([states[HEARD], samples], axis=1)
        features = self.spectra.of_frames(heard)
        before = [states[f"{STATE}{number}"] for number in range(len(self.stream.inputs) - 1)]
        logits, *after = self.stream([features, *before])
        steps = tf.fill(tf.shape(samples)[:1], tf.shape(logits)[1])
        found = follow_best(logits, steps, states[LAST])
        kept = self.spectra.frame - self.spectra.hop
        best = tf.argmax(logits[:, -1], axis=-1, output_type=tf.int32)
        named = {f"{STATE}{number}": state for number, state in enumerate(after)}
        # An empty row of letters is an empty text.
        said = {TEXT: self.texts(found), HEARD: heard[:, tf.shape(heard)[1] - kept :], LAST: best}
        return {**said, **named}

    @property
    def block(self) -> int:
        """The samples of a step of the network."""
        return self.spectra.hop * self.stride

    def first_states(self, batch: int) -> dict[str, np.ndarray]:
        """Return the states before the first sample."""
        kept = self.spectra.frame - self.spectra.hop
        states = {HEARD: np.zeros((batch, kept), "float32"), LAST: np.zeros(batch, "int32")}
        layers = [one for one in self.network.layers if isinstance(one, rnnlayers.Recurrent)]
        first = [state for layer in layers for state in layer.get_initial_state(batch)]
        return states | {f"{STATE}{n}": np.asarray(state) for n, state in enumerate(first)}

    def classify_features(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the logits of symbols for what the network reads."""
        return {LOGITS: self.network(inputs)}

    def card(self) -> Card:
        """Return the model card."""
        limits = (
            f"It knows the words it was trained on, and writes such words for any sound. "
            f"{self.limits()}"
        )
        meanings = {
            **self.meanings(),
            TEXT: "the words, in small letters; of `step` the letters that are new",
            LOG_PROBABILITY: "of the text, as far as the search has followed its alignments",
            LOGITS: "of the blank and of each symbol, at each step",
            HEARD: "the samples before these that a spectrum reads, zeros at first",
            LAST: "the symbol of the step before, 0 at first",
            STATE: "a state, zeros at first",
        }
        does = "Writes down the words of a recording."
        task = "automatic-speech-recognition"
        return Card(does, meanings, limits, CARD_DATA, task, TRAINED_ON)

    def endpoints(self) -> dict[str, tuple]:
        """Return the exported functions with their inputs."""
        inputs = self.inputs()
        endpoints = {
            "serving_default": (checked(self, inputs, self.can_be_read), inputs),
            WAV: self.file_endpoint(),
        }
        if self.stream is not None:
            states = {
                name: tf.TensorSpec([None, *state.shape[1:]], tf.as_dtype(state.dtype))
                for name, state in self.first_states(1).items()
            }
            step = {SAMPLES: tf.TensorSpec([None, None], tf.float32), **states}
            endpoints["step"] = (checked(self.step, step, self._can_be_heard), step)
        return endpoints

    def _can_be_heard(self, inputs: Tensors) -> Iterable[Requirement]:
        count = tf.shape(inputs[SAMPLES])[1]
        words = f"samples must be a multiple of {self.block}, at least one; received "
        yield Requirement((count > 0) & (count % self.block == 0), sentence(words, count))

    def probes(self) -> dict[str, dict[str, Any]]:
        """Return example inputs of each endpoint."""
        probes = {"serving_default": self.probe(), WAV: self.probe_wav()}
        if self.stream is not None:
            samples = np.random.default_rng(1).normal(0, 0.1, (2, 4 * self.block))
            probes["step"] = {SAMPLES: samples.astype("float32"), **self.first_states(2)}
        return probes

    def numeric(self) -> NumericEndpoints:
        """Return the endpoints for other runtimes."""
        return self.numeric_of(self.classify_features, "symbols.json", ("", *self.symbols))


def stream_whole(transcriber: Transcriber, samples: np.ndarray, blocks: int) -> str:
    """Transcribe a recording `(samples,)` as it comes in, in pieces of `blocks` blocks."""
    size = blocks * transcriber.block
    padded = np.pad(samples, (0, -len(samples) % transcriber.block)).astype("float32")
    states, texts = transcriber.first_states(1), []
    for start in range(0, len(padded), size):
        piece = tf.constant(padded[None, start : start + size])
        answer = transcriber.hear(piece, **{n: tf.convert_to_tensor(s) for n, s in states.items()})
        texts.append(answer.pop(TEXT).numpy()[0].decode())
        states = answer
    return "".join(texts)
