"""The reward of captions that a decoder samples while it is refined."""

import keras
import numpy as np
from sacrebleu.metrics import BLEU

from apps.common.seq2seq.special import SPECIAL


@keras.saving.register_keras_serializable("apps.common")
def bleu_shares(tokens: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Score sequences of ids by what each one contributes to the BLEU of the whole batch.

    BLEU (Papineni et al. 2002) is a measure of a corpus. For a single sequence it is nearly always
    0 unless it is smoothed, and smoothed BLEU favours short sequences (Nakov et al. 2012): a model
    that is rewarded by it soon leaves out half of the caption. So the score of a sequence is the
    difference that its removal makes, as in the jackknife (Tukey 1958):

        score_k = n BLEU(all) - (n - 1) BLEU(all but k)

    The mean of these scores is the BLEU of all, up to terms in 1 / n. The first term is the same
    for all rows, so that sequences of the same image differ only in their own contribution. BLEU
    is computed on pieces of words here, so that it differs from the BLEU of words.

    Args:
        tokens: `(rows, time)`; special ids are ignored.
        references: The references of each row, `(rows, references, time)`. A missing reference is
            all padding.

    Returns:
        A score for each row, 1 for a perfect corpus; float64.
    """
    bleu = BLEU(tokenize="none", effective_order=True)  # only its counts are used
    counts = []  # of a row: matching n-grams, n-grams, words, words of the closest reference
    for row, texts in zip(tokens, references, strict=True):
        wanted = [_words(reference) for reference in texts if reference.any()] or [""]
        score = bleu.sentence_score(_words(row), wanted)
        counts.append([*score.counts, *score.totals, score.sys_len, score.ref_len])
    number, total = len(counts), np.sum(counts, axis=0)
    without = np.array([_bleu(total - row) for row in np.array(counts)])
    return number * _bleu(total) - (number - 1) * without


def _bleu(counts: np.ndarray) -> float:
    matches, totals = counts[:4].tolist(), counts[4:8].tolist()
    length, wanted = counts[8:].tolist()
    return BLEU.compute_bleu(matches, totals, length, wanted, smooth_method="exp").score / 100


def _words(ids: np.ndarray) -> str:
    return " ".join(map(str, ids[ids >= len(SPECIAL)]))
