import numpy as np
import pytest
import sacrebleu

from apps.common.rewards import sentence_bleu
from apps.common.subwords import PAD, START, STOP

SAID = [[9, 8, 7, 6, 5, STOP], [9, 8, 4, STOP, PAD, PAD], [STOP, *[PAD] * 5]]
WANTED = [
    [[9, 8, 7, 6, 4], [9, 8, 7, PAD, PAD], [PAD] * 5],
    [[4, 5, 6, 7, PAD], [9, 8, 4, PAD, PAD], [5, PAD, PAD, PAD, PAD]],
    [[4, 5, 6, 7, 8], [PAD] * 5, [PAD] * 5],
]


def test_scores_are_those_of_sacrebleu_of_words():
    found = sentence_bleu(np.array(SAID), np.array(WANTED))
    first = sacrebleu.sentence_bleu("i h g f e", ["i h g f d", "i h g"], tokenize="none").score
    assert found == [pytest.approx(first / 100), pytest.approx(1.0), 0.0]
    assert 0.4 < found[0] < 0.8


def test_what_pads_or_is_special_counts_for_nothing():
    longer = [[START, *row, PAD, PAD] for row in SAID]
    wanted = [[[*reference, PAD] for reference in said] for said in WANTED]
    found = sentence_bleu(np.array(longer), np.array(wanted))
    assert found == sentence_bleu(np.array(SAID), np.array(WANTED))


def test_an_image_whose_captions_hold_no_word():
    assert sentence_bleu(np.array(SAID[:1]), np.zeros((1, 2, 3), int)) == [0.0]
