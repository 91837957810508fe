"""Head outputs to boxes and probabilities, as Darknet's [yolo] and [region] report them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.float32]

BOX_ENTRIES = 5
"""Entries before the classes in a cell's prediction: x, y, w, h, objectness."""


@dataclass(frozen=True, slots=True)
class Detections:
    """The candidate boxes of one image, float32 on the CPU.

    ``boxes`` [M, 4] are rows x y w h (centre and size); ``objectness`` [M]; ``prob`` [M, K] is
    objectness times class probability, 0 where it did not exceed the threshold.
    """

    boxes: FloatArray
    objectness: FloatArray
    prob: FloatArray

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, rows: NDArray[np.intp]) -> Detections:
        """The chosen rows."""
        return Detections(self.boxes[rows], self.objectness[rows], self.prob[rows])

    def with_any_probability(self) -> Detections:
        """Only the rows in which some class has a probability above 0."""
        return self.take(np.flatnonzero(self.prob.any(axis=1)))


def concatenate(heads: Sequence[Detections]) -> Detections:
    """Join the detections of several heads for one image, first head first."""
    return Detections(
        np.concatenate([head.boxes for head in heads]),
        np.concatenate([head.objectness for head in heads]),
        np.concatenate([head.prob for head in heads]),
    )


def decode_yolo(
    output: Tensor,
    anchors: Sequence[tuple[float, float]],
    mask: Sequence[int],
    classes: int,
    net_width: int,
    net_height: int,
    thresh: float,
    new_coords: bool = False,
) -> list[Detections]:
    """Candidates of a [yolo] head, one ``Detections`` per image, boxes relative to the network input.

    ``output`` [N, len(mask) * (5 + classes), H, W] is activated as the layer holds it. ``anchors`` are
    all of the cfg, in network pixels. Kept are predictions with objectness > ``thresh`` (strict),
    ordered by cell row by row, anchors of the mask innermost.

    Source: Darknet behaviour; w and h are exp(v) * anchor / net, or 4 v^2 * anchor / net with new_coords.
    """
    batch, _, height, width = output.shape
    thresh = _as_float32(thresh)
    # One fancy index over the whole batch, so that a device is asked once and sends only what passed.
    cells = output.detach().view(batch, len(mask), BOX_ENTRIES + classes, height, width).permute(0, 3, 4, 1, 2)
    image, row, column, anchor = (cells[..., 4] > thresh).nonzero(as_tuple=True)
    found = cells[image, row, column, anchor].float().cpu().numpy()
    place = torch.stack((image, row, column, anchor)).cpu().numpy()

    shape = np.asarray([anchors[index] for index in mask], np.float32).reshape(-1, 2)[place[3]]
    grid = np.asarray((width, height), np.float32)
    boxes = np.empty((len(found), 4), np.float32)
    boxes[:, :2] = (place[[2, 1]].T.astype(np.float32) + found[:, :2]) / grid
    net = np.asarray((net_width, net_height), np.float64)
    with np.errstate(over="ignore"):  # a box of a network that has hardly learnt may be wider than a float
        boxes[:, 2:] = _sizes(found[:, 2:4], new_coords) * shape / net
    objectness = found[:, 4].copy()
    prob = _class_probabilities(objectness, found[:, BOX_ENTRIES:], thresh)
    ends = np.searchsorted(place[0], np.arange(batch + 1))
    return [Detections(boxes[start:end], objectness[start:end], prob[start:end]) for start, end in pairwise(ends)]


def decode_region(
    output: Tensor,
    anchors: Sequence[tuple[float, float]],
    classes: int,
    width: int,
    height: int,
    thresh: float,
    classfix: int = 0,
) -> list[Detections]:
    """Every prediction of a [region] head, one ``Detections`` per image, relative to the network input.

    ``output`` [N, height * width * len(anchors) * (5 + classes)] is laid out (cell, anchor, entry), with
    objectness and classes activated, x and y raw, as the layer holds it. ``anchors`` are in cells. All
    anchors are returned with objectness 1; ``thresh`` clears class probabilities only. ``classfix`` -1
    ignores predictions whose objectness is below one half.

    Source: Darknet behaviour.
    """
    batch = output.shape[0]
    number = len(anchors)
    found = output.detach().float().cpu().numpy().reshape(batch, height * width, number, BOX_ENTRIES + classes)
    cell = np.arange(height * width)
    corner = np.stack((cell % width, cell // width), axis=1).astype(np.float32)[:, None]
    grid = np.asarray((width, height), np.float32)
    boxes = np.empty((*found.shape[:3], 4), np.float32)
    with np.errstate(over="ignore"):
        boxes[..., :2] = (corner + 1 / (1 + np.exp(-found[..., :2]))) / grid
    boxes[..., 2:] = _sizes(found[..., 2:4], new_coords=False) * np.asarray(anchors, np.float32) / grid
    scale = found[..., 4]
    if classfix == -1:
        scale = np.where(scale < np.float32(0.5), np.float32(0), scale)
    prob = _class_probabilities(scale, found[..., BOX_ENTRIES:], _as_float32(thresh))
    ones = np.ones(cell.size * number, np.float32)
    return [Detections(boxes[n].reshape(-1, 4), ones.copy(), prob[n].reshape(-1, classes)) for n in range(batch)]


def decode_grid(output: Tensor, side: int, number: int, classes: int, square: bool, thresh: float) -> list[Detections]:
    """Every prediction of a [detection] head (YOLOv1), one ``Detections`` per image, relative to the input.

    ``output`` [N, side * side * (classes + 5 * number)] holds the class probabilities of all cells, then the
    objectness of all boxes, then x y (in cells, from the cell's corner) w h (in images, their roots with ``square``).
    ``thresh`` clears class probabilities only.

    Source: Darknet behaviour.
    """
    cells = side * side
    found = output.detach().float().cpu().numpy()
    ends = np.cumsum((cells * classes, cells * number))
    kinds, objectness, places = np.split(found, ends, axis=1)
    places = places.reshape(-1, cells, number, 4)
    cell = np.arange(cells)
    corner = np.stack((cell % side, cell // side), axis=1).astype(np.float32)[:, None]
    sizes = places[..., 2:] ** 2 if square else places[..., 2:]
    boxes = np.concatenate(((places[..., :2] + corner) / np.float32(side), sizes), axis=3).reshape(len(found), -1, 4)
    each = np.repeat(kinds.reshape(-1, cells, classes), number, axis=1)
    return [
        Detections(boxes[n], objectness[n].copy(), _class_probabilities(objectness[n], each[n], _as_float32(thresh)))
        for n in range(len(found))
    ]


def correct_boxes(
    boxes: FloatArray,
    image_width: int,
    image_height: int,
    net_width: int,
    net_height: int,
    letter_box: bool,
    relative: bool = True,
) -> FloatArray:
    """Boxes [M, 4] relative to the network input, mapped to the image it was made from.

    The result is relative to the image, or in its pixels when ``relative`` is false.

    Source: Darknet behaviour; a letterbox is undone with the real-valued offset (net - new) / 2, although
    the picture was placed at the integer one.
    """
    new_width, new_height = net_width, net_height
    if letter_box:
        new_width, new_height = letterbox_size(image_width, image_height, net_width, net_height)
    net = np.asarray((net_width, net_height), np.float64)
    new = np.maximum((new_width, new_height), 1).astype(np.float64)  # of a strip of a picture no pixel may be left
    ratio = (new / net).astype(np.float32)
    mapped = np.empty_like(boxes, dtype=np.float32)
    mapped[:, :2] = (boxes[:, :2] - (net - new) / 2 / net) / ratio.astype(np.float64)
    mapped[:, 2:] = boxes[:, 2:] * (1 / ratio)
    if not relative:
        mapped *= np.asarray((image_width, image_height) * 2, np.float32)
    return mapped


def letterbox_size(image_width: int, image_height: int, net_width: int, net_height: int) -> tuple[int, int]:
    """Width and height of the image inside the letterbox: the tighter side fits, the other follows, cut."""
    if np.float32(net_width) / np.float32(image_width) < np.float32(net_height) / np.float32(image_height):
        return net_width, image_height * net_width // image_width
    return image_width * net_height // image_height, net_height


def _sizes(entries: FloatArray, new_coords: bool) -> NDArray[np.float64]:
    # Double precision until the last division, as in C: boxes then agree to the bit, and so does the NMS.
    wide = entries.astype(np.float64)
    if new_coords:
        return wide * wide * 4
    with np.errstate(over="ignore"):
        return np.exp(wide)


def _class_probabilities(objectness: FloatArray, classes: FloatArray, thresh: float) -> FloatArray:
    prob = objectness[..., None] * classes
    prob[~(prob > np.float32(thresh))] = 0
    return prob


def _as_float32(value: float) -> float:
    return float(np.float32(value))
