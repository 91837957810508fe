"""Darknet's recall: how many objects some box covers, whatever its class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from csptrain.datasets.evaluation import EvalBatch
from csptrain.evaluate.detect import Detector, map_back
from csptrain.evaluate.matching import FloatArray, best_truths, box_iou
from csptrain.graph import Graph
from csptrain.ops.nms import nms_obj

RECALL_THRESH, RECALL_NMS, RECALL_IOU = 0.001, 0.4, 0.5
"""Darknet's thresholds: objectness of a proposal, its suppression, and the overlap that finds an object."""


@dataclass(frozen=True)
class RecallResult:
    """Counts over ``images`` images: boxes, objects, objects found, and the sum of each object's best overlap."""

    images: int = 0
    proposals: int = 0
    total: int = 0
    correct: int = 0
    iou_sum: float = 0.0

    def with_image(self, boxes: FloatArray, truth: FloatArray, iou_thresh: float = RECALL_IOU) -> RecallResult:
        """The counts with one image more: all ``boxes`` [M, 4] left after suppression, and ``truth`` [T, 5].

        Source: Darknet behaviour (detector recall).
        """
        one = np.zeros(len(truth), np.int64)
        best, _ = best_truths(truth[:, :4], one, boxes, np.zeros(len(boxes), np.int64), box_iou)
        return RecallResult(
            self.images + 1,
            self.proposals + len(boxes),
            self.total + len(truth),
            self.correct + int(np.count_nonzero(best > np.float32(iou_thresh))),
            self.iou_sum + float(best.sum(dtype=np.float64)),
        )

    @property
    def recall(self) -> float:
        """Share of the objects that were found."""
        return self.correct / self.total if self.total else 0.0

    @property
    def iou(self) -> float:
        """Mean of the best overlap of each object."""
        return self.iou_sum / self.total if self.total else 0.0

    def line(self) -> str:
        """Darknet's line after an image, which counts them from 0."""
        return (
            f"{self.images - 1:5d} {self.correct:5d} {self.total:5d}\tRPs/Img: "
            f"{self.proposals / max(self.images, 1):.2f}\tIOU: {self.iou * 100:.2f}%\tRecall:{self.recall * 100:.2f}%"
        )

    def as_dict(self) -> dict[str, float]:
        """Everything, ready for JSON; rates are fractions."""
        return {
            "images": self.images,
            "objects": self.total,
            "found": self.correct,
            "recall": self.recall,
            "iou": self.iou,
            "proposals_per_image": self.proposals / max(self.images, 1),
        }


def recall_by_image(
    graph: Graph, detect: Detector, batches: Iterable[EvalBatch], thresh: float, iou_thresh: float
) -> Iterator[RecallResult]:
    """The counts after each image, of boxes with an objectness above ``thresh`` that `RECALL_NMS` leaves."""
    result = RecallResult()
    for part in batches:
        candidates = detect(part.images, thresh) if len(part.images) else []
        for found, size, truth in zip(candidates, part.sizes, part.truths, strict=True):
            left = nms_obj(map_back(graph, found, size), RECALL_NMS)
            result = result.with_image(left.boxes[left.objectness > np.float32(thresh)], truth, iou_thresh)
            yield result
