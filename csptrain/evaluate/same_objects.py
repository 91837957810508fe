"""Objects that two programs found in one picture, paired one to one: how far apart are they, and who is alone?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from csptrain.evaluate.detect import above, finish
from csptrain.evaluate.matching import FloatArray, IntArray, box_iou, lane_pairs, pair_off
from csptrain.graph import Graph
from csptrain.ops.decode import Detections

LEAST_OVERLAP = 0.5


@dataclass(frozen=True)
class SameObjects:
    """The worst over the pairs of one or more pictures, and who has no partner.

    ``ours`` and ``theirs`` count objects, ``pixels`` is the largest difference of x, y, w or h in pixels, ``box`` the
    same in parts of the picture's side, or of the box's where that is larger, ``score`` that of scores. ``undecided``
    have no partner because they lie within the tolerance of the threshold, or of the overlap above which a box goes.
    """

    ours: int = 0
    theirs: int = 0
    pixels: float = 0.0
    box: float = 0.0
    score: float = 0.0
    ours_alone: int = 0
    theirs_alone: int = 0
    undecided: int = 0

    def agree(self, tolerance: float) -> bool:
        """Whether boxes and scores are within ``tolerance``, nobody is alone, and there was anything to compare."""
        close = self.box <= tolerance and self.score <= tolerance
        return close and not (self.ours_alone or self.theirs_alone) and bool(self.ours or self.theirs)


class _Objects(NamedTuple):
    """Objects as rows: the class, x y w h relative to the picture, and the score."""

    label: IntArray
    boxes: FloatArray
    score: FloatArray


def worst(parts: Iterable[SameObjects]) -> SameObjects:
    """Several pictures as one: counts are added, of differences the largest stays."""
    every = list(parts)
    return SameObjects(
        *(sum(getattr(part, name) for part in every) for name in ("ours", "theirs")),
        *(max((getattr(part, name) for part in every), default=0.0) for name in ("pixels", "box", "score")),
        *(sum(getattr(part, name) for part in every) for name in ("ours_alone", "theirs_alone", "undecided")),
    )


def same_objects(
    graph: Graph,
    candidates: Detections,
    theirs: Detections,
    size: tuple[int, int],
    thresh: float,
    nms: float,
    tolerance: float,
) -> SameObjects:
    """Compare ``theirs`` in a picture of ``size`` (width, height) with what csptrain makes of its candidates.

    ``candidates`` of the network's input have scores from ``thresh`` - ``tolerance`` on; ``theirs`` are relative to
    the picture, after suppression. Pairs are of one class, the best overlap first, at least a half.

    A score within the tolerance of the threshold decides either way, and so does an overlap close to ``nms``. So
    an object without partner is held against csptrain only if it is found with both limits stricter by the tolerance
    too, against the other side only if it is not found with both looser.
    """
    found, strict, loose = (
        _listed(finish(graph, above(candidates, thresh + step), size, nms - step))
        for step in (0.0, tolerance, -tolerance)
    )
    other = _listed(theirs)
    one, two = _pairs(found, other)
    distance = np.abs(found.boxes[one].astype(np.float64) - other.boxes[two])
    sides = np.maximum(1.0, np.tile(found.boxes[one, 2:], 2))
    ours_alone = np.setdiff1d(np.arange(len(found.label)), one)
    theirs_alone = np.setdiff1d(np.arange(len(other.label)), two)
    ours_certain = int(np.isin(ours_alone, _pairs(found, strict)[0]).sum())
    theirs_possible = int(np.isin(theirs_alone, _pairs(other, loose)[0]).sum())
    return SameObjects(
        ours=len(found.label),
        theirs=len(other.label),
        pixels=float((distance * np.array((*size, *size))).max(initial=0.0)),
        box=float((distance / sides).max(initial=0.0)),
        score=float(np.abs(found.score[one].astype(np.float64) - other.score[two]).max(initial=0.0)),
        ours_alone=ours_certain,
        theirs_alone=len(theirs_alone) - theirs_possible,
        undecided=len(ours_alone) - ours_certain + theirs_possible,
    )


def _listed(found: Detections) -> _Objects:
    rows, label = np.nonzero(found.prob > 0)
    return _Objects(label.astype(np.int64), found.boxes[rows], found.prob[rows, label])


def _pairs(ours: _Objects, theirs: _Objects) -> tuple[IntArray, IntArray]:
    """Places on both sides of the objects that go together."""
    places: list[tuple[IntArray, IntArray, FloatArray]] = []
    for one, other in lane_pairs(ours.label, theirs.label):
        overlap = box_iou(ours.boxes[one], theirs.boxes[other])
        near = overlap >= LEAST_OVERLAP
        places.append((one[near], other[near], overlap[near]))
    if not places:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    one, other, overlap = (np.concatenate(column) for column in zip(*places, strict=True))
    kept = pair_off(one, other, overlap)
    return one[kept], other[kept]
