"""Boxes that can be read and still are odd: tiny, huge, over the edge, doubled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from csptrain.datasets.anchors import box_sizes
from csptrain.doctor.book import Book
from csptrain.doctor.splits import Split
from csptrain.evaluate.matching import box_iou

Plane = tuple[int, int]
OVER_EDGE = 0.01  # of the image's side; less is rounding and the corners of pixels
WHOLE = 0.99  # of both sides
DOUBLED = 0.9  # overlap of two boxes of one object


def check_boxes(split: Split, plane: Plane, tiny: float, book: Book) -> None:
    """Note the odd boxes of a split.

    Args:
        plane: width and height of the network's input.
        tiny: pixels of the input that the shorter side of a box needs.
    """
    rows = split.samples.rows
    sizes = box_sizes(split.samples, *plane)
    for box in np.flatnonzero(sizes.min(1, initial=np.inf) < tiny).tolist():
        width, height = sizes[box]
        book.add("box-tiny", f"{width:.1f} x {height:.1f} pixels at {plane[0]}x{plane[1]}", *split.place(box))
    for box in np.flatnonzero((rows[:, 2:4] > WHOLE).all(1)).tolist():
        book.add("box-huge", f"w={rows[box, 2]:g} h={rows[box, 3]:g}", *split.place(box))
    reach = np.maximum(rows[:, 2:4] / 2 - rows[:, :2], rows[:, :2] + rows[:, 2:4] / 2 - 1).max(1, initial=0)
    for box in np.flatnonzero(reach > OVER_EDGE).tolist():
        book.add("box-over-edge", f"by {100 * reach[box]:.1f} % of the image's side", *split.place(box))
    _check_doubled(split, book)


def _check_doubled(split: Split, book: Book) -> None:
    rows = split.samples.rows
    for one, other in doubled(rows, split.samples.starts):
        first = split.place(one)[1]
        also = f"line {first}" if first else "another box"
        if rows[one, 4] == rows[other, 4]:
            book.add("box-twice", f"the same object as {also}", *split.place(other))
        else:
            found = f"class {rows[other, 4]:g}, but class {rows[one, 4]:g} in {also}"
            book.add("box-two-classes", found, *split.place(other))


def doubled(rows: npt.NDArray[np.float32], starts: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pairs of boxes [boxes, 5] of one image that overlap by more than ``DOUBLED``, the earlier first."""
    counts = np.diff(starts)
    image = np.repeat(np.arange(len(counts)), counts)
    found: list[tuple[int, int]] = []
    for lag in range(1, int(counts.max(initial=0))):
        one = np.flatnonzero(image[:-lag] == image[lag:])
        overlap = box_iou(rows[one, :4], rows[one + lag, :4])
        found += [(box, box + lag) for box in one[overlap > DOUBLED].tolist()]
    return sorted(found)
