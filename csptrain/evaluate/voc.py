"""PASCAL VOC's average precision, as its development kit computes it from result files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csptrain.datasets.objects import Objects
from csptrain.evaluate.average_precision import average_precision
from csptrain.evaluate.matching import best_truths, first_of_each
from csptrain.evaluate.pixels import DoubleArray, PixelDetections, voc_edges

YEAR_2007_POINTS = 11


@dataclass(frozen=True)
class VocResult:
    """Average precision [K] of each class as fractions, at an overlap of at least ``iou_thresh``.

    ``eleven`` is the rule of 2007 (the mean of 11 points), ``area`` that of 2010 and later. ``truths`` [K] counts the
    objects that are not difficult; a class without any is no part of the means.
    """

    eleven: tuple[float, ...]
    area: tuple[float, ...]
    truths: tuple[int, ...]
    iou_thresh: float

    @property
    def map_eleven(self) -> float:
        """Mean by the rule of 2007."""
        return self._mean(self.eleven)

    @property
    def map_area(self) -> float:
        """Mean by the rule of 2010."""
        return self._mean(self.area)

    def as_dict(self) -> dict[str, object]:
        """Everything, ready for JSON."""
        return {
            "map_11_points": self.map_eleven,
            "map_area": self.map_area,
            "iou_thresh": self.iou_thresh,
            "ap_11_points": list(self.eleven),
            "ap_area": list(self.area),
            "truths": list(self.truths),
        }

    def _mean(self, values: tuple[float, ...]) -> float:
        own = [value for value, truths in zip(values, self.truths, strict=True) if truths]
        return sum(own) / len(own) if own else 0.0


def voc_result(detections: PixelDetections, objects: Objects, iou_thresh: float = 0.5) -> VocResult:
    """Measure ``detections`` against ``objects`` of the same images in the same order.

    A detection belongs to the object of its class that it overlaps most, if by at least ``iou_thresh``; the first of
    an object, by score over the whole set, is right, later ones are wrong; one of a difficult object is not counted.
    Pixels count from 1 and include both edges.

    Source: VOC's rules (VOCevaldet.m of the development kit). *Differs:* with 11 points a recall of exactly 3/10
    reaches the point 0.3, which the kit's sums of 0.1 can miss by the last bit.
    """
    found = detections.found
    count = len(objects.categories)
    boxes = voc_edges(found.edges, detections.sizes[found.image])
    truth = np.concatenate((objects.boxes[:, :2], objects.boxes[:, :2] + objects.boxes[:, 2:]), axis=1) + 1
    overlap, which = best_truths(
        boxes, found.image * count + found.label, truth, objects.image * count + objects.label, overlap_with_edges
    )
    which = np.where(overlap >= iou_thresh, which, -1)
    excused = (which >= 0) & np.append(objects.difficult, False)[which]
    order = np.lexsort((-found.score, found.label))
    order = order[~excused[order]]
    positives = first_of_each(which[order])
    ranked = (
        positives,
        found.label[order[positives]],
        np.bincount(found.label[order], minlength=count),
        np.bincount(objects.label[~objects.difficult], minlength=count),
    )
    return VocResult(
        tuple(average_precision(*ranked, YEAR_2007_POINTS).tolist()),
        tuple(average_precision(*ranked).tolist()),
        tuple(ranked[3].tolist()),
        iou_thresh,
    )


def overlap_with_edges(one: DoubleArray, other: DoubleArray) -> DoubleArray:
    """Overlap [P] of boxes [P, 4] left, top, right, bottom that include the pixels of their edges."""
    shared = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2]) + 1
    area = np.prod(shared, axis=1)
    union = np.prod(one[:, 2:] - one[:, :2] + 1, axis=1) + np.prod(other[:, 2:] - other[:, :2] + 1, axis=1) - area
    return np.where((shared > 0).all(axis=1), area / np.where(union > 0, union, 1), 0.0)
