"""A sheet as text, Markdown, CSV, JSON and one HTML page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from csptrain.errors import CspError
from csptrain.formats.files import write_atomically
from csptrain.paper.cell import Cell, Verdict
from csptrain.paper.sheet import Line, Sheet
from csptrain.report.draw import save_png
from csptrain.report.page import drawing, heading, page, paragraph, table
from csptrain.report.picture import paint, svg

PARTS = ("paper", "here", "difference")
_STYLES = {Verdict.MATCH: "match", Verdict.KNOWN: "known", Verdict.DEVIATES: "deviates"}


@dataclass(frozen=True)
class _Column:
    """A column of the sheet and those of its three parts that any row has."""

    name: str
    parts: tuple[str, ...]


def lines(sheet: Sheet) -> Iterator[str]:
    """The sheet for a terminal; its score is the last line."""
    yield sheet.title
    yield ""
    columns = _columns(sheet)
    if sheet.lines:
        names = [*sheet.labels, *_repeated(columns)]
        parts = [*("" for _ in sheet.labels), *(part for column in columns for part in column.parts)]
        yield from _aligned([names, parts, *(_row(line, columns) for line in sheet.lines)], len(sheet.labels))
        yield ""
    for statement in sheet.statements:
        cell = statement.cell
        yield f"{cell.column}: {statement.text}: paper {cell.paper}, here {cell.here}  {_sign(cell)}"
    if sheet.statements:
        yield ""
    yield from _remarks(sheet)
    yield sheet.score


def markdown(sheet: Sheet) -> str:
    """The sheet as a Markdown page."""
    columns = _columns(sheet)
    heads = [f"{column.name} ({part})" for column in columns for part in column.parts]
    found = [f"# {sheet.title}", ""]
    if sheet.lines:
        found += [_piped([*sheet.labels, *heads]), _piped(["---"] * (len(sheet.labels) + len(heads)))]
        found += [*(_piped(_row(line, columns)) for line in sheet.lines), ""]
    if sheet.statements:
        found += ["| where | what the text says | paper | here | difference |", "|---|---|---|---|---|"]
        found += [
            _piped([cell.column, statement.text, cell.paper, cell.here, cell.difference])
            for statement in sheet.statements
            for cell in (statement.cell,)
        ]
        found.append("")
    found += [f"- {remark}" for remark in _remarks(sheet) if remark]
    return "\n".join([*found, "", f"**{sheet.score}**", ""])


def comma_separated(sheet: Sheet) -> str:
    """A line for each figure: sheet, row, cfg, column, paper, here, difference, verdict, note."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["sheet", *sheet.labels, "cfg", "column", *PARTS, "verdict", "note"])
    rows = [(list(line.labels), line.cfg, cell) for line in sheet.lines for cell in line.cells]
    blank = [""] * (len(sheet.labels) - 1)
    rows += [([statement.text, *blank], "", statement.cell) for statement in sheet.statements]
    for labels, cfg, cell in rows:
        figures = [cell.paper, cell.here, cell.difference, cell.verdict.value, cell.note]
        writer.writerow([sheet.name, *labels, cfg, cell.column, *figures])
    return stream.getvalue()


def html(sheet: Sheet) -> str:
    """The sheet as a page of its own, its pictures in it."""
    columns = _columns(sheet)
    parts = [drawing(svg(picture)) for picture in sheet.pictures]
    if sheet.lines:
        heads = [f"{column.name} ({part})" for column in columns for part in column.parts]
        rows = [[*_row(line, columns), line.evidence, line.note] for line in sheet.lines]
        styles = [[*_row_styles(line, columns), "", ""] for line in sheet.lines]
        parts.append(table([*sheet.labels, *heads, "evidence", "note"], rows, styles))
    if sheet.statements:
        parts.append(heading("What the text says"))
        rows = [[s.cell.column, s.text, s.cell.paper, s.cell.here, s.cell.difference] for s in sheet.statements]
        styles = [["", "", "", *[_STYLES.get(s.cell.verdict, "")] * 2] for s in sheet.statements]
        parts.append(table(["where", "what", *PARTS], rows, styles))
    parts += [paragraph(remark) for remark in _remarks(sheet) if remark]
    return page(sheet.title, [*parts, heading(sheet.score)])


def write(sheet: Sheet, folder: Path) -> list[Path]:
    """Write all forms, and the pictures as PNG, below ``folder``; raises CspError."""
    texts = {
        "md": markdown(sheet),
        "csv": comma_separated(sheet),
        "json": json.dumps(sheet.as_dict(), indent=1) + "\n",
        "html": html(sheet),
    }
    written = []
    for ending, text in texts.items():
        written.append(folder / f"{sheet.name}.{ending}")
        write_atomically(written[-1], [text.encode()], CspError)
    for number, picture in enumerate(sheet.pictures, 1):
        written.append(folder / f"{sheet.name}{f'-{number}' if len(sheet.pictures) > 1 else ''}.png")
        save_png(paint(picture), written[-1])
    return written


def _columns(sheet: Sheet) -> list[_Column]:
    found = []
    for name in sheet.columns:
        cells = [line.cell(name) for line in sheet.lines]
        parts = tuple(part for part in PARTS if any(getattr(cell, part) for cell in cells))
        found.append(_Column(name, parts))
    return [column for column in found if column.parts]


def _repeated(columns: Sequence[_Column]) -> list[str]:
    """The name of each column above its first part."""
    return [column.name if not place else "" for column in columns for place, _ in enumerate(column.parts)]


def _row(line: Line, columns: Sequence[_Column]) -> list[str]:
    figures = (getattr(line.cell(column.name), part) for column in columns for part in column.parts)
    return [*line.labels, *figures]


def _row_styles(line: Line, columns: Sequence[_Column]) -> list[str]:
    styles = ["quoted" if line.quoted else ""] * len(line.labels)
    for column in columns:
        verdict = _STYLES.get(line.cell(column.name).verdict, "quoted" if line.quoted else "")
        styles += [verdict if part != "paper" else "quoted" if line.quoted else "" for part in column.parts]
    return styles


def _sign(cell: Cell) -> str:
    return cell.difference if cell.counted else f"{cell.difference} (not held against it)".strip()


def _remarks(sheet: Sheet) -> Iterator[str]:
    """Every figure that is not met with its reason, then the notes of rows and of the sheet."""
    told = set()
    for name, cell in sheet.deviations():
        told.add(cell.note)
        why = cell.note or "no reason is known"
        yield f"{name}: {cell.column}: paper {cell.paper}, here {cell.here}, off by {cell.difference}: {why}"
    for line in sheet.lines:
        for note in (line.note, *(cell.note for cell in line.cells)):
            if note and note not in told:
                told.add(note)
                yield f"{', '.join(filter(None, line.labels))}: {note}"
    quoted = [line.labels[0] for line in sheet.lines if line.quoted]
    if quoted:
        yield f"quoted as the paper has them: {', '.join(dict.fromkeys(quoted))}"
    yield from sheet.notes


def _piped(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _aligned(rows: Sequence[Sequence[str]], words: int) -> Iterator[str]:
    """Columns of one width; the first ``words`` to the left, figures to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = (
            text.ljust(width) if place < words else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
