"""Points of several series, each joined by a line, with what stands at each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from csptrain.report.picture import Box, Line, Picture, Point, Words
from csptrain.report.scale import Scale

WIDTH, HEIGHT = 720.0, 420.0  # of the plot
MARGIN, LEFT, TOP, BOTTOM = 20.0, 54.0, 48.0, 64.0
COLOURS = ("#5a6b7b", "#b5651d", "#2e8b57", "#2f6fb3", "#7b4ea3", "#8a7a1f")
_INK, _FAINT, _GRID = "#1f2933", "#66727f", "#e6eaee"
_DOT = 9.0
_LABEL = 11.0  # height of the words at a point


@dataclass(frozen=True)
class Series:
    """Points (x, y, what stands at it); ``colour`` is a place in COLOURS, ``hollow`` for empty dots."""

    name: str
    points: tuple[tuple[float, float, str], ...]
    colour: int
    hollow: bool = False


def draw_scatter(series: Sequence[Series], title: str, x_name: str, y_name: str, note: str) -> Picture:
    """The plot, its legend to the right; raises ValueError without a point."""
    points = [point for one in series for point in one.points]
    if not points:
        raise ValueError("there is no point to draw")
    across = Scale.around(min(x for x, _, _ in points), max(x for x, _, _ in points))
    up = Scale.around(min(y for _, y, _ in points), max(y for _, y, _ in points))
    plot = _Plot(across, up, MARGIN + LEFT, MARGIN + TOP)
    items: list[Box | Line | Words] = [Words(MARGIN, MARGIN + 16, title, 18, _INK, bold=True)]
    items += plot.grid(x_name, y_name)
    room = _Room([plot.places(one) for one in series])
    for one in series:
        items += plot.series(one, room)
    legend = MARGIN + LEFT + WIDTH + 26
    for place, one in enumerate(series):
        y = MARGIN + TOP + 14 + 22 * place
        items += [*_dot(legend, y - 4, one), Words(legend + 14, y, one.name, 12, _INK)]
    width = legend + 40 + 7.4 * max(len(one.name) for one in series) + MARGIN
    bottom = MARGIN + TOP + HEIGHT + BOTTOM
    items.append(Words(MARGIN, bottom, note, 11, _FAINT, room=width - 2 * MARGIN))
    return Picture(width, bottom + MARGIN, items)


@dataclass(frozen=True)
class _Plot:
    across: Scale
    up: Scale
    left: float
    top: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        return self.left + self.across.place(x) * WIDTH, self.top + (1 - self.up.place(y)) * HEIGHT

    def grid(self, x_name: str, y_name: str) -> Iterator[Line | Words]:
        right, bottom = self.left + WIDTH, self.top + HEIGHT
        for value in self.across.values():
            x, _ = self.place(value, self.up.low)
            yield Line(((x, self.top), (x, bottom)), _GRID, 1.0)
            yield Words(x, bottom + 17, f"{value:.6g}", 11, _FAINT, "middle")
        for value in self.up.values():
            _, y = self.place(self.across.low, value)
            yield Line(((self.left, y), (right, y)), _GRID, 1.0)
            yield Words(self.left - 8, y + 4, f"{value:.6g}", 11, _FAINT, "end")
        yield Words((self.left + right) / 2, bottom + 38, x_name, 12, _INK, "middle")
        yield Words(MARGIN, self.top - 10, y_name, 12, _INK)

    def places(self, one: Series) -> list[Point]:
        return [self.place(x, y) for x, y, _ in one.points]

    def series(self, one: Series, room: _Room) -> Iterator[Box | Line | Words]:
        """Line, dots and words."""
        colour = COLOURS[one.colour % len(COLOURS)]
        places = self.places(one)
        if len(places) > 1:
            yield Line(tuple(places), colour, 1.6, 0.0)
        for place, (_, _, name) in zip(places, one.points, strict=True):
            yield from _dot(*place, one)
            if name:
                yield Words(*room.beside(place, 6.6 * len(name)), name, _LABEL, colour)


class _Room:
    """Where words may stand: not on other words, lines or dots."""

    def __init__(self, lines: Sequence[Sequence[Point]]) -> None:
        self.marks = [dot for line in lines for dot in line]
        for line in lines:
            for (x0, y0), (x1, y1) in pairwise(line):
                count = max(int(max(abs(x1 - x0), abs(y1 - y0)) / 3), 1)
                self.marks += [(x0 + (x1 - x0) * k / count, y0 + (y1 - y0) * k / count) for k in range(count)]

    def beside(self, point: Point, width: float) -> Point:
        """Left end and baseline of words beside a point, at the first free place, else the least crowded one."""
        x, y = point
        tries = [(x + 9, y + 15), (x + 9, y - 6), (x - 9 - width, y - 6), (x - 9 - width, y + 15), (x + 10, y + 4)]
        tries += [(x - width / 2, y + 22), (x - width / 2, y - 12)]
        left, base = min(tries, key=lambda place: self._crowd(place, width))
        # Words take their place for all that follow.
        self.marks += [(left + width * k / 8, base - _LABEL * j / 2) for k in range(9) for j in range(3)]
        return left, base

    def _crowd(self, place: Point, width: float) -> int:
        left, base = place
        return sum(left - 3 < x < left + width + 3 and base - _LABEL - 3 < y < base + 4 for x, y in self.marks)


def _dot(x: float, y: float, one: Series) -> Iterator[Box]:
    colour = COLOURS[one.colour % len(COLOURS)]
    yield Box(x - _DOT / 2, y - _DOT / 2, _DOT, _DOT, colour, radius=_DOT / 2)
    if one.hollow:
        yield Box(x - _DOT / 2 + 2, y - _DOT / 2 + 2, _DOT - 4, _DOT - 4, "#ffffff", radius=_DOT / 2)
