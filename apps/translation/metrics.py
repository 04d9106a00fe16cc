"""Metrics of translations."""

from collections.abc import Sequence

import pandas as pd
from sacrebleu.metrics import BLEU, CHRF

LENGTHS = (5, 10, 15, 20, 30, 50)  # words of a source sentence: the last of each group


def translation_scores(
    translations: Sequence[str], references: Sequence[str], lowercase: bool
) -> tuple[dict[str, float], dict[str, str]]:
    """Score translations against references.

    Args:
        translations: The translations.
        references: One reference for each.
        lowercase: Whether to ignore differences in case.

    Returns:
        `exact_match`, from 0 to 1, and `bleu` and `chrf`, from 0 to 100; and the signatures with
        which sacreBLEU (Post 2018) computed the latter two.
    """
    bleu, chrf = BLEU(lowercase=lowercase, force=True), CHRF(lowercase=lowercase)
    pairs = zip(translations, references, strict=True)
    same = [_normalized(a, lowercase) == _normalized(b, lowercase) for a, b in pairs]
    scores = {
        "exact_match": sum(same) / len(same),
        "bleu": bleu.corpus_score(translations, [references]).score,
        "chrf": chrf.corpus_score(translations, [references]).score,
    }
    signatures = {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())}
    return scores, signatures


def _normalized(text: str, lowercase: bool) -> str:
    text = " ".join(text.split())
    return text.lower() if lowercase else text


def scores_by_length(
    sources: Sequence[str], translations: Sequence[str], references: Sequence[str], lowercase: bool
) -> pd.DataFrame:
    """Return the scores for groups of source sentences with a similar number of words."""
    table = pd.DataFrame({"source": sources, "translation": translations, "reference": references})
    lengths = table["source"].str.split().str.len()
    groups = pd.cut(lengths, [-1, *LENGTHS, float("inf")])
    rows = []
    for group, part in table.groupby(groups, observed=True):
        scores, _ = translation_scores(
            list(part["translation"]), list(part["reference"]), lowercase
        )
        words = f"{group.left + 1:.0f} to {group.right:.0f}"
        words = f"over {LENGTHS[-1]}" if group.left == LENGTHS[-1] else words
        rows.append({"words": words, "sentences": len(part), **scores})
    return pd.DataFrame(rows)
