"""Comparisons as text, as a Markdown page, as CSV, and as one object for JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from csptrain.bench.goals import HEADER, Verdict, judge
from csptrain.bench.result import MIB, Comparison, Figure


@dataclass(frozen=True)
class Report:
    """What a command measured: ``machine`` says where, ``verb`` what, ``date`` when; a ``quick`` one proves nothing."""

    verb: str
    machine: Mapping[str, str]
    comparisons: tuple[Comparison, ...]
    date: str
    quick: bool = False

    @property
    def verdicts(self) -> list[Verdict]:
        """The goals that it can judge."""
        return [] if self.quick else judge(self.comparisons)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "bench": self.verb,
            "date": self.date,
            "quick": self.quick,
            "machine": dict(self.machine),
            "comparisons": [comparison.as_dict() for comparison in self.comparisons],
            "goals": [verdict.as_dict() for verdict in self.verdicts],
        }


def lines(report: Report) -> Iterator[str]:
    """The report for a terminal."""
    for comparison in report.comparisons:
        yield f"{comparison.title} ({_how(comparison)})"
        header, rows = _table(comparison)
        yield from _aligned([header, *rows])
        yield from _remarks(comparison)
        yield ""
    if report.verdicts:
        yield from _aligned([list(HEADER), *(verdict.cells for verdict in report.verdicts)])
        yield ""
    if report.quick:
        yield "a quick run: it shows that everything works, its figures mean nothing"


def markdown(report: Report) -> list[str]:
    """The report as lines of a page: the machine, the goals, a table for each comparison."""
    found = [f"Measured on {report.date} by `csptrain bench {report.verb}`:", ""]
    found += [f"* {name}: {words}" for name, words in report.machine.items()]
    if report.quick:
        found += ["", "A quick run: it shows that everything works, its figures mean nothing."]
    if report.verdicts:
        met = sum(verdict.value is not None and verdict.goal.met(verdict.value) for verdict in report.verdicts)
        found += ["", "### Goals", "", *_piped([list(HEADER), *(verdict.cells for verdict in report.verdicts)])]
        found += ["", f"{met} of {len(report.verdicts)} goals are met."]
    for comparison in report.comparisons:
        header, rows = _table(comparison)
        found += ["", f"### {comparison.title}", "", *_piped([header, *rows]), ""]
        found += [f"* {line}" for line in (_how(comparison), *_remarks(comparison))]
    return found


def comma_separated(report: Report) -> str:
    """A line for each side; seconds and bytes."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    numbers = "seconds p95_seconds per_second speed passes turns start_bytes peak_bytes memory left_out".split()
    about = _about(figure for comparison in report.comparisons for figure in comparison.figures)
    writer.writerow(["key", "baseline", "threads", "side", *(name.replace(" ", "_") for name in about), *numbers])
    for comparison in report.comparisons:
        for side in comparison.as_dict()["sides"]:
            cells = (side.get(name, "") for name in (*about, *numbers))
            writer.writerow([comparison.key, comparison.baseline, comparison.threads, side["side"], *cells])
    return stream.getvalue()


def _how(comparison: Comparison) -> str:
    turns = max((len(figure.turns) for figure in comparison.figures), default=0)
    warm = f", warm-up {comparison.warm_up}" if comparison.warm_up else ""
    return f"threads {comparison.threads}, turns {turns}{warm}; {comparison.took:.0f} s in all"


def _table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Its header and rows."""
    about = _about(comparison.figures)
    unit = comparison.unit
    times = ["median", "p95", f"{unit}s/s", f"x {comparison.baseline}", "memory", "x of it"]
    rows = []
    for figure in comparison.figures:
        words = [figure.side, *(figure.about.get(name, "") for name in about)]
        rows.append([*words, *_numbers(comparison, figure)] if figure.turns else [*words, *["-"] * len(times)])
    return ["side", *about, *times], rows


def _numbers(comparison: Comparison, figure: Figure) -> list[str]:
    speed, memory = comparison.speed(figure.side), comparison.memory(figure.side)
    return [
        _seconds(figure.seconds),
        _seconds(figure.p95),
        f"{comparison.per_second(figure):.4g}",
        f"{speed:.2f}" if speed else "",
        f"{figure.used / MIB:.0f} MiB",
        f"{memory:.2f}" if memory else "",
    ]


def _about(figures: Iterator[Figure] | Sequence[Figure]) -> list[str]:
    return list(dict.fromkeys(name for figure in figures for name in figure.about))


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def _remarks(comparison: Comparison) -> Iterator[str]:
    yield from (f"{figure.side} is left out: {figure.left_out}" for figure in comparison.figures if figure.left_out)
    yield from comparison.notes


def _piped(rows: Sequence[Sequence[str]]) -> list[str]:
    texts = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return [texts[0], "|" + "---|" * len(rows[0]), *texts[1:]]


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of one width, the first to the left."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        first, *rest = (text.rjust(width) for text, width in zip(row, widths, strict=True))
        yield "  ".join((first.strip().ljust(widths[0]), *rest)).rstrip()
