"""Mosaic: four augmented images around one random centre.

Source: Darknet's ``mosaic=1``. Every part is first augmented to the full network size, and half of them have
their crop moved to the corner of the image that is theirs in the mosaic, so that space outside the image is on
one side only. The tile then shows the part's corner that lies towards the centre (the upper left tile its lower
right corner), moved so that space outside the part's image stays out of sight where it can.

*Differs:* Darknet measures that move in the scale of the image instead of the crop and overshoots where the crop
is larger, which lets boxes reach into the tile beside theirs unless ``mosaic_bound=1`` cuts them. Here the move is
exact, and ``mosaic_bound`` matters only for boxes that reach outside their own image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from csptrain.datasets.augment import Draw, apply_crop, apply_crop_in
from csptrain.datasets.colour import distort_pixels
from csptrain.datasets.degrade import roughen, soften
from csptrain.datasets.geometry import Crop, Fill, crop_truth, from_edges, to_corner, to_edges
from csptrain.datasets.image import FloatArray, Pixels


@dataclass(frozen=True)
class Part:
    """One source of a mosaic: uint8 [H, W, C] pixels, float32 [n, 5] boxes, drawn parameters."""

    pixels: Pixels
    truth: FloatArray
    drawn: Draw


def place_part(rng: np.random.Generator, part: Part, number: int) -> Part:
    """Part ``number`` of a mosaic, one time in two with its crop moved to its own corner of the image."""
    if rng.random() >= 0.5:
        return part
    size = part.pixels.shape[1], part.pixels.shape[0]
    right, bottom = _side(number)
    return replace(part, drawn=replace(part.drawn, crop=to_corner(part.drawn.crop, size, right, bottom)))


def compose(
    parts: Sequence[Part], net_size: tuple[int, int], centre: tuple[int, int], fill: Fill, bound: bool = False
) -> tuple[Pixels, FloatArray]:
    """Four parts (upper left, upper right, lower left, lower right) to one uint8 [H, W, C] image.

    Boxes float32 [m, 5] are clipped to the picture, with ``bound`` to their tile; those that are then below one
    network pixel are dropped.
    """
    width, height = net_size
    mosaic = np.empty((height, width, parts[0].pixels.shape[2]), np.uint8)
    truths = []
    for number, part in enumerate(parts):
        crop = part.drawn.crop
        size = part.pixels.shape[1], part.pixels.shape[0]
        margins = _margins(size, net_size, crop)
        right, bottom = _side(number)
        x, from_x, columns = _span(right, centre[0], width, margins[0], margins[2])
        y, from_y, rows = _span(bottom, centre[1], height, margins[1], margins[3])
        shown = slice(from_y, from_y + rows), slice(from_x, from_x + columns)
        truth = crop_truth(part.truth, size, net_size, crop)
        mosaic[y : y + rows, x : x + columns] = _pixels(part, truth, net_size, fill, shown)

        move = np.array([(x - from_x) / width, (y - from_y) / height] * 2, np.float32)
        tile = (x / width, y / height, (x + columns) / width, (y + rows) / height)
        window = tile if bound else (0.0, 0.0, 1.0, 1.0)
        truths.append(from_edges(to_edges(truth) + move, truth[:, 4], window, net_size))
    return mosaic, np.concatenate(truths)


def _side(number: int) -> tuple[bool, bool]:
    """Whether tile ``number`` is on the right, and at the bottom."""
    return number % 2 == 1, number >= 2


def _pixels(part: Part, truth: FloatArray, net_size: tuple[int, int], fill: Fill, shown: tuple[slice, slice]) -> Pixels:
    """The ``shown`` rows and columns of an augmented part; ``truth`` are its boxes at the network's size."""
    crop, distortion, degradation = part.drawn.crop, part.drawn.distortion, part.drawn.degradation
    if degradation.blur:  # looks beyond the tile
        sized = apply_crop(part.pixels, net_size, crop, fill)
        tile = soften(distort_pixels(sized, distortion), truth, degradation)[shown]
    else:
        tile = distort_pixels(apply_crop_in(part.pixels, net_size, crop, fill, shown), distortion)
    return roughen(tile, degradation)


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
