"""Which class is taken for which: detections and truths paired by place, whatever their classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from csptrain.evaluate.detection import DetectionEvaluator
from csptrain.evaluate.matching import IntArray, box_iou, lane_pairs, pair_off


@dataclass(frozen=True)
class Confusion:
    """``counts`` int64 [K + 1, K + 1]: truths of class i that were detected as j; the last of each is background.

    The last column counts truths that nothing was paired with, the last row detections without a truth.
    """

    names: tuple[str, ...]
    counts: IntArray
    iou_thresh: float
    conf_thresh: float


def confusion(evaluator: DetectionEvaluator, iou_thresh: float = 0.5, conf_thresh: float = 0.25) -> Confusion:
    """Pair what an evaluator has collected: boxes by their most probable class, if above ``conf_thresh``.

    In an image the box and the object with the greatest overlap above ``iou_thresh`` belong together, then the best
    pair of the rest, and so on. A box that covers nothing but a difficult object is not counted.
    """
    paired = pair(evaluator, iou_thresh, conf_thresh)
    count = len(evaluator.names)
    rows = np.concatenate((paired.taken, paired.kind[paired.missed]))
    columns = np.concatenate((paired.label, np.full(np.count_nonzero(paired.missed), count)))
    cells = np.bincount(rows * (count + 1) + columns, minlength=(count + 1) ** 2)
    return Confusion(evaluator.names, cells.reshape(count + 1, count + 1), iou_thresh, conf_thresh)


class Paired(NamedTuple):
    """Confident boxes [D] and objects [T] of a data set, paired by place.

    ``image`` and ``label`` of the boxes, ``taken`` the class of the object each belongs to (the number of classes for
    none); ``truth_image`` and ``kind`` of the objects, ``missed`` those without a box.
    """

    image: IntArray
    label: IntArray
    taken: IntArray
    truth_image: IntArray
    kind: IntArray
    missed: NDArray[np.bool_]


def pair(evaluator: DetectionEvaluator, iou_thresh: float, conf_thresh: float) -> Paired:
    """The boxes that `confusion` counts, each with its object."""
    found = evaluator.detected()
    count = len(evaluator.names)
    seen = np.flatnonzero(found.best & (found.prob > np.float32(conf_thresh)))
    boxes, image, label = found.boxes[seen], found.image[seen], found.label[seen]
    kind = found.truth[:, 4].astype(np.int64)
    one, other = _pairs(boxes, image, found.truth[:, :4], found.truth_image, iou_thresh)

    taken = np.full(len(seen), count, np.int64)
    taken[one] = kind[other]
    missed = np.ones(len(kind), np.bool_)
    missed[other] = False
    excused, _ = _pairs(boxes, image, found.hard[:, :4], found.hard_image, iou_thresh)
    counted = np.ones(len(seen), np.bool_)
    counted[excused[taken[excused] == count]] = False
    return Paired(image[counted], label[counted], taken[counted], found.truth_image, kind, missed)


@dataclass(frozen=True)
class ImageScore:
    """One image, by its number among those evaluated: objects found ``right``, taken for another class, ``missed``.

    ``false`` counts boxes that belong to no object.
    """

    image: int
    right: int
    other: int
    missed: int
    false: int

    @property
    def share(self) -> float:
        """Right boxes among all objects and false boxes; 1 where there is neither."""
        whole = self.right + self.other + self.missed + self.false
        return self.right / whole if whole else 1.0


def image_scores(evaluator: DetectionEvaluator, iou_thresh: float = 0.5, conf_thresh: float = 0.25) -> list[ImageScore]:
    """How each image came off, in the order in which they were added; paired as `confusion` does."""
    paired = pair(evaluator, iou_thresh, conf_thresh)
    right, false = paired.taken == paired.label, paired.taken == len(evaluator.names)
    sides = (right, ~right & ~false, false)
    hits, other, alarms = (_count(paired.image[side], evaluator) for side in sides)
    missed = _count(paired.truth_image[paired.missed], evaluator)
    rows = zip(hits, other, missed, alarms, strict=True)
    return [ImageScore(number, *row) for number, row in enumerate(rows)]


def _count(images: IntArray, evaluator: DetectionEvaluator) -> list[int]:
    return list(map(int, np.bincount(images, minlength=len(evaluator.image_ids))))


def _pairs(
    boxes: NDArray[np.float32], image: IntArray, truth: NDArray[np.float32], truth_image: IntArray, iou_thresh: float
) -> tuple[IntArray, IntArray]:
    """The pairs of boxes and truths of the same image that overlap enough, nothing in two of them."""
    ones, others, overlaps = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for one, other in lane_pairs(image, truth_image):
        overlap = box_iou(boxes[one], truth[other])
        enough = overlap > np.float32(iou_thresh)
        ones.append(one[enough])
        others.append(other[enough])
        overlaps.append(overlap[enough])
    one, other = np.concatenate(ones), np.concatenate(others)
    chosen = pair_off(one, other, np.concatenate(overlaps))
    return one[chosen], other[chosen]
