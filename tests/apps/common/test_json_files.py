"""JSON that is damaged or nonsense is named in one line, whatever its types."""

import json
from dataclasses import dataclass
from typing import Literal

import pytest

from apps.common.data import files
from apps.common.json_files import check_types, parse, read_object
from apps.common.refusal import Refusal

NESTED = "[" * 100_000


@dataclass(frozen=True)
class Record:
    flag: bool = False
    count: int = 1
    rate: float | None = None
    name: str = "a"
    kind: Literal["a", "b"] = "a"
    columns: tuple[str, ...] | None = None
    words: dict[str, list[str] | None] | None = None


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("flag", True, True),
        ("count", -5, -5),  # the range is no matter of types
        ("rate", 1, 1.0),
        ("rate", None, None),
        ("kind", "b", "b"),
        ("columns", ["a", "b"], ("a", "b")),
        ("words", {"a": ["b"], "c": None}, {"a": ["b"], "c": None}),
    ],
)
def test_values_become_those_of_the_command_line(field, value, expected):
    found = getattr(check_types(Record(**{field: value}), "a place", "mend it"), field)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("flag", 1, "true or false; received 1"),
        ("count", True, "a whole number; received True"),
        ("count", 3.0, "a whole number; received 3.0"),
        ("count", None, "a whole number; received None"),
        ("rate", "1", "a number or null; received '1'"),
        ("rate", 10**999, "a number or null; received 1000"),
        ("name", ["a"], r"a text; received \['a'\]"),
        ("name", "a\0b", r"a text; received 'a\\x00b'"),
        ("name", "\ud800", r"a text; received '\\ud800'"),
        ("kind", "c", "'a' or 'b'; received 'c'"),
        ("columns", "ab", "a list, each a text or null; received 'ab'"),
        ("columns", ["a", 1], "a list, each a text or null"),
        ("words", {"a": [1]}, "an object or null"),
        ("words", [], "an object or null"),
    ],
)
def test_a_value_of_another_type_is_named(field, value, words):
    with pytest.raises(Refusal, match=rf"a place: {field} must be {words}.*: mend it"):
        check_types(Record(**{field: value}), "a place", "mend it")


@pytest.mark.parametrize(
    "content", [NESTED, '{"a":' * 100_000, "", "{", "\ufeff{}", b"\xff", "1" * 5000]
)
def test_what_is_no_json_is_one_error(content):
    with pytest.raises(ValueError, match=r"deeply|Expecting|BOM|codec|digits"):
        parse(content)


@pytest.mark.parametrize(("content", "words"), [(NESTED, "nested too deeply"), ("3", "received 3")])
def test_a_file_is_named(tmp_path, content, words):
    file = tmp_path / "a.json"
    file.write_text(content)
    with pytest.raises(Refusal, match=rf"a\.json .*{words}.*: mend it"):
        read_object(file, "an object", "mend it")


@pytest.mark.parametrize(
    ("name", "before", "place"), [("a.jsonl", '{"a": 1}\n', "line 2"), ("a.json", "[", "a.json")]
)
def test_data_that_are_nested_too_deeply(tmp_path, name, before, place):
    path = tmp_path / name
    path.write_text(before + '{"a": ' + NESTED)
    with pytest.raises(Refusal, match=rf"{place}: the .* JSON.*: it is nested too deeply"):
        files.load(path)


def test_a_message_stays_short():
    with pytest.raises(Refusal) as caught:
        check_types(Record(name=["a" * 10_000]), "a place", "mend it")
    assert len(str(caught.value)) < 200
    assert json.loads(json.dumps(str(caught.value))).isprintable()
