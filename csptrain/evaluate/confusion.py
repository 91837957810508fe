"""Which class is taken for which: detections and truths paired by place, whatever their classes."""

from __future__ import annotations

from dataclasses import dataclass

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

    @property
    def shares(self) -> NDArray[np.float64]:
        """Each row by its sum [K + 1, K + 1], 0 where that is 0."""
        whole = self.counts.sum(axis=1, keepdims=True)
        return np.asarray(self.counts / np.maximum(whole, 1), np.float64)


def confusion(evaluator: DetectionEvaluator, iou_thresh: float = 0.5, conf_thresh: float = 0.25) -> Confusion:
    """Pair what an evaluator has collected: boxes by their most probable class, if above ``conf_thresh``.

    In an image the box and the object with the greatest overlap above ``iou_thresh`` belong together, then the best
    pair of the rest, and so on. A box that covers nothing but a difficult object is not counted.
    """
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

    rows = np.concatenate((taken[counted], kind[missed]))
    columns = np.concatenate((label[counted], np.full(np.count_nonzero(missed), count)))
    cells = np.bincount(rows * (count + 1) + columns, minlength=(count + 1) ** 2)
    return Confusion(evaluator.names, cells.reshape(count + 1, count + 1), iou_thresh, conf_thresh)


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
