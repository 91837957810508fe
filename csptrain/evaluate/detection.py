"""Darknet's detector evaluation: collect detections and truths once, then ask for mAP at any thresholds."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from csptrain.errors import DataError
from csptrain.evaluate.average_precision import IntArray, average_precision
from csptrain.evaluate.map_result import ClassResult, MapResult

FloatArray = NDArray[np.float32]

MAP_THRESH = 0.005
"""Probability threshold at which Darknet collects detections for mAP."""

MAP_NMS = 0.45
"""NMS threshold Darknet uses for mAP."""

_PAIR_CHUNK = 1 << 17  # pairs of detection and truth compared at once: bounds the memory


@dataclass(frozen=True)
class _Matches:
    """Every detection of the data set with the truth of its class and image that it overlaps best.

    ``order`` sorts by class, then falling probability, equal ones as they came in. ``iou`` is 0 and
    ``truth`` -1 where there is no overlap.
    """

    classes: IntArray
    prob: FloatArray
    iou: FloatArray
    truth: IntArray

    @cached_property
    def order(self) -> IntArray:
        return np.lexsort((-self.prob, self.classes)).astype(np.int64)


class DetectionEvaluator:
    """Collects the detections of a data set; ``result`` may be asked for many thresholds and rules.

    Boxes are centre and size relative to the image. For Darknet's figures collect with ``MAP_THRESH``,
    suppress with ``MAP_NMS`` and keep the order of rows that ``nms_sort`` gives (it decides which of two
    detections of one truth counts at the confidence threshold).
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.image_ids: list[Hashable] = []
        self._parts: list[tuple[FloatArray, IntArray, FloatArray, FloatArray]] = []
        self._joined: _Matches | None = None

    def add(self, image_id: Hashable, boxes: FloatArray, prob: FloatArray, truth: FloatArray) -> None:
        """Add one image: ``boxes`` [M, 4] x y w h, ``prob`` [M, K], ``truth`` [T, 5] x y w h class, unpadded.

        Every entry of ``prob`` above 0 is a detection. Raises DataError when K differs from the number of
        names or a truth's class is outside them.
        """
        count = len(self.names)
        boxes, prob = np.asarray(boxes, np.float32), np.asarray(prob, np.float32)
        truth = np.asarray(truth, np.float32).reshape(-1, 5)
        if prob.shape != (len(boxes), count) or boxes.shape != (len(boxes), 4):
            raise DataError(
                f"image {image_id!r}: boxes {list(boxes.shape)} with probabilities {list(prob.shape)}",
                hint=f"expected [M, 4] and [M, {count}] for {count} names",
            )
        bad = truth[(truth[:, 4] < 0) | (truth[:, 4] >= count), 4]
        if bad.size:
            raise DataError(
                f"image {image_id!r}: class {bad[0]:g} in the truth",
                hint=f"the names file has 0..{count - 1}",
            )
        row, label = np.nonzero(prob > 0)
        self.image_ids.append(image_id)
        self._parts.append((boxes[row], label, prob[row, label], truth))
        self._joined = None

    def result(self, iou_thresh: float = 0.5, conf_thresh: float = 0.25, points: int = 0) -> MapResult:
        """mAP where a match is IoU > ``iou_thresh``; counts and average IoU at prob > ``conf_thresh``.

        ``points`` 0, 11 or 101 is the rule of ``average_precision``.

        Source: Darknet behaviour (detector map).
        """
        matches = self._matches()
        count = len(self.names)
        truth = np.where(matches.iou > np.float32(iou_thresh), matches.truth, -1)
        truths = np.bincount(self._truth_classes(), minlength=count)
        detections = np.bincount(matches.classes, minlength=count)
        positions = _first_of_each(truth[matches.order])
        labels = matches.classes[matches.order[positions]]
        ap = average_precision(positions, labels, detections, truths, points)

        confident = matches.prob > np.float32(conf_thresh)
        # Darknet asks whether an earlier row of the image had this truth, not a more probable one.
        right = np.zeros(len(truth), np.bool_)
        right[_first_of_each(truth)] = True
        right &= confident
        true_positives = np.bincount(matches.classes[right], minlength=count)
        false_positives = np.bincount(matches.classes[confident & ~right], minlength=count)
        total = int(np.count_nonzero(confident))
        return MapResult(
            classes=tuple(
                ClassResult(k, name, float(ap[k]), int(true_positives[k]), int(false_positives[k]), int(truths[k]))
                for k, name in enumerate(self.names)
            ),
            iou_thresh=iou_thresh,
            conf_thresh=conf_thresh,
            points=points,
            detections_count=len(truth),
            unique_truth_count=int(truths.sum()),
            avg_iou=float(matches.iou[right].sum(dtype=np.float64) / total) if total else 0.0,
        )

    def _truth_classes(self) -> IntArray:
        return np.concatenate([np.zeros(0, np.int64), *(part[3][:, 4].astype(np.int64) for part in self._parts)])

    def _matches(self) -> _Matches:
        if self._joined is None:
            self._joined = self._match()
        return self._joined

    def _match(self) -> _Matches:
        boxes = np.concatenate([np.zeros((0, 4), np.float32), *(part[0] for part in self._parts)])
        classes = np.concatenate([np.zeros(0, np.int64), *(part[1] for part in self._parts)])
        prob = np.concatenate([np.zeros(0, np.float32), *(part[2] for part in self._parts)])
        truth = np.concatenate([np.zeros((0, 5), np.float32), *(part[3] for part in self._parts)])
        images = np.arange(len(self._parts))
        count = len(self.names)
        lane = np.repeat(images, [len(part[1]) for part in self._parts]) * count + classes
        truth_lane = np.repeat(images, [len(part[3]) for part in self._parts]) * count + truth[:, 4].astype(np.int64)
        iou, which = _best_truths(boxes, lane, truth[:, :4], truth_lane)
        return _Matches(classes, prob, iou, which)


def _best_truths(
    boxes: FloatArray, lane: IntArray, truth: FloatArray, truth_lane: IntArray
) -> tuple[FloatArray, IntArray]:
    """IoU and index of the best truth in each box's lane; 0 and -1 where none overlaps. First of equals."""
    order = np.argsort(truth_lane, kind="stable")
    lanes = truth_lane[order]
    start, end = np.searchsorted(lanes, lane, "left"), np.searchsorted(lanes, lane, "right")
    total = np.concatenate(([0], np.cumsum(end - start)))
    best, which = np.zeros(len(lane), np.float32), np.full(len(lane), -1, np.int64)
    begin = 0
    while begin < len(lane):
        close = max(int(np.searchsorted(total, total[begin] + _PAIR_CHUNK, side="right")) - 1, begin + 1)
        here = slice(begin, close)
        size = end[here] - start[here]
        detection = np.repeat(np.arange(begin, close), size)
        step = np.arange(len(detection)) - np.repeat(total[here] - total[begin], size)
        candidate = order[np.repeat(start[here], size) + step]
        iou = box_iou(boxes[detection], truth[candidate])
        np.maximum.at(best, detection, iou)
        # Of equal truths the first counts: write them last to first.
        equal = np.flatnonzero((iou == best[detection]) & (iou > 0))[::-1]
        which[detection[equal]] = candidate[equal]
        begin = close
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


def _first_of_each(truth: IntArray) -> IntArray:
    """Ascending positions at which each truth index appears first; -1 is no truth."""
    valid = np.flatnonzero(truth >= 0)
    return np.sort(valid[np.unique(truth[valid], return_index=True)[1]])
