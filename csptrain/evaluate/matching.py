"""Which truth a detection belongs to, for all detections of a data set at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
Boxes = NDArray[Any]
Overlap = Callable[[Boxes, Boxes], NDArray[Any]]
"""The overlap [P] of the boxes [P, 4] in the same row, 0 where they do not meet or are undefined."""

_PAIR_CHUNK = 1 << 17  # pairs of detection and truth compared at once: bounds the memory


def lane_pairs(lane: IntArray, truth_lane: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
    """All pairs of a detection and a truth in the same lane, in parts; a detection's are in one part, in order.

    A lane is what keeps pairs apart: an image, or an image and a class.
    """
    order = np.argsort(truth_lane, kind="stable")
    lanes = truth_lane[order]
    start, end = np.searchsorted(lanes, lane, "left"), np.searchsorted(lanes, lane, "right")
    total = np.concatenate(([0], np.cumsum(end - start)))
    begin = 0
    while begin < len(lane):
        close = max(int(np.searchsorted(total, total[begin] + _PAIR_CHUNK, side="right")) - 1, begin + 1)
        here = slice(begin, close)
        size = end[here] - start[here]
        detection = np.repeat(np.arange(begin, close), size)
        step = np.arange(len(detection)) - np.repeat(total[here] - total[begin], size)
        yield detection, order[np.repeat(start[here], size) + step]
        begin = close


def best_truths(
    boxes: Boxes, lane: IntArray, truth: Boxes, truth_lane: IntArray, overlap: Overlap
) -> tuple[NDArray[Any], IntArray]:
    """Overlap and index of the best truth in each box's lane; 0 and -1 where none overlaps. First of equals."""
    best, which = np.zeros(len(lane), boxes.dtype), np.full(len(lane), -1, np.int64)
    for detection, candidate in lane_pairs(lane, truth_lane):
        shared = overlap(boxes[detection], truth[candidate])
        np.maximum.at(best, detection, shared)
        # Of equal truths the first counts: write them last to first.
        equal = np.flatnonzero((shared == best[detection]) & (shared > 0))[::-1]
        which[detection[equal]] = candidate[equal]
    return best, which


def box_iou(one: FloatArray, other: FloatArray) -> FloatArray:
    """IoU [P] of the boxes [P, 4] x y w h in the same row, float32 with Darknet's order of operations."""
    # Columns first: contiguous vectors are several times faster than strided ones.
    x, y, w, h = np.ascontiguousarray(one.T)
    u, v, s, t = np.ascontiguousarray(other.T)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        width = np.minimum(x + w / 2, u + s / 2) - np.maximum(x - w / 2, u - s / 2)
        height = np.minimum(y + h / 2, v + t / 2) - np.maximum(y - h / 2, v - t / 2)
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        union = w * h + s * t - shared
        iou = shared / union
    # Infinite or undefined boxes overlap nothing.
    return np.where((shared > 0) & (iou > 0), iou, np.float32(0))


def first_of_each(truth: IntArray) -> IntArray:
    """Ascending positions at which each truth index appears first; -1 is no truth."""
    valid = np.flatnonzero(truth >= 0)
    return np.sort(valid[np.unique(truth[valid], return_index=True)[1]])


def pair_off(one: IntArray, other: IntArray, overlap: NDArray[Any]) -> IntArray:
    """Which of the pairs (``one`` [P], ``other`` [P]) are left when the best go together, then the best of the rest.

    Of pairs with the same overlap the first counts. Gives ascending positions; nothing is in two pairs.
    """
    order = np.lexsort((-np.arange(len(one)), overlap))
    rank = np.empty(len(one), np.int64)
    rank[order] = np.arange(1, len(one) + 1)  # no two are equal, and the first of equals is the best
    taken: list[IntArray] = []
    left = np.arange(len(one))
    while len(left):
        best_one = np.zeros(int(one.max()) + 1, np.int64)
        best_other = np.zeros(int(other.max()) + 1, np.int64)
        np.maximum.at(best_one, one[left], rank[left])
        np.maximum.at(best_other, other[left], rank[left])
        # The best pair of all is always among these, so every round ends some.
        mutual = left[(rank[left] == best_one[one[left]]) & (rank[left] == best_other[other[left]])]
        taken.append(mutual)
        left = left[~(np.isin(one[left], one[mutual]) | np.isin(other[left], other[mutual]))]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *taken]))
