"""Average precision from ranked detections, by Darknet's three rules, for all classes at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
DoubleArray = NDArray[np.float64]


class Curve(NamedTuple):
    """Recall and precision [P] at the rank of each true positive, the most probable first, as fractions.

    ``precision`` is the best at this rank or a later one, what the area is taken of.
    """

    recall: DoubleArray
    precision: DoubleArray


def curves(positives: IntArray, classes: IntArray, detections: IntArray, truths: IntArray) -> list[Curve]:
    """The precision-recall curve of each class; empty for one without truths or without a true positive.

    ``positives`` are the positions of true positives in the list of all detections sorted by class and,
    within a class, by falling probability; ``classes`` their classes. ``detections`` and ``truths`` [K]
    count both per class.
    """
    first = np.concatenate(([0], np.cumsum(detections)))
    bounds = np.searchsorted(classes, np.arange(len(truths) + 1))
    found = []
    for k, count in enumerate(truths.tolist()):
        rank = positives[bounds[k] : bounds[k + 1]] - first[k] + 1 if count else positives[:0]
        hits = np.arange(1, len(rank) + 1)
        # Precision only falls between two true positives, so the envelope needs no other ranks.
        found.append(Curve(hits / max(count, 1), np.maximum.accumulate((hits / rank)[::-1])[::-1]))
    return found


def average_precision(
    positives: IntArray, classes: IntArray, detections: IntArray, truths: IntArray, points: int = 0
) -> DoubleArray:
    """Average precision [K] of each class, as fractions; arguments as for `curves`.

    ``points`` 0 is the area under the curve; 11 or 101 (any number above 1) the mean, over that many equally
    spaced recalls r, of the best precision at a recall of at least r. A class without truths has average
    precision 0. Raises ValueError for other ``points``.

    Source: Darknet behaviour (detector map, -points).
    """
    if points < 0 or points == 1:
        raise ValueError(f"points={points}: 0 for the area under the curve, else at least 2")
    return np.array(
        [
            _area(curve) if points == 0 else _sampled(curve, points)
            for curve in curves(positives, classes, detections, truths)
        ],
        np.float64,
    )


def _area(curve: Curve) -> float:
    return float((np.diff(curve.recall, prepend=0.0) * curve.precision).sum())


def _sampled(curve: Curve, points: int) -> float:
    at = np.arange(points) * 1.0 / (points - 1)
    return float(np.append(curve.precision, 0.0)[np.searchsorted(curve.recall, at, side="left")].sum() / points)
