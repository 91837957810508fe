"""Speeds as bars, a panel for each comparison, every bar with what it is of the panel's baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from csptrain.report.picture import Box, Line, Picture, Words

BARS = 420.0  # width of the longest bar
MARGIN, NAMES, FIGURES = 20.0, 190.0, 190.0
_ROW, _HEAD, _GAP = 24.0, 34.0, 18.0
_INK, _FAINT, _GRID = "#1f2933", "#66727f", "#b4bcc4"
_BASELINE, _OTHER = "#8a949e", "#2f6fb3"


@dataclass(frozen=True)
class Bar:
    """``length`` in any unit, and what is written behind it."""

    name: str
    length: float
    text: str
    baseline: bool = False


@dataclass(frozen=True)
class Panel:
    """Bars of one scale of their own."""

    title: str
    bars: tuple[Bar, ...]


def draw_ratios(panels: Sequence[Panel], title: str, note: str) -> Picture:
    """The panels one below the other."""
    items: list[Box | Line | Words] = [Words(MARGIN, MARGIN + 16, title, 18, _INK, bold=True)]
    y = MARGIN + _HEAD
    for panel in panels:
        items += _panel(panel, y)
        y += _HEAD + _ROW * len(panel.bars) + _GAP
    width = 2 * MARGIN + NAMES + BARS + FIGURES
    items.append(Words(MARGIN, y, note, 11, _FAINT, room=width - 2 * MARGIN))
    return Picture(width, y + MARGIN, items)


def _panel(panel: Panel, top: float) -> Iterator[Box | Line | Words]:
    yield Words(MARGIN, top + 18, panel.title, 13, _INK, bold=True)
    left, longest = MARGIN + NAMES, max((bar.length for bar in panel.bars), default=0.0) or 1.0
    for place, bar in enumerate(panel.bars):
        y = top + _HEAD + place * _ROW
        yield Words(left - 10, y + 13, bar.name, 12, _INK, anchor="end", room=NAMES - 10)
        wide = BARS * bar.length / longest
        yield Box(left, y, max(wide, 1.0), _ROW - 7, _BASELINE if bar.baseline else _OTHER)
        yield Words(left + wide + 8, y + 13, bar.text, 11, _INK)
    bottom = top + _HEAD + _ROW * len(panel.bars) - 4
    yield Line(((left, top + _HEAD - 4), (left, bottom)), _GRID)
