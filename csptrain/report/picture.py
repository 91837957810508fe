"""Pictures made of boxes, lines and words, written as SVG or painted as pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

import cv2
import numpy as np
import numpy.typing as npt

Point = tuple[float, float]
Pixels = npt.NDArray[np.uint8]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 22.0  # pixels of a capital of _FONT at scale 1
_FINE = 4  # fractional bits of the coordinates that are painted
_MOST_PIXELS = 60_000_000


@dataclass(frozen=True)
class Box:
    """A filled rectangle with rounded corners; colours are #rrggbb."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str | None = None
    radius: float = 3.0


@dataclass(frozen=True)
class Line:
    """A line through points, its corners rounded."""

    points: tuple[Point, ...]
    colour: str
    width: float = 1.2
    radius: float = 6.0


@dataclass(frozen=True)
class Words:
    """Text whose baseline begins, has its middle or ends (``start``, ``middle``, ``end``) at a point.

    ``room`` is the greatest width it may take; longer text is set smaller. ``turned`` text is read from below to
    above.
    """

    x: float
    y: float
    text: str
    size: float = 11.0
    colour: str = "#1f2933"
    anchor: str = "start"
    bold: bool = False
    room: float | None = None
    turned: bool = False


@dataclass(frozen=True)
class Picture:
    """Items from back to front on white."""

    width: float
    height: float
    items: Sequence[Box | Line | Words]


def svg(picture: Picture) -> str:
    """The picture as an SVG document."""
    size = f'width="{picture.width:g}" height="{picture.height:g}" viewBox="0 0 {picture.width:g} {picture.height:g}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="Helvetica, Arial, sans-serif">']
    lines.append('<rect width="100%" height="100%" fill="#ffffff"/>')
    lines += [_element(item) for item in picture.items]
    return "\n".join([*lines, "</svg>", ""])


def paint(picture: Picture, scale: float = 2.0) -> Pixels:
    """The picture as uint8 [H, W, 3] RGB; a very large one is painted smaller than ``scale`` asks for."""
    scale = min(scale, (_MOST_PIXELS / (picture.width * picture.height)) ** 0.5)
    shape = (max(round(picture.height * scale), 1), max(round(picture.width * scale), 1), 3)
    canvas = np.full(shape, 255, np.uint8)
    for item in picture.items:
        if isinstance(item, Box):
            _paint_box(canvas, item, scale)
        elif isinstance(item, Line):
            points = [_corner_points(item)]
            fine = [np.array(np.round(np.array(part) * scale * (1 << _FINE)), np.int32) for part in points]
            thick = max(round(item.width * scale), 1)
            cv2.polylines(canvas, fine, False, _rgb(item.colour), thick, cv2.LINE_AA, _FINE)
        else:
            _paint_words(canvas, item, scale)
    return canvas


def _element(item: Box | Line | Words) -> str:
    if isinstance(item, Box):
        stroke = f' stroke="{item.stroke}"' if item.stroke else ""
        place = f'x="{item.x:g}" y="{item.y:g}" width="{item.width:g}" height="{item.height:g}" rx="{item.radius:g}"'
        return f'<rect {place} fill="{item.fill}"{stroke}/>'
    if isinstance(item, Line):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in _corner_points(item))
        return f'<polyline points="{points}" fill="none" stroke="{item.colour}" stroke-width="{item.width:g}"/>'
    # No font is known here: half an em a letter is what these need on average.
    wide = item.room is not None and len(item.text) * item.size * 0.52 > item.room
    squeeze = f' textLength="{item.room:g}" lengthAdjust="spacingAndGlyphs"' if wide else ""
    bold = ' font-weight="bold"' if item.bold else ""
    turn = f' transform="rotate(-90 {item.x:.1f} {item.y:.1f})"' if item.turned else ""
    style = f'font-size="{item.size:g}" fill={quoteattr(item.colour)} text-anchor="{item.anchor}"{bold}{squeeze}{turn}'
    return f'<text x="{item.x:.1f}" y="{item.y:.1f}" {style}>{escape(item.text)}</text>'


def _corner_points(line: Line) -> list[Point]:
    """The line with each corner as five points of a curve."""
    points = line.points
    if not line.radius:
        return list(points)
    found = [points[0]]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        ends = [_towards(corner, other, line.radius) for other in (before, after)]
        for step in (0.0, 0.25, 0.5, 0.75, 1.0):
            a, b, c = (1 - step) ** 2, 2 * step * (1 - step), step**2
            found.append(
                (a * ends[0][0] + b * corner[0] + c * ends[1][0], a * ends[0][1] + b * corner[1] + c * ends[1][1])
            )
    return [*found, points[-1]]


def _towards(start: Point, end: Point, distance: float) -> Point:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = (dx * dx + dy * dy) ** 0.5
    share = min(distance / length, 0.5) if length else 0.0
    return start[0] + share * dx, start[1] + share * dy


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _paint_box(canvas: Pixels, box: Box, scale: float) -> None:
    left, top = round(box.x * scale), round(box.y * scale)
    right, bottom = round((box.x + box.width) * scale), round((box.y + box.height) * scale)
    cv2.rectangle(canvas, (left, top), (right, bottom), _rgb(box.fill), cv2.FILLED)
    if box.stroke:
        cv2.rectangle(canvas, (left, top), (right, bottom), _rgb(box.stroke), max(round(scale / 2), 1), cv2.LINE_AA)


def _paint_words(canvas: Pixels, words: Words, scale: float) -> None:
    text = words.text.encode("ascii", "replace").decode()
    letter = words.size * 0.74 / _FONT_HEIGHT * scale
    thick = max(round(scale * (1.1 if words.bold else 0.6)), 1)
    (width, _), _ = cv2.getTextSize(text, _FONT, letter, thick)
    if words.room is not None and width > words.room * scale:
        letter *= words.room * scale / width
        (width, _), _ = cv2.getTextSize(text, _FONT, letter, thick)
    before = {"start": 0.0, "middle": width / 2, "end": width}[words.anchor]
    x, y = round(words.x * scale), round(words.y * scale)
    if words.turned:
        # Drawn on a part of the picture that lies on its side, so that what is below the text stays.
        room = 2 * round(_FONT_HEIGHT * letter) + thick
        first, last = max(round(y - width + before) - thick, 0), max(round(y + before) + thick, 0)
        part = canvas[first:last, max(x - room, 0) : x + room]
        side = np.ascontiguousarray(np.rot90(part, -1))
        place = (round(first + len(part) - y - before), x - max(x - room, 0))
        cv2.putText(side, text, place, _FONT, letter, _rgb(words.colour), thick, cv2.LINE_AA)
        part[...] = np.rot90(side)
        return
    place = (round(words.x * scale - before), y)
    cv2.putText(canvas, text, place, _FONT, letter, _rgb(words.colour), thick, cv2.LINE_AA)
