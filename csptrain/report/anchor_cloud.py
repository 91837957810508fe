"""The sizes of boxes as a cloud of dots with the anchors in it, coloured by the head that trains them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csptrain.datasets.anchors import FloatArray, best_anchor, box_sizes
from csptrain.datasets.lists import Samples
from csptrain.evaluate.anchor_deal import levels, limits
from csptrain.evaluate.anchor_fit import HeadAnchors, Plane, measure
from csptrain.report.chart import Axis
from csptrain.report.draw import class_colour
from csptrain.report.picture import Box, Line, Picture, Words

Item = Box | Line | Words

SIDE = 640.0
LEFT, TOP, RIGHT, BOTTOM = 64.0, 50.0, 24.0, 52.0
ROW = 20.0  # of the legend
MOST_DOTS = 4000
_DOT, _MARK, _LETTER = 2.4, 11.0, 7.6
_INK, _QUIET, _GRID, _FRAME, _LIMIT = "#1f2933", "#7b8794", "#e9edf1", "#c3cbd4", "#9aa5b1"
_NOBODY = "#b0b7bf"
_TICKS = 10


@dataclass(frozen=True)
class Group:
    """Boxes and anchors of one colour: ``sizes`` [N, 2], ``anchors`` [A, 2], and what the legend says of them."""

    name: str
    colour: str
    sizes: FloatArray
    anchors: FloatArray


def cloud_of_anchors(title: str, sizes: FloatArray, anchors: FloatArray) -> Picture:
    """Every box [N, 2] in the colour of the anchor [A, 2] that fits it best."""
    best, _ = best_anchor(sizes, anchors)
    mine = np.equal(best, np.arange(len(anchors))[:, None])
    groups = [
        Group(
            f"{width:g},{height:g}: {_share(mine[number])}",
            colour_of(number),
            sizes[mine[number]],
            anchors[number : number + 1],
        )
        for number, (width, height) in enumerate(anchors)
    ]
    return draw_cloud(title, groups)


def cloud_of_heads(title: str, samples: Samples, plane: Plane, heads: Sequence[HeadAnchors]) -> Picture:
    """Every box in the colour of the head that trains it, with lines between the ranges of the heads."""
    sizes, fit = box_sizes(samples, *plane), measure(samples, plane, heads)
    groups = [
        Group(
            f"layer {head.layer}, stride {head.stride:g}: {_share(mine)}",
            colour_of(number),
            sizes[mine],
            head.anchors[list(head.mask)],
        )
        for number, (head, mine) in enumerate(zip(heads, fit.trained, strict=True))
    ]
    nobody = np.equal(fit.trained.sum(0), 0)
    if nobody.any():
        groups.insert(0, Group(f"no head: {_share(nobody)}", _NOBODY, sizes[nobody], np.zeros((0, 2))))
    return draw_cloud(title, groups, limits(levels(heads)))


def draw_cloud(title: str, groups: Sequence[Group], borders: Sequence[float] | FloatArray = ()) -> Picture:
    """Both sides of every box and anchor on logarithmic axes; ``borders`` are square roots of areas."""
    top = TOP + ROW * len(groups)
    plot = _Plot(top, _axis([part for group in groups for part in (group.sizes, group.anchors)]))
    items: list[Item] = [*plot.grid(), *(plot.border(value) for value in borders)]
    total = sum(len(group.sizes) for group in groups)
    for group in groups:
        items += plot.dots(group.sizes, group.colour, total)
    for group in groups:
        items += plot.numbers(group.anchors)
    for group in groups:
        items += plot.marks(group.anchors, group.colour)
    items.append(Words(LEFT, 28, title, 15, _INK, bold=True, room=SIDE))
    for row, group in enumerate(groups):
        y = TOP + ROW * row
        items.append(Box(LEFT, y - 9, _MARK, _MARK, group.colour, _INK, 2))
        items.append(Words(LEFT + 20, y, group.name, 12, _INK, room=SIDE - 20))
    return Picture(LEFT + SIDE + RIGHT, top + SIDE + BOTTOM, items)


def _share(mine: npt.NDArray[np.bool_]) -> str:
    return f"{mine.sum()} boxes ({100 * mine.mean():.1f} %)"


def colour_of(number: int) -> str:
    """The colour of a group as #rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*class_colour(number))


def _pale(colour: str) -> str:
    """Halfway to white."""
    return "#" + "".join(f"{(int(colour[i : i + 2], 16) + 255) // 2:02x}" for i in (1, 3, 5))


def _axis(parts: Sequence[FloatArray]) -> Axis:
    values = np.concatenate([part.ravel() for part in parts])
    low, high = (float(values.min()), float(values.max())) if len(values) else (1.0, 2.0)
    return Axis(low / 1.15, high * 1.15, log=True)


class _Plot:
    """The square with both axes."""

    def __init__(self, top: float, axis: Axis) -> None:
        self._top, self._axis = top, axis

    def place(self, sizes: FloatArray) -> FloatArray:
        """Points [N, 2] of the picture for widths and heights [N, 2]."""
        across = LEFT + SIDE * self._axis.place(sizes[:, 0])
        up = self._top + SIDE * (1 - self._axis.place(sizes[:, 1]))
        return np.stack((across, up), 1)

    def grid(self) -> list[Item]:
        """Lines and numbers at round values, and what the axes are."""
        items: list[Item] = []
        bottom, right = self._top + SIDE, LEFT + SIDE
        for value in self._axis.ticks(_TICKS):
            ((x, y),) = self.place(np.full((1, 2), value))
            items += [Line(((x, self._top), (x, bottom)), _GRID), Line(((LEFT, y), (right, y)), _GRID)]
            items.append(Words(x, bottom + 17, f"{value:g}", 11, _INK, "middle"))
            items.append(Words(LEFT - 7, y + 4, f"{value:g}", 11, _INK, "end"))
        frame = ((LEFT, self._top), (right, self._top), (right, bottom), (LEFT, bottom), (LEFT, self._top))
        items.append(Line(frame, _FRAME, radius=0))
        items.append(Words(LEFT + SIDE / 2, bottom + 38, "width", 12, _QUIET, "middle"))
        items.append(Words(LEFT + 6, self._top + 16, "height", 12, _QUIET))
        return items

    def border(self, side: float) -> Line:
        """All sizes of the area of a square."""
        low, high = self._axis.low, self._axis.high
        widths = np.clip([side * side / high, side * side / low], low, high)
        ends = self.place(np.stack((widths, side * side / widths), 1))
        return Line(tuple((float(x), float(y)) for x, y in ends), _LIMIT, 1.4)

    def dots(self, sizes: FloatArray, colour: str, total: int) -> list[Item]:
        """A pale dot a box; of a ``total`` beyond ``MOST_DOTS`` an even share."""
        colour = _pale(colour)
        keep = np.arange(0, len(sizes), max(total / MOST_DOTS, 1.0)).astype(np.intp)
        return [Box(x - _DOT / 2, y - _DOT / 2, _DOT, _DOT, colour, radius=1) for x, y in self.place(sizes[keep])]

    def numbers(self, anchors: FloatArray) -> list[Item]:
        """What every anchor is, on white, right of its mark."""
        items: list[Item] = []
        for (x, y), (width, height) in zip(self.place(anchors), anchors, strict=True):
            text = f"{width:g},{height:g}"
            items.append(Box(x + _MARK * 0.5, y - 8, _MARK * 0.5 + _LETTER * len(text), 16, "#ffffff", radius=4))
            items.append(Words(x + _MARK * 0.9, y + 4, text, 12, _INK, bold=True))
        return items

    def marks(self, anchors: FloatArray, colour: str) -> list[Item]:
        """A square for every anchor."""
        places = self.place(anchors)
        return [Box(x - _MARK / 2, y - _MARK / 2, _MARK, _MARK, colour, _INK, 2) for x, y in places]
