import pytest

from apps.translation.baselines import word_by_word
from apps.translation.metrics import LENGTHS, scores_by_length, translation_scores

REFERENCES = ["Le chien voit un grand arbre .", "Mon chat est noir .", "Elle aime les fleurs !"]


def test_perfect_translations_have_the_highest_scores():
    scores, _ = translation_scores(REFERENCES, REFERENCES, lowercase=False)
    assert scores.keys() == {"exact_match", "bleu", "chrf"}
    assert scores["exact_match"] == 1
    assert scores["bleu"] == pytest.approx(100)
    assert scores["chrf"] == pytest.approx(100)


def test_translations_that_share_nothing_have_the_lowest():
    scores, _ = translation_scores(["QQQ", "", "ZZZ 123"], REFERENCES, lowercase=False)
    assert scores == {"exact_match": 0, "bleu": 0, "chrf": 0}


def test_scores_fall_with_each_translation_that_is_wrong():
    found = [
        translation_scores([*REFERENCES[:right], *["Non"] * (3 - right)], REFERENCES, False)[0]
        for right in (3, 2, 1, 0)
    ]
    assert [scores["exact_match"] for scores in found] == pytest.approx([1, 2 / 3, 1 / 3, 0])
    for name in ("bleu", "chrf"):
        values = [scores[name] for scores in found]
        assert values == sorted(values, reverse=True)
        assert len(set(values)) == 4


def test_case_counts_unless_it_is_left_out():
    upper = [text.upper() for text in REFERENCES]
    cased, _ = translation_scores(upper, REFERENCES, lowercase=False)
    folded, _ = translation_scores(upper, REFERENCES, lowercase=True)
    assert cased["exact_match"] == 0
    assert cased["bleu"] < 50
    assert cased["chrf"] < 50
    assert folded == pytest.approx({"exact_match": 1, "bleu": 100, "chrf": 100})


def test_spaces_do_not_count_as_a_difference():
    spaced = [f"  {text.replace(' ', chr(0xA0), 1)} " for text in REFERENCES]
    assert translation_scores(spaced, REFERENCES, lowercase=False)[0]["exact_match"] == 1


@pytest.mark.parametrize(("lowercase", "case"), [(False, "mixed"), (True, "lc")])
def test_signatures_name_the_case_and_the_version(lowercase, case):
    _, signatures = translation_scores(REFERENCES, REFERENCES, lowercase)
    assert signatures.keys() == {"bleu", "chrf"}
    for signature in signatures.values():
        assert f"|case:{case}|" in signature
        assert "nrefs:1|" in signature
        assert "version:" in signature
    assert "tok:13a" in signatures["bleu"]


def test_translations_and_references_must_be_as_many():
    with pytest.raises(ValueError, match=r"zip\(\) argument"):
        translation_scores(REFERENCES[:2], REFERENCES, lowercase=False)


def test_every_sentence_is_in_the_bucket_of_its_length():
    lengths = [1, 5, 6, 10, 11, 50, 51, 400, 7]
    sources = [" ".join(["word"] * length) for length in lengths]
    references = [f"le numero {length} est ici" for length in lengths]
    found = [*references[:-1], "faux"]
    table = scores_by_length(sources, found, references, lowercase=False)
    assert table["words"].tolist()[:4] == ["0 to 5", "6 to 10", "11 to 15", "31 to 50"]
    assert table["words"].tolist()[-1] == "over 50"
    assert table["sentences"].tolist() == [2, 3, 1, 1, 2]
    assert table["sentences"].sum() == len(sources)
    assert table["exact_match"].tolist() == pytest.approx([1, 2 / 3, 1, 1, 1])
    assert {"bleu", "chrf"} <= set(table.columns)
    assert LENGTHS[-1] == 50


def test_the_scores_of_all_lengths_together_are_those_of_the_whole():
    sources = ["a " * length for length in (1, 2, 9, 14, 70)]
    references = ["un", "deux", "trois", "quatre", "cinq"]
    found = ["un", "x", "trois", "Quatre", "cinq"]
    for lowercase in (False, True):
        table = scores_by_length(sources, found, references, lowercase)
        right = (table["exact_match"] * table["sentences"]).sum()
        whole, _ = translation_scores(found, references, lowercase)
        assert right == pytest.approx(5 * whole["exact_match"])


def test_an_empty_source_sentence_does_no_harm():
    table = scores_by_length(["", "a b"], ["", "c d"], ["x", "c d"], lowercase=False)
    assert table[["words", "sentences", "exact_match"]].to_numpy().tolist() == [["0 to 5", 2, 0.5]]


PAIRS = [
    ("the dog sleeps", "le chien dort"),
    ("the cat sleeps", "le chat dort"),
    ("The dog eats!", "Le chien mange !"),
    ("a cat eats", "un chat mange"),
]


def test_each_word_becomes_the_one_it_shares_the_most_sentences_with():
    found = word_by_word(PAIRS, ["The cat eats!", "the DOG sleeps"])
    assert found == ["le chat mange !", "le chien dort"]


def test_words_that_were_never_seen_stay_and_order_too():
    assert word_by_word(PAIRS, ["zebra the Zoo", "", "sleeps dog"]) == [
        "zebra le zoo",
        "",
        "dort chien",
    ]


def test_a_word_in_every_sentence_does_not_draw_all_words_to_it():
    pairs = [(f"the noun{number}", f"le nom{number} le") for number in range(20)]
    texts = [f"the noun{number}" for number in range(20)]
    assert word_by_word(pairs, texts) == [f"le nom{number}" for number in range(20)]
