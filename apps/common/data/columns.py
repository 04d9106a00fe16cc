"""Which column of a table holds what."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from apps.common.refusal import Refusal

Columns = Mapping[str, Sequence[Any]]  # the first values of each column or key, by its name


def find_columns(
    columns: Columns,
    path: Path,
    given: Mapping[str, str | None],
    usual: Mapping[str, Sequence[str]],
    complete: Callable[[Columns, dict[str, str]], dict[str, str]],
) -> tuple[str, ...]:
    """Find a column for each role, and print which they are unless they are called like the roles.

    A name that the user gave counts most. Then comes a column with the name of the role, then a
    usual name, if one column alone has one, and then what the values say.

    Args:
        columns: The columns.
        path: The file, for messages.
        given: For each role the name that the user gave. The option of a role is `--ROLE-column`.
        usual: For each role usual names, in small letters and digits alone.
        complete: Takes the columns that no role has yet and the columns found by role, and returns
            the latter with those that the values make certain.

    Raises:
        Refusal: If there is no column of a given name, or it is not certain which column it is.
    """
    options = {role: f"--{role}-column" for role in given}
    for role, name in given.items():
        if name is not None and name not in columns:
            raise Refusal(
                f"{path}: there is no column {name!r} for {options[role]} among {list(columns)}"
            )
    found = {role: name for role, name in given.items() if name is not None}
    for role in [role for role in given if role not in found]:
        left = [name for name in columns if name not in found.values()]
        if name := _by_name(role, usual[role], left):
            found[role] = name
    left_columns = {n: values for n, values in columns.items() if n not in found.values()}
    found = complete(left_columns, found)
    if missing := [role for role in options if role not in found]:
        raise Refusal(
            f"{path}: it is not certain which of the columns {list(columns)} is the "
            f"{' and which the '.join(missing)}: name it by "
            f"{' and '.join(options[role] for role in missing)}"
        )
    if any(given[role] is None and found[role] != role for role in options):
        places = ", ".join(f"the {role} in column {found[role]!r}" for role in options)
        places = places.replace(" in ", " is in ", 1)
        print(f"{path}: {places} ({' and '.join(options.values())} say otherwise)")
    return tuple(found[role] for role in options)


def _by_name(role: str, usual: Sequence[str], names: Sequence[str]) -> str | None:
    plain = {name: "".join(filter(str.isalnum, name.casefold())) for name in names}
    for wanted in ((role,), usual):
        fitting = [name for name in names if plain[name] in wanted]
        if len(fitting) == 1:
            return fitting[0]
    return None
