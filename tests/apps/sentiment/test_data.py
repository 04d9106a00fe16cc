import gzip
import json
import os
import socket
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from apps.common.data.review_sample import BLAME, PRAISE
from apps.common.data.splits import runs_apart, stratified
from apps.sentiment.baselines import text_baselines
from apps.sentiment.data import load

TEXTS = [(f"Review {number}, with a comma\u0085 and a break", number % 2) for number in range(40)]


def write_json(path, examples=TEXTS):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as file:
        for text, label in examples:
            file.write(json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n")


def write_table(path, separator=",", header=("text", "label"), names=("neg", "pos")):
    lines = [separator.join(header)]
    lines += [f'"{text}"{separator}{names[label]}' for text, label in TEXTS]
    path.write_text("\n".join(lines), "utf-8")


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


def test_the_sample_is_the_same_each_time_balanced_and_without_repetition(sample):
    again = load("sample")
    assert (again.train, again.test) == (sample.train, sample.test)
    examples = [*sample.train, *sample.test]
    assert len({text for text, _ in examples}) == len(examples) == 5000
    assert Counter(label for _, label in sample.train) == {0: 2000, 1: 2000}
    assert Counter(label for _, label in sample.test) == {0: 500, 1: 500}


def test_the_sample_reads_as_sentences(sample):
    for text, _ in sample.train:
        assert text[0].isupper()
        assert text.endswith(".")
        assert not set("{}_") & set(text)
        assert "  " not in text


def test_both_classes_of_the_sample_use_every_adjective(sample):
    for word in PRAISE + BLAME:
        labels = Counter(label for text, label in sample.train if word in text)
        assert min(labels.values()) / labels.total() > 0.3


def test_counting_words_does_not_solve_the_sample(sample):
    train, validation = stratified(sample.train, 0.1, 1)
    texts, labels = zip(*sample.test, strict=True)
    guesses = text_baselines(train, validation, texts)
    correct = {
        name: sum((guess >= 0.5) == label for guess, label in zip(found, labels, strict=True))
        for name, found in guesses.items()
    }
    assert correct["majority"] == 500
    assert 700 < correct["linear_ngrams"] < 850


def test_it_says_which_source_it_used(capsys, tmp_path):
    load("sample")
    said = capsys.readouterr().out
    assert "embedded sample" in said
    assert "4,000 training and 1,000 test" in said
    write_json(tmp_path / "mine.jsonl")
    load(str(tmp_path / "mine.jsonl"))
    said = capsys.readouterr().out
    assert "no test part: 10% drawn for testing" in said
    assert "36 training and 4 test" in said


def test_the_original_tree(tmp_path):
    write_tree(tmp_path)
    splits = load(str(tmp_path))
    assert ("train pos 3", 1) in splits.train
    assert ("test neg 11", 0) in splits.test
    assert len(splits.train) == len(splits.test) == 24


def test_bytes_in_the_tree_that_are_no_utf8(tmp_path):
    write_tree(tmp_path)
    (tmp_path / "train" / "pos" / "x.txt").write_bytes(b"caf\xe9")
    assert ("caf\ufffd", 1) in load(str(tmp_path)).train


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
def test_json_lines_with_other_line_breaks_inside(tmp_path, ending):
    write_json(tmp_path / f"train{ending}")
    write_json(tmp_path / f"test{ending}", TEXTS[:30])
    splits = load(str(tmp_path))
    assert splits.train == TEXTS
    assert splits.test == TEXTS[:30]


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_tables_with_columns_of_any_name(tmp_path, suffix, separator):
    for part in ("train", "test"):
        write_table(tmp_path / f"{part}{suffix}", separator, ("review", "Sentiment"))
    splits = load(str(tmp_path), text="review", label="Sentiment")
    assert splits.train == TEXTS


def test_words_that_pandas_takes_for_missing_are_text(tmp_path):
    write_table(tmp_path / "mine.csv")
    with (tmp_path / "mine.csv").open("a") as file:
        file.write("\nNA,neg\n,pos\n")
    splits = load(str(tmp_path / "mine.csv"))
    assert {("NA", 0), ("", 1)} <= {*splits.train, *splits.test}


def test_a_single_file_is_split_always_alike_with_both_classes(tmp_path):
    write_json(tmp_path / "mine.jsonl")
    splits = load(str(tmp_path / "mine.jsonl"))
    again = load(str(tmp_path / "mine.jsonl"))
    assert splits.test == again.test
    assert Counter(label for _, label in splits.test) == {0: 2, 1: 2}
    assert sorted([*splits.train, *splits.test]) == sorted(TEXTS)


def broken_json(path):
    write_json(path)
    lines = path.read_text("utf-8").split("\n")
    lines[6] = '{"text": "cut off'
    path.write_text("\n".join(lines), "utf-8")


def truncated(path):
    write_json(path)
    path.write_bytes(path.read_bytes()[:-20])


def damaged(path):
    write_json(path)
    content = bytearray(path.read_bytes())
    content[30:60] = bytes(30)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("a.jsonl", lambda path: path.write_bytes(b""), "no records"),
        ("a.jsonl.gz", lambda path: path.write_bytes(gzip.compress(b"")), "no records"),
        ("a.csv", lambda path: path.write_bytes(b""), "no records"),
        ("a.csv", lambda path: path.write_bytes(b"text,label\n"), "no records"),
        ("a.jsonl", broken_json, r"a\.jsonl, line 7: not a JSON object"),
        ("a.jsonl", lambda path: path.write_bytes(b'{"text": "\xff"}\n'), "line 1: not a JSON"),
        ("a.jsonl", lambda path: path.write_bytes(b"[1]\n"), "line 1: expected a JSON object"),
        ("a.jsonl", lambda path: path.write_bytes(b'{"text": "x"}\n'), "line 1: no field 'label'"),
        ("a.jsonl", lambda path: write_json(path, [(None, 1)]), "line 1: 'text' must be a string"),
        (
            "a.jsonl",
            lambda path: write_json(path, [("x", 5)]),
            "line 1: 'label' must be one of .*5",
        ),
        ("a.jsonl", lambda path: write_json(path, [("x", 1)] * 20), "two classes .* 20 of class 1"),
        ("a.jsonl", lambda path: write_json(path, TEXTS[:12]), "6 of class 0, 6 of class 1"),
        ("a.jsonl.gz", truncated, "not a sound gzip"),
        ("a.jsonl.gz", damaged, "not a sound gzip"),
        ("a.jsonl.gz", lambda path: path.write_bytes(b"plain"), "not a sound gzip"),
        ("a.csv", lambda path: write_table(path, header=("text", "stars")), "no column 'label'"),
        ("a.csv", lambda path: write_table(path, names=("bad", "pos")), "row 1: 'label' must be"),
        ("a.csv", lambda path: path.write_text('text,label\n"x,1\n'), "not a table"),
        ("a.csv", lambda path: path.write_bytes(b"text,label\n\xff,1\n"), "not a table"),
        ("a.xlsx", lambda path: path.write_bytes(b""), r"ends in \.jsonl, \.csv or \.tsv"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, make, said):
    make(tmp_path / name)
    with pytest.raises(ValueError, match=said) as caught:
        load(str(tmp_path / name))
    assert name in str(caught.value)


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(ValueError, match="found nothing"):
        load(str(tmp_path))
    write_tree(tmp_path)
    for file in (tmp_path / "test" / "pos").glob("*.txt"):
        file.unlink()
    with pytest.raises(ValueError, match=r"test: two classes .* 12 of class 0"):
        load(str(tmp_path))
    (tmp_path / "test" / "pos").rmdir()
    with pytest.raises(ValueError, match="expected test/neg and test/pos"):
        load(str(tmp_path))


@pytest.mark.parametrize("source", ["samples", "no/such/folder", "imdb.csv"])
def test_unknown_sources(source):
    with pytest.raises(ValueError, match=f"'sample', 'tfds', or the path .*{source}"):
        load(source)


@pytest.mark.parametrize("part", [0.001, 1, 39])
def test_a_part_too_small_for_every_class(part):
    with pytest.raises(ValueError, match="40 examples cannot be split"):
        stratified(TEXTS, part, 1)


def test_the_catalogue():
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=20):
        splits = load("tfds")
    assert len(splits.train) == len(splits.test) == 20
    assert {type(value) for value in splits.train[0]} == {str, int}


def test_the_catalogue_without_a_network_fails_soon(tmp_path, monkeypatch):
    def away(*args, **kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", away)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    import tensorflow_datasets as tfds

    make = tfds.builder
    monkeypatch.setattr(tfds, "builder", lambda name: make(name, data_dir=tmp_path))
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"cannot be downloaded .* without a network choose"):
        load("tfds")
    assert time.monotonic() - start < 20


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
    write_json(tmp_path / "train.jsonl.gz", few)
    write_json(tmp_path / "test.jsonl.gz", few)
    assert load(str(tmp_path)).train == few


def test_runs_of_neighbours_are_set_apart_in_the_proportion_of_the_classes():
    examples = [(str(number), int(number >= 600)) for number in range(1000)]
    rest, apart = runs_apart(examples, 0.1, seed=1, run=20)
    assert sorted([*rest, *apart], key=lambda example: int(example[0])) == examples
    assert [label for _, label in apart] == [0] * 60 + [1] * 40
    for part in (rest, apart):  # the order of the examples is kept
        assert [number for number, _ in part] == sorted((n for n, _ in part), key=int)
    places = np.array([int(number) for number, _ in apart])
    assert np.sum(np.diff(places) > 1) <= 100 // 20 + 2
    assert runs_apart(examples, 0.1, seed=1, run=20)[1] == apart
    assert runs_apart(examples, 0.1, seed=2, run=20)[1] != apart


def test_a_part_too_small_to_set_apart():
    with pytest.raises(ValueError, match="cannot be split with 10% apart"):
        runs_apart([("a", 0), ("b", 1)], 0.1, seed=1)
