import math

import numpy as np
import pytest

from apps.captioning import sample as scene_sample
from apps.captioning.baselines import commonest, nearest
from apps.captioning.metrics import caption_scores, truth, words_of
from apps.captioning.sample import COLOURS, COUNTS, SHAPES, SIZES, Group, Scene

REFERENCES = [
    ["a red dog runs over the wet sand", "one dog is running"],
    ["two small cats sit on a chair"],
    ["the old man reads a book", "somebody is reading", "an old man with a thick book"],
]
FIRST = [said[0] for said in REFERENCES]


# Scores


def test_letters_of_scripts_without_spaces_are_words():
    assert words_of("一只红狗 runs, OK") == "一 只 红 狗 runs ok"
    scores = caption_scores(["一只红狗在跑"], [["一只黑狗在跑"]])
    assert scores["bleu_1"] == pytest.approx(100 * 5 / 6)


def test_a_perfect_caption_has_every_point_whichever_reference_it_is():
    for captions in (FIRST, [said[-1] for said in REFERENCES]):
        scores = caption_scores(captions, REFERENCES)
        assert scores.keys() == {"bleu_1", "bleu_2", "bleu_3", "bleu_4", "cider", "chrf"}
        for name in scores.keys() - {"cider"}:
            assert scores[name] == pytest.approx(100)
    # Of one reference each, all of them long enough, the likeness of every order is whole.
    assert caption_scores(FIRST, [[caption] for caption in FIRST])["cider"] == pytest.approx(10)


@pytest.mark.parametrize(
    ("caption", "references", "bleu"),
    [
        # Four of five words are right, three of four pairs, two of three, one of two.
        ("a b c d e", ["a b c d f"], [4 / 5, 3 / 4, 2 / 3, 1 / 2]),
        # A word counts as often as it is in the reference where it is most often.
        ("the the the the", ["the cat the", "the dog there is"], [2 / 4, 0]),
        # Each n-gram may be in another reference.
        ("a b c d", ["a b x y", "x y c d"], [1, 2 / 3, 0]),
    ],
)
def test_bleu_by_hand(caption, references, bleu):
    scores = caption_scores([caption], [references])
    for order in range(1, len(bleu) + 1):
        expected = 100 * math.prod(bleu[:order]) ** (1 / order)
        assert scores[f"bleu_{order}"] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("caption", "references", "longer"),
    [
        ("a b c d", ["a b c d e f"], 6 / 4),
        ("a b c d", ["a b c d e f", "a b c d e f g h i", "a b"], 2 / 4),
        ("a b c d e f", ["a b c d"], 4 / 6),
    ],
)
def test_bleu_of_a_caption_that_is_shorter_than_the_nearest_reference(caption, references, longer):
    part = min(1, len(references[0].split()) / len(caption.split()))
    expected = 100 * part * math.exp(min(0, 1 - longer))
    assert caption_scores([caption], [references])["bleu_1"] == pytest.approx(expected)


def test_bleu_is_counted_over_all_captions_together():
    scores = caption_scores(["a b", "c d e f g h"], [["a x"], ["c d e f g h"]])
    assert scores["bleu_1"] == pytest.approx(100 * 7 / 8)


def test_cider_is_higher_for_the_right_caption_than_for_that_of_another_image():
    right = caption_scores(FIRST, REFERENCES)["cider"]
    turned = caption_scores(FIRST[1:] + FIRST[:1], REFERENCES)["cider"]
    partly = caption_scores([FIRST[0], "a cat on a chair", "an old man"], REFERENCES)["cider"]
    assert right > partly > turned >= 0


def test_cider_counts_a_word_for_more_the_fewer_images_have_it():
    references = [[f"a dog on the {word} field"] for word in ("green", "blue", "white", "grey")]
    same = ["a dog on the field"] * 4
    told = ["green field", "blue field", "white field", "grey field"]
    common, rare = (caption_scores(said, references) for said in (same, told))
    assert common["bleu_1"] > rare["bleu_1"]
    assert common["cider"] < rare["cider"]


def test_signs_and_capitals_do_not_count():
    loud = [f"  {caption.capitalize()} !" for caption in FIRST]
    references = [[f"«{caption.upper()}».", "x"] for caption in FIRST]
    plain = caption_scores(FIRST, [[caption, "x"] for caption in FIRST])
    scores = caption_scores(loud, references)
    for name in ("bleu_1", "bleu_4", "cider"):
        assert scores[name] == pytest.approx(plain[name])
    assert scores["chrf"] > 80
    apart = caption_scores(["a dog's ball"], [["a dog s ball"]])
    assert apart["bleu_1"] == pytest.approx(100 * 2 / 3 * math.exp(-1 / 3))


def test_captions_of_nothing_have_no_points():
    scores = caption_scores(["", " ", "?!"], REFERENCES)
    assert all(score == pytest.approx(0, abs=1e-6) for score in scores.values())
    some = caption_scores([FIRST[0], "", ""], REFERENCES)
    assert all(0 < score < 100 for score in some.values())


def test_nothing_is_printed_by_the_code_that_scores(capsys):
    caption_scores(FIRST, REFERENCES)
    assert capsys.readouterr().out == ""


# What is true


def group(count="two", size="small", colour="red", shape="circle"):
    return Group(count, size, colour, shape)


OTHER = {"count": COUNTS, "size": tuple(SIZES), "colour": tuple(COLOURS), "shape": SHAPES}


def other(of_group, name):
    """A group with another value of an attribute."""
    values = OTHER[name]
    place = values.index(getattr(of_group, name))
    return of_group._replace(**{name: values[(place + 1) % len(values)]})


SCENES = [
    Scene((group(),)),
    Scene((group("a"), group("three", "large", "blue", "cross")), "left of"),
    Scene((group(colour="black"), group(shape="square")), "above"),
]
SAID = [scene_sample.captions(scene) for scene in SCENES]


@pytest.mark.parametrize("way", [0, 1, 2])
def test_true_captions_are_true_in_whichever_way_they_are_said(way):
    found = truth([said[way] for said in SAID], SAID)
    names = {"truth", "truth_relation", *(f"truth_{name}" for name in Group._fields)}
    assert found == dict.fromkeys(names, 1.0)


@pytest.mark.parametrize("name", Group._fields)
@pytest.mark.parametrize("place", [0, 1])
def test_each_attribute_counts_for_itself(name, place):
    groups = list(SCENES[1].groups)
    groups[place] = other(groups[place], name)
    wrong = scene_sample.captions(Scene(tuple(groups), SCENES[1].relation))[2]
    found = truth([SAID[0][0], wrong, SAID[2][0]], SAID)
    assert found.pop("truth") == pytest.approx(2 / 3)
    assert found.pop(f"truth_{name}") == pytest.approx(4 / 5)  # of the groups that there are
    assert set(found.values()) == {1.0}


def test_the_relation_counts_where_there_are_two_groups():
    wrong = scene_sample.captions(SCENES[1]._replace(relation="above"))[0]
    found = truth([SAID[0][0], wrong, SAID[2][0]], SAID)
    assert found["truth_relation"] == pytest.approx(1 / 2)
    assert found["truth"] == pytest.approx(2 / 3)
    assert found["truth_colour"] == 1
    assert "truth_relation" not in truth([SAID[0][0]], SAID[:1])


def test_groups_the_other_way_round_are_not_true():
    first, second = SCENES[1].groups
    turned = scene_sample.captions(Scene((second, first), "left of"))[0]
    found = truth([turned], SAID[1:2])
    assert found["truth"] == found["truth_colour"] == 0
    assert found["truth_relation"] == 1


def test_too_few_groups_and_too_many():
    found = truth([scene_sample.captions(Scene(SCENES[1].groups[:1]))[0]], SAID[1:2])
    assert found["truth"] == found["truth_relation"] == 0
    assert found["truth_shape"] == 1 / 2
    more = scene_sample.captions(Scene((*SCENES[0].groups, group("a")), "above"))[0]
    found = truth([more], SAID[:1])
    assert found["truth"] == 0
    assert found["truth_shape"] == 1


@pytest.mark.parametrize("caption", ["", "a dog", f"{SAID[0][0]} left of", "two red circles"])
def test_what_cannot_be_read_is_not_true(caption):
    assert set(truth([caption], SAID[1:2]).values()) == {0.0}


# Baselines


def test_the_commonest_caption_is_that_of_the_most_images():
    captions = [["A dog.", "one"], ["two", "a dog"], ["two"], ["a DOG !", "a cat"], ["a cat"]]
    assert commonest(captions) == "a dog"
    assert commonest([["Just one, here"]]) == "just one here"


def test_the_nearest_image_is_that_in_the_most_similar_direction():
    train = np.array([[1.0, 0.1], [0.1, 1.0], [-5.0, 0.0]])
    captions = [["right", "also"], ["up"], ["left"]]
    features = np.array([[0.0, 9.0], [0.2, 0.1], [-0.01, 0.001], [100.0, 20.0]])
    assert nearest(train, captions, features) == ["up", "right", "left", "right"]
    assert nearest(train, captions, train) == ["right", "up", "left"]
