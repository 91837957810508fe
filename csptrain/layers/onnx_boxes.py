"""From an activated map to boxes and scores in operators of ONNX, for the heads with anchors (see ops.decode)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from csptrain.layers.onnx_target import OnnxTarget, Value

Pairs = Sequence[tuple[float, float]]


def entries_apart(target: OnnxTarget, x: Value, boxes_per_cell: int) -> Value:
    """[N, A * E, H, W] -> [N, A, E, H * W]."""
    c, h, w = x.dims
    return target.reshape(x, boxes_per_cell, c // boxes_per_cell, h * w)


def cells_first(target: OnnxTarget, x: Value, boxes_per_cell: int) -> Value:
    """[N, A * E, H, W] -> [N, H * W, A, E], the order of Darknet's detections."""
    return target.transpose(entries_apart(target, x, boxes_per_cell), 3, 1, 2)


def stretch(target: OnnxTarget, xy: Value, factor: float) -> Value:
    """`scale_x_y` around one half."""
    return xy if factor == 1 else target.add(target.multiply(xy, factor), -0.5 * (factor - 1))


def centres(target: OnnxTarget, xy: Value, width: int, height: int, boxes_per_cell: int) -> Value:
    """Places in their cells [N, B, 2] -> places in the image, the cells being ``width`` x ``height``."""
    cell = np.repeat(np.arange(width * height), boxes_per_cell)
    corner = np.stack((cell % width, cell // width), axis=1)[None].astype(np.float32)
    # As large as the places themselves: OpenCV 4.6 knows no other shapes here.
    return target.divide(target.add(xy, corner), np.full_like(corner, (width, height)))


def sizes(
    target: OnnxTarget, wh: Value, anchors: Pairs, unit: tuple[int, int], cells: int, new_coords: bool = False
) -> Value:
    """Entries [N, B, 2] -> sizes relative to the image; ``anchors`` of one cell, in ``unit`` (width, height)."""
    shape = np.asarray(anchors, np.float64) / unit * (4 if new_coords else 1)
    factors = np.tile(shape, (cells, 1))[None].astype(np.float32)
    grown = target.multiply(wh, wh) if new_coords else target.apply("Exp", wh)
    return target.multiply(grown, factors)
