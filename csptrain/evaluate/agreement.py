"""Do two runtimes find the same objects? Boxes in pixels, scores as probabilities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from csptrain.ops.decode import Detections, FloatArray

MOST_PIXELS = 0.5
MOST_SCORE = 1e-3


@dataclass(frozen=True)
class Agreement:
    """The worst differences over all objects of some images; ``alone`` counts objects that only one side found."""

    objects: int = 0
    pixels: float = 0.0
    score: float = 0.0
    alone: int = 0

    @property
    def equal(self) -> bool:
        """Whether boxes agree to half a pixel, scores to 1e-3, and neither side found more."""
        return self.pixels <= MOST_PIXELS and self.score <= MOST_SCORE and not self.alone

    def as_dict(self) -> dict[str, object]:
        """The agreement for JSON."""
        return {"equal": self.equal, **asdict(self)}

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.objects + other.objects,
            max(self.pixels, other.pixels),
            max(self.score, other.score),
            self.alone + other.alone,
        )

    def __str__(self) -> str:
        alone = f", {self.alone} found by one side only" if self.alone else ""
        return f"{self.objects} objects, boxes within {self.pixels:.2g} px, scores within {self.score:.2g}{alone}"


def agreement(ours: Detections, theirs: Detections, size: tuple[int, int], thresh: float) -> Agreement:
    """Compare the objects above ``thresh`` of one image of ``size`` (width, height); boxes relative to it.

    An object whose score is within 1e-3 of the threshold may be missing on the other side.
    """
    parts = [
        _class_agreement(ours, theirs, label, np.asarray((*size, *size), np.float32), thresh)
        for label in range(ours.prob.shape[1])
    ]
    return sum(parts, Agreement())


def total(parts: Iterable[Agreement]) -> Agreement:
    """The agreement over several images."""
    return sum(parts, Agreement())


def _class_agreement(ours: Detections, theirs: Detections, label: int, scale: FloatArray, thresh: float) -> Agreement:
    sides = []
    for found in (ours, theirs):
        rows = np.flatnonzero(found.prob[:, label] > thresh - MOST_SCORE)
        sides.append((found.boxes[rows] * scale, found.prob[rows, label]))
    (boxes, scores), (other_boxes, other_scores) = sides
    if not len(boxes) or not len(other_boxes):
        lonely = int((np.concatenate([scores, other_scores]) > thresh + MOST_SCORE).sum())
        return Agreement(objects=lonely, alone=lonely)
    distance = np.abs(boxes[:, None] - other_boxes[None]).max(2)
    matches = distance.argmin(1)
    near = distance[np.arange(len(boxes)), matches]
    certain = (scores > thresh + MOST_SCORE) & (near <= 10 * MOST_PIXELS)
    missed = (scores > thresh + MOST_SCORE) & ~certain
    extra = (other_scores > thresh + MOST_SCORE) & (distance.min(0) > 10 * MOST_PIXELS)
    return Agreement(
        objects=int(certain.sum() + missed.sum() + extra.sum()),
        pixels=float(near[certain].max(initial=0.0)),
        score=float(np.abs(scores - other_scores[matches])[certain].max(initial=0.0)),
        alone=int(missed.sum() + extra.sum()),
    )
