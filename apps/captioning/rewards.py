"""What a decoder is rewarded for when it is trained on what it says itself."""

import keras
import numpy as np
from sacrebleu.metrics import BLEU

from apps.common.seq2seq.subwords import SPECIAL


@keras.saving.register_keras_serializable("apps.common")
def bleu_shares(tokens: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Scores sequences of ids by what each contributes to the BLEU of them all.

    BLEU (Papineni et al. 2002) is a measure of a corpus. Of a single sequence it is hardly ever
    above 0 until it is smoothed, and smoothed it favours short ones (Nakov et al. 2012): a model
    that is rewarded for that soon says half of what there is to say. So each sequence is scored by
    how much lower the BLEU of all is without it, as the jackknife does (Tukey 1958):

        score_k = n BLEU(all) - (n - 1) BLEU(all but k)

    The mean of these scores is the BLEU of all, but for terms in 1 / n. The first term is the same
    for all rows, so that among those of one source only what each adds makes a difference. Rows
    are compared in pieces of words: the score is not the one that words have.

    Args:
        tokens: `(rows, time)`; special ids are left out.
        references: For each row its references, `(rows, references, time)`, those that are not
            there all padding.

    Returns:
        For each row a score, 1 for a perfect corpus; float64.
    """
    bleu = BLEU(tokenize="none", effective_order=True)  # of it only the counts are used
    counts = []  # a row: n-grams found, n-grams said, words said, words of the closest reference
    for row, said in zip(tokens, references, strict=True):
        wanted = [_words(reference) for reference in said if reference.any()] or [""]
        score = bleu.sentence_score(_words(row), wanted)
        counts.append([*score.counts, *score.totals, score.sys_len, score.ref_len])
    number, total = len(counts), np.sum(counts, axis=0)
    without = np.array([_bleu(total - row) for row in np.array(counts)])
    return number * _bleu(total) - (number - 1) * without


def _bleu(counts: np.ndarray) -> float:
    found, said, (length, wanted) = counts[:4].tolist(), counts[4:8].tolist(), counts[8:].tolist()
    return BLEU.compute_bleu(found, said, length, wanted, smooth_method="exp").score / 100


def _words(ids: np.ndarray) -> str:
    return " ".join(map(str, ids[ids >= len(SPECIAL)]))
