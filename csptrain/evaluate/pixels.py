"""Detections of a data set in pixels, as the files of VOC's and COCO's evaluation hold them.

The figures are computed from the rounded numbers, so they equal those that the files give.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from csptrain.datasets.coco_numbers import coco_categories, image_numbers
from csptrain.datasets.lists import Samples
from csptrain.datasets.objects import Objects, objects_of_rows
from csptrain.ops.decode import Detections

DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DECIMALS = 6
"""Decimals of every number in a result file, as C's %f writes them."""


class Found(NamedTuple):
    """All detections, image after image: place of the image among those added, class, score, and the box.

    ``edges`` float64 [D, 4] are left, top, right and bottom in pixels of the image, which need not lie inside it.
    """

    image: IntArray
    label: IntArray
    score: DoubleArray
    edges: DoubleArray


_NONE = Found(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 4)))


class PixelDetections:
    """Collects the detections of a data set; ``indices`` are the places of its images in the list."""

    def __init__(self) -> None:
        self.indices: list[int] = []
        self._sizes: list[tuple[int, int]] = []
        self._parts: list[Found] = []

    def add(self, index: int, size: tuple[int, int], found: Detections) -> None:
        """Add one image of ``size`` (width, height): boxes after suppression, relative to it."""
        part = listed(found, size)
        self._parts.append(part._replace(image=np.full(len(part.label), len(self.indices), np.int64)))
        self.indices.append(index)
        self._sizes.append(size)

    @property
    def sizes(self) -> IntArray:
        """Width and height [I, 2] of the images that were added."""
        return np.array(self._sizes, np.int64).reshape(-1, 2)

    @cached_property
    def found(self) -> Found:
        """Everything that was added, in the order it came in; ask when all is."""
        image, label, score, edges = zip(_NONE, *self._parts, strict=True)
        return Found(np.concatenate(image), np.concatenate(label), np.concatenate(score), np.concatenate(edges))


def objects_of(samples: Samples, detections: PixelDetections, classes: int) -> Objects:
    """The objects of the images that ``detections`` has: the set's annotations, else made from its label rows."""
    if samples.objects is not None:
        return samples.objects.only(np.array(detections.indices, np.int64))
    numbers = image_numbers(tuple(samples.images[index] for index in detections.indices))
    return objects_of_rows(
        [samples.truth(index) for index in detections.indices],
        [samples.difficult(index) for index in detections.indices],
        np.array(numbers, np.int64),
        detections.sizes,
        coco_categories(classes),
    )


def listed(found: Detections, size: tuple[int, int]) -> Found:
    """Every class of every box of one image of ``size`` (width, height), in the order of boxes; image is 0.

    Boxes that are not finite are left out: no file can hold them.
    """
    edges = pixel_edges(found.boxes, size)
    rows, label = np.nonzero((found.prob > 0) & np.isfinite(edges).all(axis=1, keepdims=True))
    score = _rounded(found.prob[rows, label].astype(np.float64))
    return Found(np.zeros(len(rows), np.int64), label.astype(np.int64), score, edges[rows])


def pixel_edges(boxes: NDArray[np.float32], size: tuple[int, int]) -> DoubleArray:
    """Left, top, right and bottom [M, 4] in pixels of boxes [M, 4] x y w h relative to an image."""
    box = boxes * np.asarray((*size, *size), np.float32)
    centre, half = box[:, :2].astype(np.float64), box[:, 2:].astype(np.float64) / 2
    with np.errstate(invalid="ignore"):
        return np.concatenate((centre - half, centre + half), axis=1)


def coco_boxes(edges: DoubleArray, size: IntArray) -> DoubleArray:
    """Left, top, width, height [M, 4] inside the image, from edges [M, 4]; ``size`` is [2] or [M, 2]."""
    first, last = np.clip(edges[:, :2], 0, size), np.clip(edges[:, 2:], 0, size)
    return _rounded(np.concatenate((first, last - first), axis=1))


def voc_edges(edges: DoubleArray, size: IntArray) -> DoubleArray:
    """Edges [M, 4] in VOC's pixels, which count from 1; ``size`` is [2] or [M, 2]."""
    first, last = np.maximum(edges[:, :2] + 1, 1), np.minimum(edges[:, 2:] + 1, size)
    return _rounded(np.concatenate((first, last), axis=1))


def plain_edges(edges: DoubleArray, size: IntArray) -> DoubleArray:
    """Edges [M, 4] inside the image, counted from 0; ``size`` is [2] or [M, 2]."""
    return _rounded(np.concatenate((np.maximum(edges[:, :2], 0), np.minimum(edges[:, 2:], size)), axis=1))


def _rounded(values: DoubleArray) -> DoubleArray:
    # The nearest double of a number with six decimals: what reading it from a file gives.
    return np.asarray(np.round(values, DECIMALS), np.float64)
