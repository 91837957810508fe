"""One figure: as the paper prints it, as it is here, how far apart they are, and what that means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_PRINTED = re.compile(r"([+-]?)(\d+(?:\.(\d+))?)(.*)", re.DOTALL)


class Verdict(Enum):
    """What a cell says.

    MATCH: equal in the printed digits. KNOWN: it differs, as its note says. DEVIATES: it differs, unexplained.
    BESIDE: shown beside the paper's and not held against it (speeds, accuracies of other trainings, quoted systems).
    PAPER: only the paper has it. HERE: the paper has none.
    """

    MATCH = "match"
    KNOWN = "known"
    DEVIATES = "deviates"
    BESIDE = "beside"
    PAPER = "paper"
    HERE = "here"


COUNTED = (Verdict.MATCH, Verdict.KNOWN, Verdict.DEVIATES)


@dataclass(frozen=True)
class Printed:
    """A figure as it is printed: ``2.83M``, ``0.888``, ``-13%``."""

    text: str
    value: float
    decimals: int
    signed: bool
    unit: str

    @classmethod
    def read(cls, text: str) -> Printed:
        """Raises ValueError for what is no figure."""
        found = _PRINTED.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no figure")
        sign, number, fraction, unit = found.groups()
        return cls(text, float(sign + number), len(fraction or ""), bool(sign), unit)

    def like(self, value: float) -> str:
        """Another value in the same digits and unit."""
        return f"{value:{'+' if self.signed else ''}.{self.decimals}f}{self.unit}"

    def difference(self, value: float) -> str:
        """How far a value of other digits is off; ``=`` for equal digits."""
        if self.like(value) == self.text:
            return "="
        off = value - self.value
        percent = f" ({100 * off / abs(self.value):+.1f}%)" if self.value and self.unit != "%" else ""
        return f"{off:+.{max(self.decimals, 1)}f}{percent}"


@dataclass(frozen=True)
class Cell:
    """A figure of a column; what is missing is empty."""

    column: str
    paper: str = ""
    here: str = ""
    difference: str = ""
    verdict: Verdict = Verdict.PAPER
    note: str = ""

    @property
    def counted(self) -> bool:
        """Whether the figure is held against the paper's."""
        return self.verdict in COUNTED

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return {
            "column": self.column,
            "paper": self.paper,
            "here": self.here,
            "difference": self.difference,
            "verdict": self.verdict.value,
            "note": self.note,
        }


def held_against(column: str, printed: str, value: float, known: str = "", note: str = "") -> Cell:
    """The cell of a figure that must be met; ``known`` is what it is known to be here instead, ``note`` why."""
    figure = Printed.read(printed)
    here, difference = figure.like(value), figure.difference(value)
    if here == printed:
        return Cell(column, printed, here, difference, Verdict.MATCH)
    verdict = Verdict.KNOWN if here == known else Verdict.DEVIATES
    return Cell(column, printed, here, difference, verdict, note)


def beside(column: str, printed: str, value: float, note: str = "") -> Cell:
    """The cell of a figure that is another measurement."""
    figure = Printed.read(printed)
    return Cell(column, printed, figure.like(value), figure.difference(value), Verdict.BESIDE, note)


def only_paper(column: str, printed: str) -> Cell:
    """The cell of a figure that nothing here stands against; ``printed`` may be empty."""
    return Cell(column, printed)


def only_here(column: str, text: str, note: str = "") -> Cell:
    """The cell of a figure that the paper has not."""
    return Cell(column, here=text, verdict=Verdict.HERE, note=note)
