"""Average precision from ranked detections, by Darknet's three rules, for all classes at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def average_precision(
    positives: IntArray, classes: IntArray, detections: IntArray, truths: IntArray, points: int = 0
) -> NDArray[np.float64]:
    """Average precision [K] of each class, as fractions.

    ``positives`` are the positions of true positives in the list of all detections sorted by class and,
    within a class, by falling probability; ``classes`` their classes. ``detections`` and ``truths`` [K]
    count both per class. ``points`` 0 is the area under the curve; 11 or 101 (any number above 1) the mean,
    over that many equally spaced recalls r, of the best precision at a recall of at least r. A class
    without truths has average precision 0. Raises ValueError for other ``points``.

    Source: Darknet behaviour (detector map, -points).
    """
    if points < 0 or points == 1:
        raise ValueError(f"points={points}: 0 for the area under the curve, else at least 2")
    first = np.concatenate(([0], np.cumsum(detections)))
    bounds = np.searchsorted(classes, np.arange(len(truths) + 1))
    result = np.zeros(len(truths))
    for k in np.flatnonzero((np.diff(bounds) > 0) & (truths > 0)):
        rank = positives[bounds[k] : bounds[k + 1]] - first[k] + 1
        found = np.arange(1, len(rank) + 1)
        recall = found / truths[k]
        # Precision only falls between two true positives, so the envelope needs no other ranks.
        envelope = np.maximum.accumulate((found / rank)[::-1])[::-1]
        result[k] = _area(recall, envelope) if points == 0 else _sampled(recall, envelope, points)
    return result


def _area(recall: NDArray[np.float64], envelope: NDArray[np.float64]) -> float:
    return float((np.diff(recall, prepend=0.0) * envelope).sum())


def _sampled(recall: NDArray[np.float64], envelope: NDArray[np.float64], points: int) -> float:
    at = np.arange(points) * 1.0 / (points - 1)
    return float(np.append(envelope, 0.0)[np.searchsorted(recall, at, side="left")].sum() / points)
