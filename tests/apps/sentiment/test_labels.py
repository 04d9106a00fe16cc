"""The classes that are found in labels, and the columns that hold texts and labels."""

import pytest

from apps.common.refusal import Refusal
from apps.sentiment.columns import find_columns
from apps.sentiment.labels import Labelled, as_numbers, classify_labels, read_label


def examples(labels, file="a.csv"):
    return [Labelled(f"{file}, row {n}", f"text {n}", label) for n, label in enumerate(labels, 1)]


def classes(*parts):
    found, names = classify_labels([examples(labels) for labels in parts], "a.csv")
    return [[number for _, number in part] for part in found], names


@pytest.mark.parametrize(
    ("label", "key"),
    [
        (1, 1.0),
        ("5.0", 5.0),
        ("5 stars", 5.0),
        ("1 Star", 1.0),
        ("4/5", 4.0),
        ("7 out of 10", 7.0),
        ("★★★☆☆", 3.0),
        ("⭐⭐", 2.0),
        ("-1", -1.0),
        (True, "true"),
        (" Pos ", "positive"),
        ("JOY", "joy"),
        ("5 people", "5 people"),
    ],
)
def test_a_label_is_read_however_it_is_spelled(label, key):
    assert read_label(label) == key


@pytest.mark.parametrize(
    ("labels", "names", "numbers"),
    [
        (["0", "1"], ("negative", "positive"), [0, 1]),
        (["pos", "NEG"], ("negative", "positive"), [1, 0]),
        ([1, "negative"], ("negative", "positive"), [1, 0]),
        (["0", "4"], ("0", "4"), [0, 1]),
        ([1, -1], ("-1", "1"), [1, 0]),
        ([True, False], ("False", "True"), [1, 0]),
        (["spam", "ham"], ("ham", "spam"), [1, 0]),
        (["positive", "neutral", "negative"], ("negative", "neutral", "positive"), [2, 1, 0]),
        (["10", "2", "9.0"], ("2", "9", "10"), [2, 0, 1]),
        (["5 stars", "1 star"], ("1 star", "5 stars"), [1, 0]),
        (["joy", "anger", "fear"], ("anger", "fear", "joy"), [2, 0, 1]),
    ],
)
def test_classes_are_found_in_the_labels(labels, names, numbers):
    assert classes(labels * 10) == ([numbers * 10], names)


def test_spellings_of_a_label_are_one_class():
    found, names = classes(["Joy", "joy ", "JOY", "joy"] * 5 + ["anger"] * 10)
    assert names == ("anger", "joy")
    assert found == [[1] * 20 + [0] * 10]


def test_train_and_test_share_their_classes():
    assert classes(["b", "a", "c"] * 10, ["c", "b", "a"]) == (
        [[1, 0, 2] * 10, [2, 1, 0]],
        ("a", "b", "c"),
    )


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([["1"] * 20], r"a\.csv: two classes or more are needed; received 20 .* 'positive'"),
        ([["a"] * 20], r"a\.csv: two classes or more are needed; received 20 .* 'a'"),
        ([["0", "1"] * 6], "at least 10 examples of each class .*; class 'negative' has 6 of 12"),
        ([["joy"] * 20 + ["fear"] * 12 + ["awe"]], "class 'awe' has 1 of 33: give more"),
        ([["a", "b"] * 10, ["a", "c", "b"]], "class 'c' has 0 of 20"),
        ([["a", "b"] * 10, ["a", "a"]], r"a\.csv: each class needs test .* none of class 'b'"),
        ([["a", "b"] * 10 + [" "]], "a.csv, row 21: 'label' is empty"),
        ([["a", "b"] * 10 + [None]], "a.csv, row 21: 'label' is empty"),
        ([["1", "2"] * 10 + ["n/a"]], "row 21: .* or all words; received 'n/a', and .* 1, 2"),
        ([[str(n) for n in range(300)]], r"a\.csv: 'label' must have at most 100 .* received 300"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_used(parts, words):
    with pytest.raises(Refusal, match=words):
        classes(*parts)


def test_classes_named_after_numbers_have_them():
    assert as_numbers(("1 star", "★★", "10")) == [1, 2, 10]
    assert as_numbers(("1", "joy")) is None


# Columns

TEXTS = [f"a text of its own {n}" for n in range(30)]
LABELS = ["a", "b", "c"] * 10


@pytest.mark.parametrize(
    ("columns", "given", "found"),
    [
        (["label", "text"], (None, None), ("text", "label")),
        (["id", "Review", "Sentiment"], (None, None), ("Review", "Sentiment")),
        (["overall", "reviewText", "summary"], (None, None), ("reviewText", "overall")),
        (["text", "review", "label", "score"], (None, None), ("text", "label")),
        (["text", "stars", "rating"], (None, "rating"), ("text", "rating")),
        (["message", "kind"], (None, None), ("message", "kind")),
        (["what", "stars"], (None, None), ("what", "stars")),
        (["label", "sentiment"], ("label", None), ("label", "sentiment")),
    ],
)
def test_columns_are_found_by_their_names(columns, given, found):
    assert find_columns({name: [] for name in columns}, "a.csv", *given) == found


def test_of_two_columns_the_label_has_few_values(tmp_path, capsys):
    path = tmp_path / "a.csv"
    for columns in ({"x": TEXTS, "y": LABELS}, {"y": LABELS, "x": TEXTS}):
        assert find_columns(columns, path, None, None) == ("x", "y")
        out = capsys.readouterr().out
        assert "text is in column 'x', the label in column 'y' (--text-column and --label" in out
    assert find_columns({"text": TEXTS, "label": LABELS}, path, None, None) == ("text", "label")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("columns", "given", "words"),
    [
        ({"x": TEXTS, "y": TEXTS}, (None, None), "text and which the label: name it by --text-c"),
        ({"text": [], "stars": [], "score": []}, (None, None), "is the label: name it by --label"),
        ({"a": [], "b": [], "label": []}, (None, None), "is the text: name it by --text-column"),
        ({"text": [], "label": []}, ("body", None), "no column 'body' for --text-column among"),
    ],
)
def test_columns_that_are_not_certain(columns, given, words):
    with pytest.raises(Refusal, match=words):
        find_columns(columns, "a.csv", *given)
