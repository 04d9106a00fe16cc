"""Which columns of a table hold the sentences and their translations."""

import re
from collections.abc import Sequence

from apps.common.data.tables import Table
from apps.common.refusal import Refusal

OPTIONS = ("--source-column", "--target-column")
ROLES = (
    ("source", "src", "from", "input", "source text", "source sentence", "source_text"),
    ("target", "tgt", "trg", "to", "output", "translation", "target text", "target_text"),
)
# Names of languages, in English and as in ISO 639, that stand in the headers of tables.
LANGUAGES = """
    arabic bengali bulgarian catalan chinese croatian czech danish dutch english estonian
    finnish french german greek hebrew hindi hungarian icelandic indonesian irish italian japanese
    korean latvian lithuanian malay norwegian persian polish portuguese romanian russian serbian
    slovak slovene slovenian spanish swahili swedish tamil thai turkish ukrainian urdu vietnamese
    ar bg bn ca cs da de el en es et fa fi fr ga he hi hr hu id is it ja ko lt lv ms nb nl no pl pt
    ro ru sk sl sr sv sw ta th tr uk ur vi zh
    ara bul ces cmn dan deu ell eng est fin fra fre ger heb hin hun ita jpn kor nld nor pol por ron
    rus spa swe tur ukr vie zho"""
SENTENCES = {*ROLES[0], *ROLES[1], *LANGUAGES.split()}
OTHERS = {"id", "index", "score", "license", "attribution", "lang", "language", "split", ""}
NUMBER = re.compile(r"[\s\d.,:;/+-]*")
ATTRIBUTION = re.compile(r"\bCC[- ]?(BY|0)\b|tatoeba\.org|https?://")
NAME = re.compile(r"[^\W\d][\w .-]{0,29}(?<![\s.])")  # of a column; sentences end in signs
FEW = 20  # rows for each different value of a column that holds no sentences, at least


def with_header(table: Table, given: Sequence[str | None], is_usual: bool) -> Table:
    """Take the first row for the header if it names columns.

    Args:
        table: The table, read without a header.
        given: The names of columns that the user gave.
        is_usual: Whether such tables usually have a header.
    """
    cells = [cell.strip() for cell in table.rows[0].fields]
    if set(cells) & set(given):
        return table.headed()
    if sum(cell.casefold() in SENTENCES for cell in cells) > 1 and all(
        cell.casefold() in SENTENCES or cell.casefold() in OTHERS for cell in cells
    ):
        return table.headed()
    if len(set(cells)) < len(cells) or not all(map(NAME.fullmatch, cells)):
        return table
    if is_usual:
        print(
            f"{table.path}: the first row is taken for the names of the columns, "
            f"{', '.join(map(repr, cells))} (--no-header says otherwise)"
        )
        return table.headed()
    others = table.rows[1:]
    if sum(all(map(NAME.fullmatch, row.fields)) for row in others) < len(others) / FEW:
        print(
            f"{table.path}: the first row, {', '.join(map(repr, cells))}, is taken for sentences "
            f"(if it is a header, name a column by {' or '.join(OPTIONS)})"
        )
    return table


def find_columns(table: Table, source: str | None, target: str | None) -> tuple[str, str]:
    """Find the columns of the sentences and of their translations, and say which they are.

    Columns of numbers, of attributions and of few different words, such as the names of languages,
    hold no sentences. Of the two that are left the first is the source, unless their names say
    otherwise.

    Args:
        table: The table.
        source: The name or number of the source column that the user gave.
        target: Likewise of the target column.

    Raises:
        Refusal: If there is no such column, or it is not certain which column it is.
    """
    for option, name in zip(OPTIONS, (source, target), strict=True):
        if name is not None and name not in table.columns:
            raise Refusal(
                f"{table.path}: there is no column {name!r} for {option} among {table.columns}"
            )
    found = [source, target]
    for place, names in enumerate(ROLES):
        if found[place] is None:
            usual = [name for name in table.columns if name.casefold() in names]
            found[place] = usual[0] if len(usual) == 1 else None
    if None in found:
        left = _sentences(table) if len(table.columns) > 2 else list(table.columns)
        left = [name for name in left if name not in found]
        if len(left) != found.count(None):
            raise Refusal(
                f"{table.path}: it is not certain which of the columns {table.columns} hold the "
                f"sentences and their translations{_shown(table)}: name them by "
                f"{' and '.join(OPTIONS)}. If the file has one language, name the file of the "
                f"other one by --target"
            )
        found = [name or left.pop(0) for name in found]
    names = (str(found[0]), str(found[1]))
    by_order = any(name.casefold() not in role for name, role in zip(names, ROLES, strict=True))
    is_plain = list(table.columns) == ["1", "2"] or (not by_order and len(table.columns) == 2)
    if None in (source, target) and not is_plain:
        print(
            f"{table.path}: the source is in column {names[0]!r}, the target in column "
            f"{names[1]!r} ({' and '.join(OPTIONS)} say otherwise)"
        )
    return names


def _shown(table: Table) -> str:
    first = table.rows[0]
    return f"; line {first.start + 1} is {' | '.join(first.fields)!r:.60}"


def _sentences(table: Table) -> list[str]:
    """Return the columns that may hold sentences."""
    return [name for place, name in enumerate(table.columns) if _holds_sentences(table, place)]


def _holds_sentences(table: Table, place: int) -> bool:
    rows = [row.fields for row in table.rows if len(row.fields) == len(table.columns)]
    values = [value for fields in rows if (value := fields[place].strip())]
    if not values or all(map(NUMBER.fullmatch, values)):
        return False
    if sum(ATTRIBUTION.search(value) is not None for value in values) > 0.9 * len(values):
        return False
    return len(set(values)) > len(values) / FEW
