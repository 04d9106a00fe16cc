"""What a decoder is rewarded for when it is trained on what it says itself."""

import keras
import numpy as np
from sacrebleu.metrics import BLEU

from apps.common.subwords import SPECIAL


@keras.saving.register_keras_serializable("apps.common")
def sentence_bleu(tokens: np.ndarray, references: np.ndarray) -> list[float]:
    """Scores sequences of ids, one by one, by BLEU (Papineni et al. 2002) as sacreBLEU smooths it.

    Args:
        tokens: `(rows, time)`; special ids are left out.
        references: For each row its references, `(rows, references, time)`, those that are not
            there all padding.

    Returns:
        For each row a score, from 0 to 1.
    """
    bleu = BLEU(tokenize="none", effective_order=True)
    scores = []
    for row, said in zip(tokens, references, strict=True):
        wanted = [_words(reference) for reference in said if reference.any()] or [""]
        scores.append(bleu.sentence_score(_words(row), wanted).score / 100)
    return scores


def _words(ids: np.ndarray) -> str:
    return " ".join(map(str, ids[ids >= len(SPECIAL)]))
