import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from apps.captioning.rewards import bleu_shares
from apps.common.seq2seq.special import PAD, START, STOP

SAID = [[9, 8, 7, 6, 5, STOP], [9, 8, 4, STOP, PAD, PAD], [STOP, *[PAD] * 5]]
WANTED = [
    [[9, 8, 7, 6, 4], [9, 8, 7, PAD, PAD], [PAD] * 5],
    [[4, 5, 6, 7, PAD], [9, 8, 4, PAD, PAD], [5, PAD, PAD, PAD, PAD]],
    [[4, 5, 6, 7, 8], [PAD] * 5, [PAD] * 5],
]


def drawn(rows, seed=0):
    """Makes captions, and references that they share much with."""
    random = np.random.default_rng(seed)
    said = random.integers(4, 9, (rows, 9))
    wanted = np.where(random.random((rows, 3, 9)) < 0.7, said[:, None], 4)
    return said, wanted


def corpus_bleu(said, wanted):
    texts = [" ".join(map(str, row)) for row in said.tolist()]
    references = [[" ".join(map(str, row)) for row in rows] for rows in wanted.swapaxes(0, 1)]
    return BLEU(tokenize="none").corpus_score(texts, references).score / 100


def test_a_share_is_what_a_caption_adds_to_the_score_of_sacrebleu():
    said, wanted = drawn(7)
    everything = corpus_bleu(said, wanted)
    for row, share in enumerate(bleu_shares(said, wanted)):
        without = corpus_bleu(np.delete(said, row, 0), np.delete(wanted, row, 0))
        assert share == pytest.approx(7 * everything - 6 * without)


def test_their_mean_is_the_score_of_all():
    said, wanted = drawn(400)
    assert np.mean(bleu_shares(said, wanted)) == pytest.approx(corpus_bleu(said, wanted), abs=1e-3)


def test_to_say_half_is_rewarded_less():
    said, wanted = drawn(40)
    half = said.copy()
    half[0, 5:] = [STOP, PAD, PAD, PAD]
    assert bleu_shares(half, wanted)[0] < bleu_shares(said, wanted)[0] - 0.2


def test_what_pads_or_is_special_counts_for_nothing():
    longer = [[START, *row, PAD, PAD] for row in SAID]
    wanted = [[[*reference, PAD] for reference in said] for said in WANTED]
    found = bleu_shares(np.array(longer), np.array(wanted))
    np.testing.assert_array_equal(found, bleu_shares(np.array(SAID), np.array(WANTED)))


# Four of five words, three of four pairs, two of three, one of two; of three words no four.
@pytest.mark.parametrize(("row", "score"), [(0, 0.2**0.25), (1, 0.0), (2, 0.0)])
def test_a_caption_alone_has_its_own_score(row, score):
    found = bleu_shares(np.array(SAID[row : row + 1]), np.array(WANTED[row : row + 1]))
    assert found == pytest.approx([score], abs=1e-9)


def test_an_image_whose_captions_hold_no_word():
    assert bleu_shares(np.array(SAID[:1]), np.zeros((1, 2, 3), int)) == [0.0]
