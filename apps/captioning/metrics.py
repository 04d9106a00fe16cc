"""How good captions are."""

import contextlib
import io
import re
from collections.abc import Sequence

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from sacrebleu.metrics import CHRF

from apps.captioning.sample import parse


def caption_scores(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict:
    """Scores captions by all references of each image.

    Words are lower case and without signs, as those of the COCO evaluation are, whose own code
    computes BLEU (Papineni et al. 2002) and CIDEr (Vedantam et al. 2015).

    Args:
        captions: One caption for each image.
        references: For each image its references.

    Returns:
        `bleu_1` to `bleu_4` and `chrf`, from 0 to 100, and `cider`, from 0 to 10.
    """
    found = {i: [words_of(caption)] for i, caption in enumerate(captions)}
    wanted = {i: [words_of(caption) for caption in said] for i, said in enumerate(references)}
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it counts
        bleu, _ = Bleu(4).compute_score(wanted, found)
        cider, _ = Cider().compute_score(wanted, found)
    most = max(map(len, references))
    # sacreBLEU takes as many references for each; one that stands twice changes nothing.
    streams = [[said[min(i, len(said) - 1)] for said in references] for i in range(most)]
    chrf = CHRF(lowercase=True).corpus_score(list(captions), streams)
    scores = {f"bleu_{n}": 100 * float(score) for n, score in enumerate(bleu, start=1)}
    return {**scores, "cider": float(cider), "chrf": chrf.score}


def words_of(caption: str) -> str:
    """Return the words of a caption in lower case, without punctuation."""
    return " ".join(re.findall(r"[\w']+", caption.lower()))


def truth(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Tells how many captions of scenes of the embedded sample are true, whole and by attribute.

    Args:
        captions: One caption for each scene.
        references: For each scene its captions.

    Returns:
        Parts from 0 to 1: `truth`, where everything is right; and `truth_count`, `truth_size`,
        `truth_colour`, `truth_shape` of the groups that there are, `truth_relation` of the scenes
        with two. What is not said, or not in a way that can be read, is not right.
    """
    right: dict[str, list[bool]] = {}
    for caption, said in zip(captions, references, strict=True):
        scene, found = parse(said[0]), parse(caption)
        right.setdefault("truth", []).append(found == scene)
        groups = found.groups if found else ()
        for place, group in enumerate(scene.groups):
            for name in group._fields:
                same = len(groups) > place and getattr(groups[place], name) == getattr(group, name)
                right.setdefault(f"truth_{name}", []).append(same)
        if scene.relation:
            same = found is not None and found.relation == scene.relation
            right.setdefault("truth_relation", []).append(same)
    return {name: float(np.mean(values)) for name, values in right.items()}
