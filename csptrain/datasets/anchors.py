"""Anchors from the sizes of boxes: Darknet's k-means, whose distance is 1 - IoU, and the texts it writes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csptrain.datasets.lists import Samples

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

MOST_ROUNDS = 1000
TRIES = 10
MOST_IN_A_TRY = 20_000
_AT_ONCE = 8192  # boxes whose overlaps stay in the processor's cache
#: Darknet writes whole numbers for a network wider than this; below, anchors are taken to be in cells.
WHOLE_ABOVE = 32


@dataclass(frozen=True)
class Clusters:
    """``centres`` [K, 2] width and height, rising by area, and the number of times they were moved."""

    centres: FloatArray
    labels: IntArray
    updates: int


def box_sizes(samples: Samples, width: float, height: float) -> FloatArray:
    """Width and height of every box, float64 [N, 2], on an image stretched to ``width`` x ``height``."""
    return samples.rows[:, 2:4].astype(np.float64) * (width, height)


def shape_iou(sizes: FloatArray, anchors: FloatArray) -> FloatArray:
    """IoU of every box [N, 2] with every anchor [K, 2] when they share a corner, float64 [N, K]."""
    # The long axis last: reductions over the anchors then run along rows of memory.
    width = np.minimum(anchors[:, 0, None], sizes[:, 0])
    height = np.minimum(anchors[:, 1, None], sizes[:, 1])
    shared = width * height
    iou: FloatArray = shared / (anchors.prod(1)[:, None] + sizes.prod(1) - shared)
    return iou.T


def best_anchor(sizes: FloatArray, anchors: FloatArray) -> tuple[IntArray, FloatArray]:
    """Which anchor [K, 2] fits each box [N, 2] best, the first of equals, and its IoU; both [N]."""
    number, iou = np.empty(len(sizes), np.intp), np.empty(len(sizes))
    for start in range(0, len(sizes), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        found = shape_iou(sizes[part], anchors)
        number[part] = found.argmax(1)
        iou[part] = found.max(1)
    return number, iou


def kmeans(points: FloatArray, centres: FloatArray, weights: FloatArray | None = None) -> Clusters:
    """Move ``centres`` [K, 2] to the means of the points [N, 2] they are nearest to until no point changes sides.

    ``weights`` [N] count a point more than once. A centre that no point is nearest to stays. The result is sorted by
    area and so are its labels. *Source:* Darknet behaviour, golden cases kmeans_*. *Differs:* one single centre moves
    to the mean; Darknet's stays where it started, since its points cannot change sides.
    """
    weights = np.ones(len(points)) if weights is None else weights
    centres, count = centres.astype(np.float64), len(centres)
    labels: IntArray = np.full(len(points), -1, np.intp)
    updates = 0
    for _ in range(MOST_ROUNDS):
        nearest, _ = best_anchor(points, centres)
        if np.array_equal(nearest, labels):
            break
        labels = nearest
        share = np.bincount(labels, weights, count)
        held = share > 0
        for side in (0, 1):
            total = np.bincount(labels, weights * points[:, side], count)
            centres[held, side] = total[held] / share[held]
        updates += 1
    order = np.argsort(centres.prod(1), kind="stable")
    return Clusters(centres[order], np.argsort(order)[labels], updates)


def find_clusters(points: FloatArray, count: int, seed: int = 0, weights: FloatArray | None = None) -> Clusters:
    """The best of several `kmeans` from random starts: the one with the largest mean best IoU.

    Args:
        points: [N, 2] sizes of which at least ``count`` differ.
        weights: [N], how much each point counts.

    The tries see at most ``MOST_IN_A_TRY`` points, the last pass all of them. *Differs:* Darknet starts once, from
    points that the clock chooses.
    """
    generator = np.random.default_rng([seed, count])
    weights = np.ones(len(points)) if weights is None else weights
    some, part = points, weights
    if len(points) > MOST_IN_A_TRY:
        chosen = generator.choice(len(points), MOST_IN_A_TRY, replace=False)
        some, part = points[chosen], weights[chosen]
    tries = [kmeans(some, _spread(some, part, count, generator), part) for _ in range(TRIES)]
    best = max(tries, key=lambda clusters: mean_best_iou(some, clusters.centres, part))
    return best if some is points else kmeans(points, best.centres, weights)


def mean_best_iou(points: FloatArray, anchors: FloatArray, weights: FloatArray | None = None) -> float:
    """Mean over the points [N, 2] of the IoU with the anchor [K, 2] that fits best."""
    return float(np.average(best_anchor(points, anchors)[1], weights=weights))


def _spread(points: FloatArray, weights: FloatArray, count: int, generator: np.random.Generator) -> FloatArray:
    """Points to start from, each drawn the likelier the farther it is from those before (k-means++)."""
    chosen = [int(generator.choice(len(points), p=weights / weights.sum()))]
    far = 1 - shape_iou(points, points[chosen])[:, 0]
    while len(chosen) < count:
        chance = far * far * weights
        # What is left may equal what was drawn, up to rounding.
        chance = chance / chance.sum() if chance.sum() > 0 else weights / weights.sum()
        chosen.append(int(generator.choice(len(points), p=chance)))
        far = np.minimum(far, 1 - shape_iou(points, points[chosen[-1:]])[:, 0])
    return points[chosen]


def as_written(anchors: FloatArray, width: float) -> FloatArray:
    """The anchors [K, 2] that the cfg will hold: whole pixels, at least 1, where ``width`` is that of pixels."""
    return np.maximum(np.round(anchors), 1) if width > WHOLE_ABOVE else np.round(anchors, 4)


def anchors_text(anchors: FloatArray, width: float) -> str:
    """Darknet's anchors.txt: pairs in three columns, or with four decimals for a ``width`` of cells."""
    pair = "{:3.0f},{:3.0f}" if width > WHOLE_ABOVE else "{:2.4f},{:2.4f}"
    return ", ".join(pair.format(*anchor) for anchor in anchors)


def counters_text(samples: Samples, classes: int) -> str:
    """Darknet's counters_per_class.txt, which a [yolo] section can take as it is."""
    return "counters_per_class = " + ", ".join(map(str, counters(samples, classes)))


def counters(samples: Samples, classes: int) -> list[int]:
    """How many boxes each class has."""
    return [int(count) for count in np.bincount(samples.rows[:, 4].astype(np.intp), minlength=classes)]
