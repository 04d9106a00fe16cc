"""The sources of a data set: which function reads it, and which options have an effect."""

import pytest

from apps.common.data import door
from apps.common.data.splits import Splits
from apps.common.refusal import Refusal


def from_sample(size=3):
    return Splits(range(size), range(2), "the sample", unit="numbers")


def from_catalogue(name="digits"):
    return Splits([name], [], "the catalogue")


def from_path(path, column="text", *, name="file"):
    return Splits([column, name], [], str(path))


def load(source, **options):
    functions = {"from_sample": from_sample, "from_catalogue": from_catalogue}
    return door.load(source, from_path=from_path, **functions, **options)


def test_the_source_is_printed_with_its_size(capsys):
    assert len(load("sample").train) == 3
    assert capsys.readouterr().out == "Data: the sample: 3 training and 2 test numbers\n"


def test_each_source_gets_its_options(tmp_path):
    assert len(load("sample", size=5).train) == 5
    assert load("tfds", name="letters").train == ["letters"]
    assert load(str(tmp_path), column="words", name="x").train == ["words", "x"]


def test_defaults_of_other_sources_are_accepted():
    assert len(load("sample", column="text").train) == 3


@pytest.mark.parametrize(
    ("source", "options"), [("sample", {"column": "words"}), ("tfds", {"size": 4})]
)
def test_options_without_effect_are_refused(source, options):
    ((name, value),) = options.items()
    words = f"{name} has no effect with source '{source}': leave it out; received {value!r}"
    with pytest.raises(Refusal, match=words):
        load(source, **options)


def test_an_option_that_no_source_has_is_a_bug():
    with pytest.raises(TypeError, match=r"unknown options \['columns'\]; there are \['column', "):
        load("sample", columns="x")


@pytest.mark.parametrize("source", ["samples", "no/such/folder", "imdb.csv"])
def test_a_source_that_does_not_exist(source):
    words = f"source must be 'sample', 'tfds', or the path of .*{source}.* does not exist"
    with pytest.raises(Refusal, match=words):
        load(source)
