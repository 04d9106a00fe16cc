"""Records with named fields, and how their files are to be read."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from apps.common.refusal import Refusal

Selected = list[tuple[str, tuple]]  # the place of a record, for messages, and its values


@dataclass(frozen=True)
class Reading:
    """How the files of a user are to be read. What is None is found in the file.

    Args:
        encoding: The encoding of texts.
        separator: What separates the columns of tables: a character, or its name.
        no_header: Whether tables begin without the names of their columns, which are then numbers
            from 1.
    """

    encoding: str | None = None
    separator: str | None = None
    no_header: bool = False


AUTOMATIC = Reading()


class Records(ABC):
    """The records of a file, each with its place for messages."""

    path: Path

    @abstractmethod
    def head(self, count: int) -> dict[str, list[Any]]:
        """Return the first values of each field, by its name."""

    @abstractmethod
    def select(
        self, fields: Sequence[str], *, free: str | None = None, filled: Sequence[str] = ()
    ) -> Selected:
        """Return some fields of each record, as `files.read` does."""

    def without_empty(
        self, records: Selected, fields: Sequence[str], filled: Sequence[str]
    ) -> Selected:
        """Return the records with values in some fields, and print how many have none.

        Raises:
            Refusal: If none is left.
        """
        for field in filled:
            place = fields.index(field)
            kept = [record for record in records if not is_empty(record[1][place])]
            if len(kept) < len(records):
                first = next(where for where, values in records if is_empty(values[place]))
                print(
                    f"{self.path}: {len(records) - len(kept):,} records without a {field} are left "
                    f"out, the first is {first.removeprefix(f'{self.path}, ')}"
                )
            if not kept:
                raise Refusal(f"{self.path}: no record has a {field}")
            records = kept
        return records


def is_empty(value: Any) -> bool:
    """Return whether a value says nothing."""
    return value is None or (isinstance(value, str) and not value.strip())


@dataclass(frozen=True)
class Objects(Records):
    """JSON objects."""

    path: Path
    places: Sequence[str]
    objects: Sequence[Mapping[str, Any]]

    def head(self, count: int) -> dict[str, list[Any]]:
        """Return the first values of each key of the first object, None where there is none."""
        first = list(islice(self.objects, count))
        return {key: [record.get(key) for record in first] for key in first[0]}

    def select(
        self, fields: Sequence[str], *, free: str | None = None, filled: Sequence[str] = ()
    ) -> Selected:
        """Return the values of some keys of each object."""
        selected = []
        for place, record in zip(self.places, self.objects, strict=True):
            if missing := [field for field in fields if field not in record]:
                raise Refusal(f"{place}: there is no field {missing[0]!r} among {sorted(record)}")
            selected.append((place, tuple(record[field] for field in fields)))
        return self.without_empty(selected, fields, filled)
