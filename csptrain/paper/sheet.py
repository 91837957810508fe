"""A table or figure of the paper as lines of cells, with the sentences of its text, and how much of it is met."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from csptrain.paper.cell import Cell, Verdict
from csptrain.report.picture import Picture


@dataclass(frozen=True)
class Line:
    """A row: what it is called (one text for each of the sheet's labels), its figures, and what is known of it."""

    labels: tuple[str, ...]
    cells: tuple[Cell, ...]
    cfg: str = ""
    quoted: bool = False
    evidence: str = ""
    note: str = ""

    def cell(self, column: str) -> Cell:
        """The figure of a column; an empty one where there is none."""
        return next((cell for cell in self.cells if cell.column == column), Cell(column))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "labels": list(self.labels),
            "cfg": self.cfg,
            "quoted": self.quoted,
            "evidence": self.evidence,
            "note": self.note,
            "cells": [cell.as_dict() for cell in self.cells],
        }


@dataclass(frozen=True)
class Statement:
    """A figure in a sentence of the paper; the cell's column names where it stands."""

    text: str
    cell: Cell


@dataclass(frozen=True)
class Sheet:
    """A table or figure; ``notes`` are said below it."""

    name: str
    title: str
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    statements: tuple[Statement, ...] = ()
    notes: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = field(default=(), repr=False)

    def counted(self) -> list[Cell]:
        """The figures that are held against the paper's."""
        cells = [cell for line in self.lines for cell in line.cells]
        return [cell for cell in [*cells, *(statement.cell for statement in self.statements)] if cell.counted]

    @property
    def score(self) -> str:
        """How many figures are met, in words."""
        counted = self.counted()
        return f"matched {sum(cell.verdict is Verdict.MATCH for cell in counted)} of {len(counted)}"

    @property
    def unexplained(self) -> int:
        """How many figures differ without a known reason."""
        return sum(cell.verdict is Verdict.DEVIATES for cell in self.counted())

    def deviations(self) -> Iterator[tuple[str, Cell]]:
        """Name of the row, or the sentence, and each figure that is not met."""
        for line in self.lines:
            yield from ((", ".join(filter(None, line.labels)), cell) for cell in line.cells if _off(cell))
        yield from ((statement.text, statement.cell) for statement in self.statements if _off(statement.cell))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        counted = self.counted()
        return {
            "name": self.name,
            "title": self.title,
            "labels": list(self.labels),
            "columns": list(self.columns),
            "lines": [line.as_dict() for line in self.lines],
            "statements": [{"text": item.text, **item.cell.as_dict()} for item in self.statements],
            "notes": list(self.notes),
            "matched": sum(cell.verdict is Verdict.MATCH for cell in counted),
            "compared": len(counted),
            "unexplained": self.unexplained,
        }


def _off(cell: Cell) -> bool:
    return cell.verdict in (Verdict.KNOWN, Verdict.DEVIATES)
