"""Darknet's detector evaluation: collect detections and truths once, then ask for mAP at any thresholds."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from csptrain.errors import DataError
from csptrain.evaluate.average_precision import Curve, average_precision, curves
from csptrain.evaluate.map_result import ClassResult, MapResult
from csptrain.evaluate.matching import FloatArray, IntArray, best_truths, box_iou, first_of_each

MAP_THRESH = 0.005
"""Probability threshold at which Darknet collects detections for mAP."""

MAP_NMS = 0.45
"""NMS threshold Darknet uses for mAP."""

VALID_THRESH, VALID_NMS = 0.001, 0.6
"""Both thresholds as Darknet has them for the result files of VOC and COCO."""


class Detected(NamedTuple):
    """All that was added, image after image.

    ``image`` [D], ``boxes`` [D, 4], ``label`` [D] and ``prob`` [D] of the detections; ``best`` [D] says which have
    the greatest probability of their box. ``truth`` [T, 5] and ``hard`` [H, 5] with their images.
    """

    image: IntArray
    boxes: FloatArray
    label: IntArray
    prob: FloatArray
    best: NDArray[np.bool_]
    truth_image: IntArray
    truth: FloatArray
    hard_image: IntArray
    hard: FloatArray


class Seen(NamedTuple):
    """One image: ``truth`` [T, 5], and ``boxes`` [M, 4] with ``label`` and ``prob`` [M], the most probable last."""

    truth: FloatArray
    boxes: FloatArray
    label: IntArray
    prob: FloatArray


@dataclass(frozen=True)
class _Matches:
    """Every detection of the data set with the truth of its class and image that it overlaps best.

    ``order`` sorts by class, then falling probability, equal ones as they came in. ``iou`` is 0 and
    ``truth`` -1 where there is no overlap; ``hard_iou`` is the best overlap with a difficult object.
    """

    classes: IntArray
    prob: FloatArray
    iou: FloatArray
    truth: IntArray
    hard_iou: FloatArray
    truth_classes: IntArray

    @cached_property
    def order(self) -> IntArray:
        return np.lexsort((-self.prob, self.classes)).astype(np.int64)


class _Ranked(NamedTuple):
    """What `average_precision` takes: true positives among the ranked detections, and counts per class."""

    positives: IntArray
    classes: IntArray
    detections: IntArray
    truths: IntArray


class _Part(NamedTuple):
    """One image."""

    boxes: FloatArray
    label: IntArray
    prob: FloatArray
    best: NDArray[np.bool_]
    truth: FloatArray
    hard: FloatArray


_NO_PART = _Part(
    np.zeros((0, 4), np.float32),
    np.zeros(0, np.int64),
    np.zeros(0, np.float32),
    np.zeros(0, np.bool_),
    np.zeros((0, 5), np.float32),
    np.zeros((0, 5), np.float32),
)


class DetectionEvaluator:
    """Collects the detections of a data set; ``result`` may be asked for many thresholds and rules.

    Boxes are centre and size relative to the image. For Darknet's figures collect with ``MAP_THRESH``,
    suppress with ``MAP_NMS`` and keep the order of rows that ``nms_sort`` gives (it decides which of two
    detections of one truth counts at the confidence threshold).
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.image_ids: list[Hashable] = []
        self._parts: list[_Part] = []
        self._joined: _Matches | None = None

    @classmethod
    def joined(cls, names: Sequence[str], shares: Iterable[tuple[Sequence[int], Detected]]) -> DetectionEvaluator:
        """One evaluator of what several have collected, each given as its ``image_ids`` and what it `detected`.

        The images come in the order of their ids, as one evaluator would have got them.
        """
        parts = [(image, part) for ids, found in shares for image, part in zip(ids, _cut(found, len(ids)), strict=True)]
        whole = cls(names)
        for image, part in sorted(parts, key=itemgetter(0)):
            whole.image_ids.append(image)
            whole._parts.append(part)
        return whole

    def add(
        self,
        image_id: Hashable,
        boxes: FloatArray,
        prob: FloatArray,
        truth: FloatArray,
        difficult: FloatArray | None = None,
    ) -> None:
        """Add one image: ``boxes`` [M, 4] x y w h, ``prob`` [M, K], ``truth`` [T, 5] x y w h class, unpadded.

        Every entry of ``prob`` above 0 is a detection. One that finds no truth but a ``difficult`` object [H, 5] of
        its class is not counted in average precision. Raises DataError when K differs from the number of
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
        best = label == prob[row].argmax(axis=1) if len(row) else np.zeros(0, np.bool_)
        hard = np.zeros((0, 5), np.float32) if difficult is None else np.asarray(difficult, np.float32)
        self.image_ids.append(image_id)
        self._parts.append(_Part(boxes[row], label, prob[row, label], best, truth, hard))
        self._joined = None

    def result(self, iou_thresh: float = 0.5, conf_thresh: float = 0.25, points: int = 0) -> MapResult:
        """mAP where a match is IoU > ``iou_thresh``; counts and average IoU at prob > ``conf_thresh``.

        ``points`` 0, 11 or 101 is the rule of ``average_precision``.

        Source: Darknet behaviour (detector map).
        """
        matches = self._matches()
        count = len(self.names)
        truth = np.where(matches.iou > np.float32(iou_thresh), matches.truth, -1)
        ranked = self._rank(matches, truth, iou_thresh)
        ap = average_precision(*ranked, points)

        confident = matches.prob > np.float32(conf_thresh)
        # Darknet asks whether an earlier row of the image had this truth, not a more probable one.
        right = np.zeros(len(truth), np.bool_)
        right[first_of_each(truth)] = True
        right &= confident
        true_positives = np.bincount(matches.classes[right], minlength=count)
        false_positives = np.bincount(matches.classes[confident & ~right], minlength=count)
        total = int(np.count_nonzero(confident))
        return MapResult(
            classes=tuple(
                ClassResult(
                    k, name, float(ap[k]), int(true_positives[k]), int(false_positives[k]), int(ranked.truths[k])
                )
                for k, name in enumerate(self.names)
            ),
            iou_thresh=iou_thresh,
            conf_thresh=conf_thresh,
            points=points,
            detections_count=int(ranked.detections.sum()),
            unique_truth_count=int(ranked.truths.sum()),
            avg_iou=float(matches.iou[right].sum(dtype=np.float64) / total) if total else 0.0,
        )

    def curves(self, iou_thresh: float = 0.5) -> list[Curve]:
        """The precision-recall curve of each class; the area under it is its average precision with points 0."""
        matches = self._matches()
        truth = np.where(matches.iou > np.float32(iou_thresh), matches.truth, -1)
        return curves(*self._rank(matches, truth, iou_thresh))

    def detected(self) -> Detected:
        """All detections and truths that were added, as flat arrays."""
        parts = [_NO_PART, *self._parts]
        images = np.arange(-1, len(self._parts))

        def image_of(sizes: list[int]) -> IntArray:
            return np.repeat(images, sizes)

        return Detected(
            image_of([len(part.label) for part in parts]),
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.label for part in parts]),
            np.concatenate([part.prob for part in parts]),
            np.concatenate([part.best for part in parts]),
            image_of([len(part.truth) for part in parts]),
            np.concatenate([part.truth for part in parts]),
            image_of([len(part.hard) for part in parts]),
            np.concatenate([part.hard for part in parts]),
        )

    def of_image(self, number: int, thresh: float) -> Seen:
        """What was added as image ``number``, from 0: its objects, and boxes whose best class is above ``thresh``."""
        part = self._parts[number]
        kept = np.flatnonzero(part.best & (part.prob > np.float32(thresh)))
        kept = kept[np.argsort(part.prob[kept], kind="stable")]
        return Seen(part.truth, part.boxes[kept], part.label[kept], part.prob[kept])

    def _rank(self, matches: _Matches, truth: IntArray, iou_thresh: float) -> _Ranked:
        excused = (truth < 0) & (matches.hard_iou > np.float32(iou_thresh))
        order = matches.order[~excused[matches.order]]
        positions = first_of_each(truth[order])
        count = len(self.names)
        return _Ranked(
            positions,
            matches.classes[order[positions]],
            np.bincount(matches.classes[order], minlength=count),
            np.bincount(matches.truth_classes, minlength=count),
        )

    def _matches(self) -> _Matches:
        if self._joined is None:
            self._joined = self._match()
        return self._joined

    def _match(self) -> _Matches:
        found = self.detected()
        count = len(self.names)
        kinds, hard_kinds = found.truth[:, 4].astype(np.int64), found.hard[:, 4].astype(np.int64)
        lane = found.image * count + found.label
        iou, which = best_truths(found.boxes, lane, found.truth[:, :4], found.truth_image * count + kinds, box_iou)
        hard_lane = found.hard_image * count + hard_kinds
        hard_iou, _ = best_truths(found.boxes, lane, found.hard[:, :4], hard_lane, box_iou)
        return _Matches(found.label, found.prob, iou, which, hard_iou, kinds)


def _cut(found: Detected, images: int) -> Iterator[_Part]:
    """The parts that ``found`` was joined from."""
    edges = np.arange(images + 1)
    rows, truths, hards = (
        np.searchsorted(column, edges) for column in (found.image, found.truth_image, found.hard_image)
    )
    for first, last in pairwise(range(images + 1)):
        own = slice(rows[first], rows[last])
        yield _Part(
            found.boxes[own],
            found.label[own],
            found.prob[own],
            found.best[own],
            found.truth[truths[first] : truths[last]],
            found.hard[hards[first] : hards[last]],
        )
