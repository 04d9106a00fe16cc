"""Metrics of captions."""

import contextlib
import io
from collections.abc import Sequence

import numpy as np
import regex
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from sacrebleu.metrics import CHRF

from apps.captioning.sample import parse
from apps.common.text import UNSPACED


def caption_scores(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict:
    """Score captions against all references of each image.

    BLEU (Papineni et al. 2002) and CIDEr (Vedantam et al. 2015) are computed by the code of the
    COCO evaluation. As there, words are lower case and punctuation is removed.

    Args:
        captions: One caption for each image.
        references: The references of each image.

    Returns:
        `bleu_1` to `bleu_4` and `chrf`, from 0 to 100, and `cider`, from 0 to 10.
    """
    candidates = {i: [words_of(caption)] for i, caption in enumerate(captions)}
    words = {i: [words_of(caption) for caption in texts] for i, texts in enumerate(references)}
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its counts
        bleu, _ = Bleu(4).compute_score(words, candidates)
        cider, _ = Cider().compute_score(words, candidates)
    most = max(map(len, references))
    # sacreBLEU takes the same number of references for each image; a repeated one changes nothing.
    streams = [[texts[min(i, len(texts) - 1)] for texts in references] for i in range(most)]
    chrf = CHRF(lowercase=True).corpus_score(list(captions), streams)
    scores = {f"bleu_{n}": 100 * float(score) for n, score in enumerate(bleu, start=1)}
    return {**scores, "cider": float(cider), "chrf": chrf.score}


def words_of(caption: str) -> str:
    """Return the words of a caption in lower case, without punctuation.

    Each letter of scripts without spaces, such as Chinese, is a word.
    """
    spaced = regex.sub(rf"({UNSPACED})", r" \1 ", caption.lower())
    return " ".join(regex.findall(r"[\w']+", spaced))


def truth(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return which part of the captions of sample scenes is true, in all and by attribute.

    Args:
        captions: One caption for each scene.
        references: The captions of each scene.

    Returns:
        Parts from 0 to 1: `truth`, of captions that are right in every word; `truth_count`,
        `truth_size`, `truth_colour` and `truth_shape`, of groups; `truth_relation`, of scenes with
        two groups. An attribute that is missing or cannot be parsed counts as wrong.
    """
    right: dict[str, list[bool]] = {}
    for caption, texts in zip(captions, references, strict=True):
        scene, parsed = parse(texts[0]), parse(caption)
        right.setdefault("truth", []).append(parsed == scene)
        groups = parsed.groups if parsed else ()
        for place, group in enumerate(scene.groups):
            for name in group._fields:
                same = len(groups) > place and getattr(groups[place], name) == getattr(group, name)
                right.setdefault(f"truth_{name}", []).append(same)
        if scene.relation:
            same = parsed is not None and parsed.relation == scene.relation
            right.setdefault("truth_relation", []).append(same)
    return {name: float(np.mean(values)) for name, values in right.items()}
