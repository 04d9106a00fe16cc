"""The translator as it is exported, with its model card."""

from collections.abc import Iterable
from dataclasses import replace

import tensorflow as tf

import rnnlayers
from apps.common.cards import GENERATED, Card
from apps.common.endpoint_checks import Requirement, Tensors, checked, every
from apps.common.other_runtimes import NumericEndpoints
from apps.common.seq2seq.endpoints import decoder_endpoints
from apps.common.seq2seq.special import PAD, SPECIAL, START, STOP, UNKNOWN
from apps.common.seq2seq.subwords import Subwords
from apps.common.text import encode, few_characters
from rnnlayers.decoding import BeamSearch, Decoded, Greedy, Sampler

# The names of the inputs and outputs.
TEXT, TRANSLATION, SCORE, ATTENTION = "text", "translation", "score", "attention"
SOURCE_PIECES, TARGET_PIECES = "source_pieces", "target_pieces"
MAX_CHARACTERS = 100_000  # of the texts of a request
# Texts on which an export is verified: a sentence, nothing, no UTF-8, unknown signs, a long text.
PROBES = [b"My cat is near this car.", b"", b"\xff\xfe \x00", b"\xf0\x9f\x91\x8f", b"word " * 5000]
CARD = Card(
    "Translates sentences.",
    {
        TEXT: "a sentence, UTF-8",
        TRANSLATION: "the sentence in the other language",
        SCORE: "the log probability over the length penalty; higher is more certain",
        SOURCE_PIECES: "the pieces of the sentence, empty after its end",
        TARGET_PIECES: "the pieces of the translation, empty after its end",
        ATTENTION: "the attention of each piece of the translation over the source, 0 to 1",
        "values": "the outputs of the encoder",
        "keys": "the keys of attention, computed from the values",
        "mask": "whether a position of the source holds a piece",
        "token": f"the id of the previous piece, {START} at first",
        "state_": "a state of the decoder",
        "log_probability": f"of each piece to be the next; id {STOP} is the end",
    },
    "It translates one sentence at a time, in one direction, of the kind it was trained on. Longer "
    "sentences are cut. An unknown word is spelt in pieces and may be translated wrongly. "
    f"A request may have {MAX_CHARACTERS:,} characters.",
    {
        "sample": GENERATED,
        "tfds": "A data set of the TensorFlow Datasets catalogue, under the terms named there.",
    },
    "translation",
    {"sample": "the embedded sample (generated pairs of sentences, of few words)"},
)


class Translator(tf.Module):
    """Translates texts.

    Args:
        model: The network.
        source: The vocabulary of the texts.
        target: The vocabulary of the translations.
        search: The beam search that `__call__` decodes with.
    """

    def __init__(
        self,
        model: rnnlayers.EncoderDecoder,
        source: Subwords,
        target: Subwords,
        search: BeamSearch,
    ):
        super().__init__()
        self.model = model
        self.source = source
        self.target = target
        self.search = search
        self.steps = rnnlayers.StepEndpoints(model)

    def __call__(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Translate texts `(batch,)` by beam search."""
        return self.translate(text, self.search)

    def greedy(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Translate texts `(batch,)`, taking the likeliest piece at each step."""
        return self.translate(text, Greedy())

    def translate(self, text: tf.Tensor, sampler: Sampler) -> dict[str, tf.Tensor]:
        """Return the best translations `(batch,)`, their scores, pieces and attention."""
        ids = self.source(text).to_tensor()
        decoded = self.decode(ids, sampler)
        return {
            TRANSLATION: self.target.detokenize(decoded.tokens[:, 0]),
            SCORE: decoded.scores[:, 0],
            SOURCE_PIECES: self.source.to_pieces(ids),
            TARGET_PIECES: self.target.to_pieces(decoded.tokens[:, 0]),
            ATTENTION: decoded.extras[:, 0],
        }

    def n_best(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return all translations of the beam `(batch, beams)`, and their scores."""
        search = replace(self.search, num_return=self.search.num_beams)
        decoded = self.decode(self.source(text).to_tensor(), search)
        return {TRANSLATION: self.target.detokenize(decoded.tokens), SCORE: decoded.scores}

    def decode(self, ids: tf.Tensor, sampler: Sampler) -> Decoded:
        """Decode texts, given as ids `(batch, source)`."""
        lengths = tf.math.count_nonzero(ids != PAD, axis=1, dtype=tf.int32)
        decoded = self.model.generate(
            ids,
            sampler,
            max_length=tf.minimum(2 * lengths + 8, self.target.max_length),
            forbidden_tokens=[UNKNOWN],
        )
        # The translation of an empty text is empty.
        return decoded._replace(tokens=tf.where(lengths[:, None, None] > 0, decoded.tokens, PAD))

    def encode(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encode texts `(batch,)` as the endpoint `decode_step` takes them."""
        return self.steps.encode(self.source(text).to_tensor())

    def translate_ids(self, ids: tf.Tensor) -> dict[str, tf.Tensor]:
        """Translate texts, given as ids `(batch, source)`, by beam search."""
        decoded = self.decode(ids, self.search)
        outputs = {"tokens": decoded.tokens, SCORE: decoded.scores, ATTENTION: decoded.extras}
        return {name: value[:, 0] for name, value in outputs.items()}

    def endpoints(self) -> dict[str, tuple]:
        """Return the exported functions with their signatures."""
        text = {TEXT: tf.TensorSpec([None], tf.string)}
        step = self.steps.signature(tf.TensorSpec([None, None], tf.int32))
        of_texts = {
            "serving_default": self,
            "translate": self,
            "translate_greedily": self.greedy,
            "n_best": self.n_best,
            "encode": self.encode,
        }
        return {
            **{
                name: (checked(function, text, not_too_long), text)
                for name, function in of_texts.items()
            },
            "decode_step": (checked(self.steps.decode_step, step, self._token_is_known), step),
        }

    def _token_is_known(self, inputs: Tensors) -> Iterable[Requirement]:
        token, last = inputs["token"], self.target.size - 1
        yield every("token", token, (token >= 0) & (token <= last), f"an id from 0 to {last:,}")

    def probes(self) -> dict[str, dict]:
        """Return inputs on which each of the endpoints is verified."""
        texts = ("serving_default", "translate", "translate_greedily", "n_best", "encode")
        step = {"token": [START] * len(PROBES), **self.encode(encode(PROBES))}
        return {**{name: {TEXT: PROBES} for name in texts}, "decode_step": step}

    def numeric(self) -> NumericEndpoints:
        """Return the endpoints for other runtimes, which take ids."""
        vocabularies = {"source.json": self.source, "target.json": self.target}
        return decoder_endpoints(
            self.model,
            "translate_ids",
            self.translate_ids,
            {"ids": self.source(encode(PROBES)).to_tensor()},
            {name: [*SPECIAL, *pieces.pieces] for name, pieces in vocabularies.items()},
        )


def not_too_long(inputs: Tensors) -> list[Requirement]:
    """Return what must hold of texts, before anything else looks at them."""
    return [few_characters(TEXT, inputs[TEXT], MAX_CHARACTERS)]
