"""How good translations are."""

from collections.abc import Sequence

import pandas as pd
from sacrebleu.metrics import BLEU, CHRF

LENGTHS = (5, 10, 15, 20, 30, 50)  # words of a source sentence, where the buckets end


def translation_scores(
    translations: Sequence[str], references: Sequence[str], lowercase: bool
) -> tuple[dict[str, float], dict[str, str]]:
    """Scores translations by their references.

    Args:
        translations: The translations.
        references: One reference for each.
        lowercase: Whether a difference in case counts as none.

    Returns:
        `exact_match`, from 0 to 1, and `bleu` and `chrf`, from 0 to 100; and the signatures of the
        latter two, which say how sacreBLEU (Post 2018) computed them.
    """
    bleu, chrf = BLEU(lowercase=lowercase, force=True), CHRF(lowercase=lowercase)
    pairs = zip(translations, references, strict=True)
    same = [_folded(a, lowercase) == _folded(b, lowercase) for a, b in pairs]
    scores = {
        "exact_match": sum(same) / len(same),
        "bleu": bleu.corpus_score(translations, [references]).score,
        "chrf": chrf.corpus_score(translations, [references]).score,
    }
    signatures = {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())}
    return scores, signatures


def _folded(text: str, lowercase: bool) -> str:
    text = " ".join(text.split())
    return text.lower() if lowercase else text


def by_length(
    sources: Sequence[str], translations: Sequence[str], references: Sequence[str], lowercase: bool
) -> pd.DataFrame:
    """Returns the scores by the number of words in the source sentence."""
    table = pd.DataFrame({"source": sources, "translation": translations, "reference": references})
    lengths = table["source"].str.split().str.len()
    buckets = pd.cut(lengths, [-1, *LENGTHS, float("inf")])
    rows = []
    for bucket, part in table.groupby(buckets, observed=True):
        scores, _ = translation_scores(
            list(part["translation"]), list(part["reference"]), lowercase
        )
        words = f"{bucket.left + 1:.0f} to {bucket.right:.0f}"
        words = f"over {LENGTHS[-1]}" if bucket.left == LENGTHS[-1] else words
        rows.append({"words": words, "sentences": len(part), **scores})
    return pd.DataFrame(rows)
