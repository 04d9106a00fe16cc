"""The TensorFlow Datasets catalogue where there is no network, or the name is wrong."""

import socket
import time

import pytest

from apps.common.data import catalogue
from apps.common.refusal import Refusal

tfds = pytest.importorskip("tensorflow_datasets")


def test_without_a_network_it_fails_soon(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    make = tfds.builder
    monkeypatch.setattr(tfds, "builder", lambda name: make(name, data_dir=tmp_path))
    start = time.monotonic()
    with pytest.raises(Refusal, match=r"cannot be downloaded .* without a network choose"):
        catalogue.read("imdb_reviews", ("train",))
    assert time.monotonic() - start < 20


def test_a_name_that_the_catalogue_does_not_have():
    with pytest.raises(Refusal, match="the catalogue has no data set 'no_such_set'"):
        catalogue.read("no_such_set", ("train",))


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda: catalogue.read_pairs("imdb_reviews", ("train",)), "no data set of translations"),
        (lambda: next(catalogue.read_captions("imdb_reviews")), "no data set of images with"),
    ],
)
def test_data_sets_of_another_kind(read, words):
    with tfds.testing.mock_data(num_examples=2), pytest.raises(Refusal, match=words):
        read()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rate", "is_image", "shape"),
    [
        ("mnist", None, True, (28, 28, 1)),
        ("spoken_digit", 8000, False, (None,)),
        ("speech_commands", 16_000, False, (None,)),
        ("smartwatch_gestures", None, False, (None, None)),
    ],
)
def test_labelled_examples(monkeypatch, name, rate, is_image, shape):
    splits = {
        part: tfds.core.SplitInfo(name=part, shard_lengths=[3], num_bytes=0)
        for part in ("train", "test")
    }
    monkeypatch.setattr(tfds.core.DatasetInfo, "splits", splits)
    with tfds.testing.mock_data(num_examples=3):
        found = catalogue.read_labelled(name)
    assert (found.rate, found.is_image) == (rate, is_image)
    assert {part: len(rows) for part, rows in found.parts.items()} == {"train": 3, "test": 3}
    value, label = found.parts["train"][0]
    assert len(value.shape) == len(shape)
    assert all(size in (None, actual) for size, actual in zip(shape, value.shape, strict=True))
    assert isinstance(label, str)
