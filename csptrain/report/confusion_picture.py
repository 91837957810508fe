"""The confusion of classes as a picture: a row for each class that is there, a column for each that was seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from csptrain.evaluate.confusion import Confusion
from csptrain.evaluate.matching import IntArray
from csptrain.report.picture import Box, Line, Picture, Pixels, Words, paint

_TOP_ROOM, _BOTTOM_ROOM, _EDGE = 84.0, 26.0, 24.0
_LARGEST_SIDE, _LEAST_CELL, _MOST_CELL = 1150.0, 13.0, 84.0
_LEAST_WIDTH = 600.0  # the head's lines fit
_TWO_LINES, _ONE_LINE = 34.0, 19.0  # cells from these sizes on show counts and shares, or counts
_LETTER_WIDTH = 0.56  # of a letter's size
_INK, _FAINT, _FRAME, _GRID = "#1f2933", "#66727f", "#8795a1", "#dfe4ea"
_RIGHT, _WRONG, _PAPER = (0x1B, 0x6C, 0xA8), (0xC2, 0x4E, 0x2B), (0xFF, 0xFF, 0xFF)
_BACKGROUND = "background"


def draw_confusion(confusion: Confusion) -> Pixels:
    """The picture of `confusion_picture`, painted as uint8 [H, W, 3] RGB."""
    return paint(confusion_picture(confusion))


def confusion_picture(confusion: Confusion) -> Picture:
    """A detector's: counts and each row's shares, blue where right and red where wrong.

    Where there are too many classes for numbers the shade alone tells.
    """
    counts = confusion.counts
    whole, right = int(counts[:-1].sum()), int(counts.diagonal().sum())
    missed, false = int(counts[:-1, -1].sum()), int(counts[-1, :-1].sum())
    other = whole - right - missed
    head = (
        f"boxes above {confusion.conf_thresh:.2f}, paired with objects above {confusion.iou_thresh:.2f} IoU; "
        "shares are of a row",
        f"{whole} objects: {right} right{_share(right, whole)}, {other} as another class, {missed} missed; "
        f"{false} false alarms",
    )
    return _table([*confusion.names, _BACKGROUND], counts, head, ("detected as", "object is"), apart=True)


def class_confusion_picture(names: Sequence[str], counts: IntArray) -> Picture:
    """A classifier's: ``counts`` int64 [K, K], images of class i whose first guess is j; drawn in the same way."""
    whole, right = int(counts.sum()), int(counts.diagonal().sum())
    head = (
        "the first guess for each image; shares are of a row",
        f"{whole} images: {right} right{_share(right, whole)}",
    )
    return _table(names, counts, head, ("called", "image is"), apart=False)


def _share(part: int, whole: int) -> str:
    return f" ({part / whole:.0%})" if whole else ""


def _table(labels: Sequence[str], counts: IntArray, head: Sequence[str], axes: tuple[str, str], apart: bool) -> Picture:
    """Cells with their labels; where ``apart``, the last row and column stand apart and their labels are faint."""
    count = len(labels)
    cell = min(max(_LARGEST_SIDE / count, _LEAST_CELL), _MOST_CELL)
    letter = min(cell * 0.62, 12.0)
    room = min(max(len(label) for label in labels) * letter * _LETTER_WIDTH + 16, 190.0)
    left, top = _EDGE + 22 + room, _TOP_ROOM + 22 + room
    side = cell * count
    width = max(left + side + _EDGE, _LEAST_WIDTH)
    items = [
        *_head(head, axes, left, top, side),
        *_labels(labels, left, top, cell, letter, room, apart),
        *_cells(counts, left, top, cell),
        *_lines(count, left, top, cell, apart),
    ]
    return Picture(width, top + side + _BOTTOM_ROOM, items)


def _head(lines: Sequence[str], axes: tuple[str, str], left: float, top: float, side: float) -> Iterator[Words]:
    yield Words(_EDGE, 32, "Confusion of classes", 18, _INK, bold=True)
    for line, y in zip(lines, (53, 71), strict=True):
        yield Words(_EDGE, y, line, 11.5, _FAINT)
    across, down = axes
    yield Words(left + side / 2, _TOP_ROOM + 14, across, 12, _FAINT, "middle")
    yield Words(_EDGE + 10, top + side / 2, down, 12, _FAINT, "middle", turned=True)


def _labels(
    labels: Sequence[str], left: float, top: float, cell: float, letter: float, room: float, apart: bool
) -> Iterator[Words]:
    for place, label in enumerate(labels):
        middle = (place + 0.5) * cell + letter * 0.36
        colour = _FAINT if apart and place == len(labels) - 1 else _INK
        yield Words(left - 8, top + middle, label, letter, colour, "end", room=room - 10)
        yield Words(left + middle, top - 8, label, letter, colour, room=room - 10, turned=True)


def _cells(counts: IntArray, left: float, top: float, cell: float) -> Iterator[Box | Words]:
    rows = counts.sum(axis=1).tolist()
    for row, column in zip(*(places.tolist() for places in counts.nonzero()), strict=True):
        number = int(counts[row, column])
        share = number / rows[row]
        x, y = left + column * cell, top + row * cell
        yield Box(x, y, cell, cell, _shade(_RIGHT if row == column else _WRONG, share), radius=0)
        ink = "#ffffff" if share > 0.55 else _INK
        if cell >= _TWO_LINES:
            size = min(cell * 0.26, 15.0)
            yield Words(x + cell / 2, y + cell * 0.47, _short(number), size, ink, "middle", room=cell - 6)
            yield Words(x + cell / 2, y + cell * 0.47 + size * 1.15, f"{share:.0%}", size * 0.78, ink, "middle")
        elif cell >= _ONE_LINE:
            yield Words(x + cell / 2, y + cell * 0.64, _short(number), cell * 0.38, ink, "middle", room=cell - 3)


def _lines(count: int, left: float, top: float, cell: float, apart: bool) -> Iterator[Line]:
    side = count * cell
    for place in range(count + 1):
        edge = place in (0, count) or (apart and place == count - 1)
        colour, width = (_FRAME, 1.4) if edge else (_GRID, 0.7)
        yield Line(((left + place * cell, top), (left + place * cell, top + side)), colour, width, 0)
        yield Line(((left, top + place * cell), (left + side, top + place * cell)), colour, width, 0)


def _shade(colour: tuple[int, int, int], share: float) -> str:
    # A few in a hundred must still show.
    weight = 0.10 + 0.90 * share**0.7
    mixed = (round(paper + (part - paper) * weight) for part, paper in zip(colour, _PAPER, strict=True))
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def _short(number: int) -> str:
    return f"{number / 1000:.3g}k" if number >= 10_000 else str(number)
