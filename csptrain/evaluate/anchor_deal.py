"""Which anchors go to which head: three rules, from Darknet's habit to anchors of each head's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from csptrain.datasets.anchors import (
    MOST_IN_A_TRY,
    FloatArray,
    as_written,
    box_sizes,
    find_clusters,
    mean_best_iou,
)
from csptrain.datasets.lists import Samples
from csptrain.evaluate.anchor_fit import HeadAnchors, Plane

#: A head is for boxes smaller than this many of its cells: 30 pixels at stride 8, 60 at 16, as Darknet's manual says.
REACH = 3.75


@dataclass(frozen=True)
class Deal:
    """``anchors`` [A, 2], and for each level (heads of one stride, the finest first) the numbers of its own."""

    anchors: FloatArray
    masks: tuple[tuple[int, ...], ...]

    def give(self, heads: Sequence[HeadAnchors]) -> tuple[HeadAnchors, ...]:
        """The heads with these anchors in place of theirs."""
        level = {stride: number for number, stride in enumerate(levels(heads))}
        return tuple(
            dataclasses.replace(head, anchors=self.anchors, mask=self.masks[level[head.stride]]) for head in heads
        )


def levels(heads: Sequence[HeadAnchors]) -> list[float]:
    """The different strides of the heads, rising."""
    return sorted({head.stride for head in heads})


def limits(strides: Sequence[float]) -> FloatArray:
    """Where one level's boxes end and the next one's begin, as the square root of their area; [levels - 1]."""
    return np.array(strides[:-1]) * REACH


def deal_evenly(anchors: FloatArray, strides: Sequence[float]) -> Deal:
    """As many for each level, the smallest to the finest; the finer ones get what is left over."""
    share, rest = divmod(len(anchors), len(strides))
    return _consecutive(anchors, [share + (number < rest) for number in range(len(strides))])


def deal_by_size(anchors: FloatArray, strides: Sequence[float]) -> Deal:
    """Each anchor, rising by area, to the level in whose range it lies; a level without any gets its neighbour's next.

    Source: the manual of AlexeyAB's Darknet, which asks for smaller than 30x30, then 60x60, then the rest.
    """
    cuts = [0, *np.searchsorted(np.sqrt(anchors.prod(1)), limits(strides)).tolist(), len(anchors)]
    for number in range(1, len(strides)):
        cuts[number] = max(cuts[number], cuts[number - 1] + 1)
    for number in range(len(strides) - 1, 0, -1):
        cuts[number] = min(cuts[number], cuts[number + 1] - 1)
    return _consecutive(anchors, [end - start for start, end in zip(cuts, cuts[1:], strict=False)])


def _consecutive(anchors: FloatArray, counts: Sequence[int]) -> Deal:
    ends = list(accumulate(counts))
    masks = tuple(tuple(range(end - count, end)) for count, end in zip(counts, ends, strict=True))
    return Deal(anchors, masks)


def class_weights(classes: npt.NDArray[np.intp]) -> FloatArray:
    """What each box counts, [N]: a class of four times as many boxes counts twice as much.

    Halfway between boxes counting alike, where a crowded class takes nearly every anchor, and classes counting alike
    as in mAP, where a class of three boxes gets one.
    """
    weights: FloatArray = 1 / np.sqrt(np.bincount(classes)[classes])
    return weights


def own_anchors(
    sizes: FloatArray, classes: npt.NDArray[np.intp], count: int, strides: Sequence[float], largest: float, seed: int
) -> Deal:
    """Anchors found for each level from the boxes that its stride suits.

    Args:
        sizes: [N, 2] width and height of the boxes, ``classes`` [N] their classes.
        count: anchors of all levels together, at least one for each; fewer come back where sizes repeat.
        largest: side of the largest box there can be.

    A level without boxes keeps one anchor, in the middle of its range. The others are dealt one by one to the level
    where the next one adds most to the mean IoU, boxes counted by `class_weights`.
    """
    level = np.searchsorted(limits(strides), np.sqrt(sizes.prod(1)), side="right")
    weights = class_weights(classes)
    parts = [_Level(sizes[level == number], weights[level == number], seed) for number in range(len(strides))]
    counts = [1] * len(strides)
    while sum(counts) < count:
        gains = [part.score(held + 1) - part.score(held) for part, held in zip(parts, counts, strict=True)]
        if max(gains) <= 0:
            break
        counts[int(np.argmax(gains))] += 1
    ends = [strides[0], *limits(strides), largest]
    anchors = [
        part.anchors(held) if part.most else np.full((1, 2), np.sqrt(start * max(end, start)))
        for part, held, start, end in zip(parts, counts, ends, ends[1:], strict=False)
    ]
    return _consecutive(np.concatenate(anchors), counts)


def deal_own(samples: Samples, plane: Plane, heads: Sequence[HeadAnchors], count: int, seed: int) -> Deal:
    """`own_anchors` for the boxes of a list, measured on ``plane`` and rounded as a cfg holds them."""
    sizes, classes = box_sizes(samples, *plane), samples.rows[:, 4].astype(np.intp)
    own = own_anchors(sizes, classes, count, levels(heads), max(plane), seed)
    return dataclasses.replace(own, anchors=as_written(own.anchors, plane[0]))


class _Level:
    """The boxes of one level and the anchors found for them, by number."""

    def __init__(self, sizes: FloatArray, weights: FloatArray, seed: int) -> None:
        self._total = float(weights.sum())
        if len(sizes) > MOST_IN_A_TRY:
            chosen = np.random.default_rng(seed).choice(len(sizes), MOST_IN_A_TRY, replace=False)
            sizes, weights = sizes[chosen], weights[chosen]
        self._sizes, self._weights, self._seed = sizes, weights, seed
        self.most = len(np.unique(sizes, axis=0))
        self._found: dict[int, FloatArray] = {}

    def anchors(self, count: int) -> FloatArray:
        """``count`` anchors [count, 2], rising by area."""
        if count not in self._found:
            self._found[count] = find_clusters(self._sizes, count, self._seed, self._weights).centres
        return self._found[count]

    def score(self, count: int) -> float:
        """What ``count`` anchors are worth; no more than there are different boxes."""
        count = min(count, self.most)
        return self._total * mean_best_iou(self._sizes, self.anchors(count), self._weights) if count else 0.0
