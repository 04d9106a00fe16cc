"""Reviews from each source, and the baselines on the sample."""

import gzip
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from apps.common.data.splits import stratified_split
from apps.common.refusal import Refusal
from apps.sentiment.baselines import text_baselines
from apps.sentiment.data import load

REVIEWS = [(f"Review {number}", number % 2) for number in range(40)]


def write_json(path, examples=REVIEWS):
    rows = (json.dumps({"text": text, "label": label}) for text, label in examples)
    path.write_text("\n".join(rows) + "\n", "utf-8")


def write_table(path, header=("text", "label"), names=("neg", "pos"), examples=REVIEWS):
    rows = [",".join(header), *(f"{text},{names[label]}" for text, label in examples)]
    path.write_text("\n".join(rows), "utf-8")


def write_tree(folder):
    for part in ("train", "test"):
        for label, name in enumerate(("neg", "pos")):
            (folder / part / name).mkdir(parents=True)
            for number in range(12):
                text = f"{part} {name} {number}"
                (folder / part / name / f"{number}_{label}.txt").write_text(text)


@pytest.fixture(scope="module")
def sample():
    return load("sample")


def test_the_sample_is_balanced(sample):
    assert Counter(label for _, label in sample.train) == {0: 5000, 1: 5000}
    assert Counter(label for _, label in sample.test) == {0: 500, 1: 500}
    assert "embedded sample" in sample.origin


def test_counting_words_does_not_solve_the_sample(sample):
    train, validation = stratified_split(sample.train, 0.1, 1)
    texts, labels = zip(*sample.test, strict=True)
    correct = {
        name: sum((guess >= 0.5) == label for guess, label in zip(guesses, labels, strict=True))
        for name, guesses in text_baselines(train, validation, texts).items()
    }
    assert correct["majority"] == 500
    assert 650 < correct["linear_ngrams"] < 850


def test_the_original_tree(tmp_path):
    write_tree(tmp_path)
    (tmp_path / "train" / "unsup").mkdir()  # as in the Large Movie Review Dataset
    (tmp_path / "train" / "unsup" / "1_0.txt").write_text("no label")
    splits = load(str(tmp_path))
    assert ("train pos 3", 1) in splits.train
    assert ("test neg 11", 0) in splits.test
    assert (len(splits.train), len(splits.test)) == (24, 24)


def test_folders_of_any_classes_with_or_without_parts(tmp_path):
    for part in ("train", "test", "."):
        for name in ("joy", "anger", "fear"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(20):
                (tmp_path / part / name / f"{number}.txt").write_text(f"{name} {number}")
    splits = load(str(tmp_path))
    assert splits.classes == ("anger", "fear", "joy")
    assert ("joy 3", 2) in splits.train
    assert len(splits.train) == len(splits.test) == 60
    for part in ("train", "test"):
        shutil.rmtree(tmp_path / part)
    splits = load(str(tmp_path))
    assert splits.classes == ("anger", "fear", "joy")
    assert (len(splits.train), len(splits.test)) == (54, 6)


def test_texts_in_another_encoding_and_empty_ones(tmp_path, capsys):
    write_tree(tmp_path)
    (tmp_path / "train" / "pos" / "x.txt").write_bytes(
        "Ein schöner Film für Mädchen".encode("cp1252")
    )
    (tmp_path / "train" / "neg" / "y.txt").write_text(" \n")
    splits = load(str(tmp_path))
    assert ("Ein schöner Film für Mädchen", 1) in splits.train
    assert len(splits.train) == 25
    out = capsys.readouterr().out
    assert "cp1252" in out
    assert "1 empty texts are left out, such as" in out


def rows_of(texts=REVIEWS):
    return [(f"{text}, as I said", label) for text, label in texts]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", lambda rows: "\n".join(["text;label", *(f"{t};{n}" for t, n in rows)])),
        ("a.csv", lambda rows: "\n".join(["text,label", *(f"{t},{n}" for t, n in rows)])),
        ("a.TSV", lambda rows: "\n".join(["text\tlabel", *(f"{t}\t{n}" for t, n in rows)])),
        ("a.txt", lambda rows: "\n".join(["sep=|", "text|label", *(f"{t}|{n}" for t, n in rows)])),
        ("a.csv", lambda rows: "\n".join(["label,text", *(f"{n},{t}" for t, n in rows)])),
        ("a.tsv", lambda rows: "\n".join(f"{t}\t{n}" for t, n in rows)),
        ("a.csv", lambda rows: "\n".join(["\ufeffreview,stars", *(f'"{t}",{n}' for t, n in rows)])),
    ],
    ids=["semicolons", "unquoted commas", "capitals", "sep=", "label first", "no header", "quotes"],
)  # fmt: skip
def test_tables_of_other_shapes_are_read_alike(tmp_path, name, write):
    (tmp_path / name).write_text(write(rows_of()), "utf-8")
    splits = load(str(tmp_path / name))
    assert sorted([*splits.train, *splits.test]) == sorted(rows_of())


def test_a_lone_quote_swallows_no_rows_and_empty_texts_are_left_out(tmp_path, capsys):
    rows = [*rows_of(), ('"Wow, it is good', 1), ("", 0)]
    lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in rows)]
    (tmp_path / "a.tsv").write_text("\n".join(lines), "utf-8")
    splits = load(str(tmp_path / "a.tsv"))
    assert sorted([*splits.train, *splits.test]) == sorted(rows[:-1])
    assert "1 records without a text are left out, the first is row 42" in capsys.readouterr().out


def test_options_of_own_files(tmp_path):
    lines = [f"{text}:{label}" for text, label in REVIEWS]
    (tmp_path / "a.csv").write_text("\n".join(lines), "utf-16")
    options = {"separator": ":", "no_header": True, "encoding": "utf-16", "test_part": 0.25}
    splits = load(str(tmp_path / "a.csv"), text_column="1", label_column="2", **options)
    assert (len(splits.train), len(splits.test)) == (30, 10)
    write_tree(tmp_path / "tree")
    for option, value in (("separator", ":"), ("no_header", True), ("test_part", 0.25)):
        with pytest.raises(Refusal, match=f"{option.replace('_', '.')} has no effect with"):
            load(str(tmp_path / "tree"), **{option: value})


def test_neighbours_in_the_tree_stay_neighbours(tmp_path):
    write_tree(tmp_path)
    texts = [text for text, label in load(str(tmp_path)).train if label == 0]
    assert texts == [f"train neg {number}" for number in range(12)]


def test_a_folder_of_files_with_columns_of_any_name(tmp_path):
    write_table(tmp_path / "train.csv", ("review", "Sentiment"))
    write_table(tmp_path / "test.csv", ("review", "Sentiment"), ("0", "POSITIVE"))
    splits = load(str(tmp_path), text_column="review", label_column="Sentiment")
    assert splits.train == splits.test == REVIEWS


@pytest.mark.parametrize("write", [write_table, write_json])
def test_columns_are_found_in_files(tmp_path, write, capsys):
    path = tmp_path / ("mine.csv" if write is write_table else "mine.jsonl")
    write(path)
    changed = path.read_text().replace("text", "Review").replace("label", "Stars")
    path.write_text(changed)
    assert sorted(load(str(path)).train) == sorted(
        load(str(path), text_column="Review", label_column="Stars").train
    )
    assert "in column 'Review', the label in column 'Stars'" in capsys.readouterr().out


def test_a_single_file_is_always_split_alike_with_both_classes(tmp_path, capsys):
    write_json(tmp_path / "mine.jsonl")
    splits = load(str(tmp_path / "mine.jsonl"))
    assert splits.test == load(str(tmp_path / "mine.jsonl")).test
    assert Counter(label for _, label in splits.test) == {0: 2, 1: 2}
    assert sorted([*splits.train, *splits.test]) == sorted(REVIEWS)
    out = capsys.readouterr().out
    assert "without a test part: 10% chosen for testing" in out
    assert "36 training and 4 test" in out


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: write_json(path, [(7, 1)]), "line 1: 'text' must be a string; .* 7"),
        (
            lambda path: write_json(path, [*REVIEWS, ("x", 5)]),
            "at least 10 examples of each class are needed; class '5' has 1",
        ),
        (lambda path: write_json(path, [("x", 1)] * 20), "two classes or more .* 20 .* 'positive'"),
        (lambda path: write_json(path, REVIEWS[:12]), "class 'negative' has 6 of 12"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, make, words):
    make(tmp_path / "a.jsonl")
    with pytest.raises(Refusal, match=rf"a\.jsonl.*{words}"):
        load(str(tmp_path / "a.jsonl"))


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(Refusal, match="received an empty folder"):
        load(str(tmp_path))
    write_tree(tmp_path)
    for option in ("text_column", "label_column"):
        named = f"--{option.replace('_', '-')}"
        words = f"{named} has no effect with the folders neg and pos of .* received 'stars'"
        with pytest.raises(Refusal, match=words):
            load(str(tmp_path), **{option: "stars"})
    for file in (tmp_path / "test" / "pos").glob("*.txt"):
        file.unlink()
    with pytest.raises(
        Refusal, match=r"each class needs test examples; .* none of class 'positive'"
    ):
        load(str(tmp_path))
    (tmp_path / "test" / "pos").rmdir()
    with pytest.raises(Refusal, match=r"test: expected folders of texts by class.*received neg"):
        load(str(tmp_path))


def test_the_catalogue():
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=20):
        splits = load("tfds")
    assert len(splits.train) == len(splits.test) == 20
    assert {type(value) for value in splits.train[0]} == {str, int}


@pytest.mark.data
def test_the_real_reviews_as_json_lines(tmp_path):
    few = []
    with gzip.open(Path(os.environ["RNNLAYERS_DATA"]) / "imdb" / "train.jsonl.gz", "rb") as lines:
        for line in lines:
            record = json.loads(line)
            if sum(label == record["label"] for _, label in few) < 100:
                few.append((record["text"], record["label"]))
            if len(few) == 200:
                break
    write_json(tmp_path / "train.jsonl", few)
    write_json(tmp_path / "test.jsonl", few)
    assert load(str(tmp_path)).train == few
