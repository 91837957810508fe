"""The objects of a set as its annotations give them, in pixels: what VOC's and COCO's evaluation compare with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_LEAST_SIDE = 1e-6  # of the image: the six decimals of a label file show nothing smaller


@dataclass(frozen=True)
class Objects:
    """All objects of a list of images, image after image, crowds and difficult ones included.

    Per image: ``image_ids`` [I] and ``sizes`` [I, 2] (width, height). Per object: ``ids``, ``image`` (its place in the
    list) and ``label`` [O], ``boxes`` float64 [O, 4] left, top, width, height in pixels, ``area`` [O] in pixels,
    ``crowd`` and ``difficult`` [O]. ``categories`` are the ids of the classes in the annotations.
    """

    image_ids: IntArray
    sizes: IntArray
    ids: IntArray
    image: IntArray
    label: IntArray
    boxes: DoubleArray
    area: DoubleArray
    crowd: BoolArray
    difficult: BoolArray
    categories: tuple[int, ...]

    def rows(self, chosen: BoolArray) -> tuple[FloatArray, IntArray, IntArray]:
        """The ``chosen`` [O] objects as a network is taught them.

        Gives float32 [n, 5] x y w h class, cut at the image's edge; starts [I + 1] of each image's; and which objects
        had no area left and are not among the rows.
        """
        place = np.flatnonzero(chosen)
        size = self.sizes[self.image[place]].astype(np.float64)
        first = np.maximum(self.boxes[place, :2], 0)
        last = np.minimum(self.boxes[place, :2] + self.boxes[place, 2:], size)
        extent = (last - first) / size
        seen = (extent >= _LEAST_SIDE).all(axis=1)
        rows = np.concatenate(((first + last) / 2 / size, extent, self.label[place, None]), axis=1)[seen]
        counts = np.bincount(self.image[place[seen]], minlength=len(self.image_ids))
        starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        return rows.astype(np.float32), starts, place[~seen]

    def only(self, images: IntArray) -> Objects:
        """Those of some ``images`` (rising places in the list), which are counted anew."""
        place = np.full(len(self.image_ids), -1, np.int64)
        place[images] = np.arange(len(images))
        own = place[self.image] >= 0
        return replace(
            self,
            image_ids=self.image_ids[images],
            sizes=self.sizes[images],
            ids=self.ids[own],
            image=place[self.image[own]],
            label=self.label[own],
            boxes=self.boxes[own],
            area=self.area[own],
            crowd=self.crowd[own],
            difficult=self.difficult[own],
        )


def objects_of_rows(
    truths: list[FloatArray],
    difficult: list[FloatArray],
    image_ids: IntArray,
    sizes: IntArray,
    categories: tuple[int, ...],
) -> Objects:
    """Objects from label rows x y w h class of each image; objects are numbered from 1.

    ``truths`` and ``difficult`` hold [n, 5] for each image, ``sizes`` [I, 2] their width and height in pixels.
    """
    count = len(truths)
    joined = np.concatenate([np.zeros((0, 5), np.float32), *truths, *difficult])
    images = np.arange(count)
    image = np.concatenate([np.repeat(images, [len(part) for part in parts]) for parts in (truths, difficult)])
    hard = np.arange(len(joined)) >= sum(map(len, truths))
    order = np.argsort(image, kind="stable")
    joined, image, hard = joined[order].astype(np.float64), image[order].astype(np.int64), hard[order]
    size = sizes[image].astype(np.float64)
    boxes = np.concatenate(((joined[:, :2] - joined[:, 2:4] / 2) * size, joined[:, 2:4] * size), axis=1)
    return Objects(
        image_ids=image_ids,
        sizes=sizes,
        ids=np.arange(len(joined)) + 1,
        image=image,
        label=joined[:, 4].astype(np.int64),
        boxes=boxes,
        area=boxes[:, 2] * boxes[:, 3],
        crowd=np.zeros(len(joined), np.bool_),
        difficult=hard,
        categories=categories,
    )
