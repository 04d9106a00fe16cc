"""A translator of texts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import tensorflow as tf

import rnnlayers
from apps.common.cards import GENERATED, Card
from apps.common.other_runtimes import NumericEndpoints
from apps.common.seq2seq.endpoints import decoder_endpoints
from apps.common.seq2seq.subwords import PAD, SPECIAL, UNKNOWN, Subwords
from apps.common.text import encode
from rnnlayers.decoding import BeamSearch, Decoded, Greedy, Sampler

# What an exported model must answer as the live one does.
PROBES = [b"My cat is near this car.", b"", b"\xff\xfe \x00", b"\xf0\x9f\x91\x8f", b"word " * 5000]
CARD = Card(
    "Translates sentences.",
    {
        "text": "a sentence, UTF-8",
        "translation": "the sentence in the other language",
        "score": "the log probability over the length penalty; higher is surer",
        "source_pieces": "the pieces of the sentence, empty behind its end",
        "target_pieces": "the pieces of the translation, empty behind its end",
        "attention": "where each piece of the translation looked, 0 to 1",
        "values": "what the encoder remembers",
        "keys": "what attention looks for in it",
        "mask": "which of it there is",
        "token": "the piece before, at first 2",
        "state_": "a state of the decoder",
        "log_probability": "of each piece to be the next; 3 ends",
    },
    "One sentence at a time, in one direction, of the kind it was trained on; longer ones are "
    "cut. A word it does not know is spelt out of pieces and may come out as another.",
    {
        "sample": GENERATED,
        "tfds": "A data set of the TensorFlow Datasets catalogue, under the terms named there.",
    },
)


class Translator(tf.Module):
    """Texts in, translations out.

    Args:
        model: The network.
        source: Cuts texts into its ids.
        target: Spells the ids that it answers.
        search: How it decodes unless told otherwise.
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

    def decode(self, ids: tf.Tensor, sampler: Sampler) -> Decoded:
        """Decodes texts, given as ids `(batch, source)`."""
        lengths = tf.math.count_nonzero(ids != PAD, axis=1, dtype=tf.int32)
        decoded = self.model.generate(
            ids,
            sampler,
            max_length=tf.minimum(2 * lengths + 8, self.target.max_length),
            forbidden_tokens=[UNKNOWN],
        )
        # Of nothing the translation is nothing.
        return decoded._replace(tokens=tf.where(lengths[:, None, None] > 0, decoded.tokens, PAD))

    def __call__(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Translates texts `(batch,)`, with a beam."""
        return self.answer(text, self.search)

    def greedy(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Translates texts `(batch,)`, taking the likeliest piece each time."""
        return self.answer(text, Greedy())

    def answer(self, text: tf.Tensor, sampler: Sampler) -> dict[str, tf.Tensor]:
        """Returns the best translations `(batch,)`, their scores, pieces and attention."""
        ids = self.source(text).to_tensor()
        decoded = self.decode(ids, sampler)
        return {
            "translation": self.target.joined(decoded.tokens[:, 0]),
            "score": decoded.scores[:, 0],
            "source_pieces": self.source.spelled(ids),
            "target_pieces": self.target.spelled(decoded.tokens[:, 0]),
            "attention": decoded.extras[:, 0],
        }

    def n_best(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns all translations of the beam `(batch, beams)`, and their scores."""
        search = replace(self.search, num_return=self.search.num_beams)
        decoded = self.decode(self.source(text).to_tensor(), search)
        return {"translation": self.target.joined(decoded.tokens), "score": decoded.scores}

    def encode(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encodes texts `(batch,)` as the endpoint `decode_step` takes them."""
        return self.steps.encode(self.source(text).to_tensor())

    def translate_ids(self, ids: tf.Tensor) -> dict[str, tf.Tensor]:
        """Translates texts, given as ids `(batch, source)`, with a beam."""
        decoded = self.decode(ids, self.search)
        found = {"tokens": decoded.tokens, "score": decoded.scores, "attention": decoded.extras}
        return {name: value[:, 0] for name, value in found.items()}

    def numeric(self) -> NumericEndpoints:
        """Returns what other runtimes are given."""
        vocabularies = {"source.json": self.source, "target.json": self.target}
        return decoder_endpoints(
            self.model,
            "translate_ids",
            self.translate_ids,
            {"ids": self.source(encode(PROBES)).to_tensor()},
            {name: [*SPECIAL, *pieces.pieces] for name, pieces in vocabularies.items()},
        )

    def endpoints(self) -> dict[str, tuple]:
        """Returns what is exported, with its inputs."""
        text = {"text": tf.TensorSpec([None], tf.string)}
        step = self.steps.signature(tf.TensorSpec([None, None], tf.int32))
        return {
            "serving_default": (self, text),
            "translate": (self, text),
            "translate_greedily": (self.greedy, text),
            "n_best": (self.n_best, text),
            "encode": (self.encode, text),
            "decode_step": (self.steps.decode_step, step),
        }


def compiled(translator: Translator, sampler: Sampler) -> Callable:
    """Returns a function in a graph: texts `(batch,)` to translations and scores `(batch, n)`."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def decode(batch):
        decoded = translator.decode(translator.source(batch).to_tensor(), sampler)
        return translator.target.joined(decoded.tokens), decoded.scores

    return decode


def translate(
    decode: Callable, texts: Sequence[str | bytes], batch_size: int = 64
) -> Iterator[list[tuple[str, float]]]:
    """Translates texts in batches.

    Args:
        decode: From `compiled`.
        texts: The texts.
        batch_size: Texts in a batch.

    Yields:
        For each text, in order, its translations with their scores, the best first.
    """
    for start in range(0, len(texts), batch_size):
        found, scores = decode(encode(texts[start : start + batch_size]))
        for row, row_scores in zip(found.numpy(), scores.numpy(), strict=True):
            yield [
                (text.decode("utf-8"), float(score))
                for text, score in zip(row, row_scores, strict=True)
            ]
