"""Mosaic: four augmented images around one random centre.

Source: Darknet's ``mosaic=1``. Every part is first augmented to the full network size; the tile then
shows the part's corner that lies towards the centre (the upper left tile its lower right corner), moved
so that space outside the part's image stays out of sight where it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from csptrain.datasets.augment import Draw, apply_crop
from csptrain.datasets.colour import distort_pixels
from csptrain.datasets.geometry import Crop, Fill, crop_truth, from_edges, to_edges
from csptrain.datasets.image import FloatArray, Pixels

PARTS = 4
_NEAREST, _FARTHEST = 0.2, 0.8  # the centre's range, as a share of the side


@dataclass(frozen=True)
class Part:
    """One source of a mosaic: uint8 [H, W, C] pixels, float32 [n, 5] boxes, drawn parameters."""

    pixels: Pixels
    truth: FloatArray
    drawn: Draw


def sample_centre(rng: np.random.Generator, net_size: tuple[int, int]) -> tuple[int, int]:
    """The point (x, y) in network pixels where the four tiles meet."""
    share_x, share_y = rng.uniform(_NEAREST, _FARTHEST, 2)
    return int(net_size[0] * share_x), int(net_size[1] * share_y)


def compose(
    parts: Sequence[Part], net_size: tuple[int, int], centre: tuple[int, int], fill: Fill
) -> tuple[Pixels, FloatArray]:
    """Four parts (upper left, upper right, lower left, lower right) to one uint8 [H, W, C] image.

    Boxes are clipped to their tile, float32 [m, 5]; those below one network pixel are dropped.
    """
    width, height = net_size
    mosaic = np.empty((height, width, parts[0].pixels.shape[2]), np.uint8)
    truths = []
    for number, part in enumerate(parts):
        crop = part.drawn.crop
        size = part.pixels.shape[1], part.pixels.shape[0]
        margins = _margins(size, net_size, crop)
        x, from_x, columns = _span(bool(number % 2), centre[0], width, margins[0], margins[2])
        y, from_y, rows = _span(number >= 2, centre[1], height, margins[1], margins[3])
        sized = apply_crop(part.pixels, net_size, crop, fill)[from_y : from_y + rows, from_x : from_x + columns]
        mosaic[y : y + rows, x : x + columns] = distort_pixels(sized, part.drawn.distortion)

        truth = crop_truth(part.truth, size, net_size, crop)
        move = np.array([(x - from_x) / width, (y - from_y) / height] * 2, np.float32)
        window = (x / width, y / height, (x + columns) / width, (y + rows) / height)
        truths.append(from_edges(to_edges(truth) + move, truth[:, 4], window, net_size))
    return mosaic, np.concatenate(truths)


def _margins(size: tuple[int, int], net_size: tuple[int, int], crop: Crop) -> tuple[int, int, int, int]:
    """Network pixels at the left, top, right and bottom that show nothing of the image."""
    left, right = -crop.left, crop.left + crop.width - size[0]
    top, bottom = -crop.top, crop.top + crop.height - size[1]
    if crop.flip:
        left, right = right, left
    across, down = net_size[0] / crop.width, net_size[1] / crop.height
    return (
        int(max(0, left) * across),
        int(max(0, top) * down),
        int(max(0, right) * across),
        int(max(0, bottom) * down),
    )


def _span(far: bool, cut: int, side: int, margin_before: int, margin_after: int) -> tuple[int, int, int]:
    """Along one axis: where the tile begins, where its source begins, how long both are."""
    if far:
        return cut, min(margin_before, cut), side - cut
    return 0, side - cut - min(margin_after, side - cut), cut
