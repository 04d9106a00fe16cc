"""Markdown tables from the JSON of a suite, and from nothing else."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.suite import UNITS, Ratio, Row, geometric_mean, median
from benchmarks.timing import spread

MISSING = "-"


def render(results: Mapping[str, Any]) -> str:
    """Return the page of a suite: what was measured on what, the tables, the checks."""
    rows = [Row(**row) for row in results["rows"]]
    ratios = [Ratio(**ratio) for ratio in results["ratios"]]
    parts = [f"# {results['suite']}", results["about"], _circumstances(results, rows, ratios)]
    for title in dict.fromkeys(row.table for row in rows):
        of_table = [row for row in rows if row.table == title]
        several = any(len(rounds) > 1 for row in of_table for rounds in row.rounds.values())
        heading = f"## {title}: {'median, ' if several else ''}{results['unit']}"
        parts += [heading, _numbers(of_table, ratios, results["unit"], results["mean"])]
    if not rows:
        parts.append("Nothing was measured.")
    if results["checks"]:
        parts += ["## Checks", _checks(results["checks"])]
    return "\n\n".join(parts) + "\n"


def _circumstances(results: Mapping[str, Any], rows: Sequence[Row], ratios: Sequence[Ratio]) -> str:
    machine = results["machine"]
    versions = {"PyTorch" if k == "torch" else k: v for k, v in machine["versions"].items() if v}
    lines = [
        f"`{results['command']}`, {results['date'][:10]}, {machine['processor']}, "
        f"{machine['cores']} cores, {machine['threads']['tensorflow']} threads each, on "
        f"{machine.get('gpu') or 'the CPU'}.",
        ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        f"Load of the machine before: {machine['load_before']:g}.",
    ]
    if results["quick"]:
        lines.append("**A quick run on tiny shapes: its numbers mean nothing.**")
    if not machine["versions"]["torch"] and any("torch" in ratio for ratio in ratios):
        lines.append("PyTorch was not measured.")
    spreads = [spread(rounds) for row in rows for rounds in row.rounds.values() if len(rounds) > 1]
    if spreads:
        lines.append(
            "Ratios are medians over the rounds that two contenders shared. The middle half of "
            f"the rounds is {statistics.median(spreads):.0%} of the median wide (median over all "
            f"numbers below; at most {max(spreads):.0%})."
        )
    firsts = {
        name: statistics.median(row.first_call_s[name] for row in rows if name in row.first_call_s)
        for name in _contenders(rows)
        if any(name in row.first_call_s for row in rows)
    }
    if firsts:
        each = ", ".join(f"{name} {seconds:.2g}" for name, seconds in firsts.items())
        lines.append(f"First call, with tracing and compiling, median in seconds: {each}.")
    return "\n".join(lines)


def _numbers(rows: Sequence[Row], ratios: Sequence[Ratio], unit: str, mean: bool) -> str:
    contenders = _contenders(rows)
    ratios = [ratio for ratio in ratios if {ratio.above, ratio.below} <= set(contenders)]
    lines = []
    for row in rows:
        medians = [median(row, name) for name in contenders]
        numbers = [None if number is None else UNITS[unit] * number for number in medians]
        compared = [row.ratio(ratio.above, ratio.below) for ratio in ratios]
        lines.append([row.case, *map(_three_digits, numbers), *map(_two_places, compared)])
    if mean:
        # A suite may have rows in which a contender has no place.
        found = [[row.ratio(ratio.above, ratio.below) for row in rows] for ratio in ratios]
        means = [geometric_mean(r for r in column if r is not None) for column in found]
        blanks = [""] * len(contenders)
        lines.append(["**geometric mean**", *blanks, *map(_two_places, means)])
    return _table(["", *contenders, *(ratio.title for ratio in ratios)], lines)


def _checks(checks: Iterable[Mapping[str, Any]]) -> str:
    answers = {True: "yes", False: "**no**", None: "not measured"}
    lines = [
        [
            check["claim"],
            check["wanted"],
            _two_places(check["measured"]),
            answers[check["reached"]],
            check["where"],
        ]
        for check in checks
    ]
    return _table(["", "wanted", "measured", "reached", "where not"], lines)


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    ruler = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ruler, *lines))


def _contenders(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.rounds))


def _two_places(number: float | None) -> str:
    if number is None:
        return MISSING
    return f"{number:.2f}" if number >= 0.005 else f"{number:.2g}"


def _three_digits(number: float | None) -> str:
    if number is None:
        return MISSING
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"
