"""Texts from each source."""

import gzip

import pytest

from apps.common.refusal import Refusal
from apps.textgen.data import load


def test_the_sample_is_split_at_its_end():
    splits = load("sample")
    total = len(splits.train) + len(splits.validation) + len(splits.test)
    assert len(splits.test) == pytest.approx(0.05 * total, abs=1)
    assert len(splits.validation) == pytest.approx(0.05 * total, abs=1)
    assert set(splits.test) <= set(splits.train)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_text_file(tmp_path, name, capsys):
    text = "".join(chr(number) for number in range(1000, 5000))
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    splits = load(str(tmp_path / name))
    assert splits.train + splits.validation + splits.test == text
    assert (len(splits.validation), len(splits.test)) == (200, 200)
    assert "3,600 training and 200 test characters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("binary", b"\xff\xfe\x00" * 2000, "source must be text in UTF-8; .*binary is not"),
        ("short", b"hello", "source must have at least 2,000 characters; .*short has 5"),
        ("empty", b"", "source must have at least 2,000 characters; .*empty has 0"),
        ("damaged.gz", b"no gzip", "not a sound gzip file"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refusal, match=words):
        load(str(tmp_path / name))


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(Refusal, match=r"source must be a text file; .* is a folder"):
        load(str(tmp_path))
