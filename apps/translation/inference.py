"""Translations of many texts, by the model of a finished run."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import keras
import tensorflow as tf

from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.common.seq2seq.special import SPECIAL
from apps.common.seq2seq.subwords import Subwords
from apps.common.text import encode
from apps.translation.exported import Translator
from apps.translation.settings import Settings
from rnnlayers.decoding import BeamSearch, Sampler

VOCABULARIES = ("source_pieces.txt", "target_pieces.txt")  # in the folder of the run


def load_translator(run: Run) -> Translator:
    """Load the translator of a finished run.

    Raises:
        Refusal: If the files of the run are damaged or do not fit together.
    """
    settings, model = run.settings(Settings), run.model()
    embeddings = (
        *(each for each in model.encoder.layers if isinstance(each, keras.layers.Embedding)),
        model.embedding,
    )
    languages = []
    for name, embedding in zip(VOCABULARIES, embeddings, strict=True):
        pieces, size = run.read_lines(name), embedding.input_dim
        if len(SPECIAL) + len(set(pieces)) != size or len(pieces) != len(set(pieces)):
            raise Refusal(
                f"{run.folder / name} does not fit {run.model_file}: it must have "
                f"{size - len(SPECIAL):,} pieces, all different, and has {len(pieces):,} with "
                f"{len(set(pieces)):,} different ones; restore the file, or train again"
            )
        languages.append(Subwords(pieces, settings.lowercase, settings.max_length))
    search = BeamSearch(settings.beams, length_penalty=settings.length_penalty)
    return Translator(model, *languages, search)


def choose_search(translator: Translator, num_beams: int | None, n_best: int) -> BeamSearch:
    """Return the beam search of a translator with other numbers of beams and results.

    Args:
        translator: The translator.
        num_beams: Hypotheses of the search; as in training if None.
        n_best: Translations of each text.

    Raises:
        Refusal: If one of the numbers is out of range.
    """
    beams, size = num_beams, translator.target.size
    if beams is None:
        beams = translator.search.num_beams
    if not 1 <= beams <= size:
        raise Refusal(
            f"num_beams must be at least 1 and at most {size}, the size of the vocabulary; "
            f"received {beams}"
        )
    if not 1 <= n_best <= beams:
        raise Refusal(
            f"n_best must be at least 1 and at most num_beams, {beams}; received {n_best}: choose "
            f"fewer translations, or a wider beam with --num-beams"
        )
    return replace(translator.search, num_beams=beams, num_return=n_best)


def compile_translator(translator: Translator, sampler: Sampler) -> Callable:
    """Return a compiled function: texts `(batch,)` to translations and scores `(batch, n)`."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def translate(texts):
        decoded = translator.decode(translator.source(texts).to_tensor(), sampler)
        return translator.target.detokenize(decoded.tokens), decoded.scores

    return translate


def translate_texts(
    function: Callable, texts: Sequence[str | bytes], batch_size: int = 64
) -> Iterator[list[tuple[str, float]]]:
    """Translate texts in batches.

    Args:
        function: From `compile_translator`.
        texts: The texts.
        batch_size: Texts in a batch.

    Yields:
        For each text, in order, its translations with their scores, the best first.
    """
    for start in range(0, len(texts), batch_size):
        translations, scores = function(encode(texts[start : start + batch_size]))
        for row, row_scores in zip(translations.numpy(), scores.numpy(), strict=True):
            yield [
                (text.decode("utf-8"), float(score))
                for text, score in zip(row, row_scores, strict=True)
            ]
