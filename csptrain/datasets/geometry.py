"""The crop of detector augmentation: what is sampled, what it does to pixels and to boxes.

Source: Darknet crops (or extends) the image by a random share of each side, resizes the result to the
network and flips it. Sizes are (width, height).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from csptrain.datasets.image import FloatArray, Pixels

Fill = Literal["mean", "replicate"]


@dataclass(frozen=True)
class Crop:
    """The window (left, top, width, height) in image pixels, which may reach outside, and a flip after it."""

    left: int
    top: int
    width: int
    height: int
    flip: bool = False


def sample_crop(
    rng: np.random.Generator,
    size: tuple[int, int],
    net_size: tuple[int, int],
    *,
    jitter: float = 0.0,
    resize: float = 1.0,
    flip: bool = False,
    letter_box: bool = False,
) -> Crop:
    """Draw a crop for an image of ``size``; always seven draws, so that a setting does not shift later draws.

    *Source:* Darknet moves each of the four edges by up to ``jitter`` of the side. ``resize`` r > 1 moves
    them further, from outwards by (r - 1)/2 to inwards by (1 - 1/r)/2 of the side; left and top share one
    draw, right and bottom another. r < 1 moves outwards only, by up to (1/r - 1)/2. ``letter_box`` extends
    the shorter side to the net's aspect.
    """
    width, height = size
    shares = rng.uniform(-jitter, jitter, 4)
    factor = max(resize, 1 / resize)
    outermost, innermost = (1 - factor) / 2, (1 - 1 / factor) / 2 if resize > 1 else 0.0
    shares += rng.uniform(outermost, innermost, 2).repeat(2)[[0, 2, 1, 3]]
    flipped = bool(rng.random() < 0.5) and flip
    left, right = int(width * shares[0]), int(width * shares[1])
    top, bottom = int(height * shares[2]), int(height * shares[3])
    if letter_box:
        aspect = net_size[0] / net_size[1]
        extra_rows = max(0, int((width / aspect - height) / 2))
        extra_columns = max(0, int((height * aspect - width) / 2))
        left, right, top, bottom = (
            left - extra_columns,
            right - extra_columns,
            top - extra_rows,
            bottom - extra_rows,
        )
    return Crop(left, top, max(1, width - left - right), max(1, height - top - bottom), flipped)


def to_corner(crop: Crop, size: tuple[int, int], right: bool, bottom: bool) -> Crop:
    """The window of ``crop`` moved until, in what the network sees, it meets two edges of the image of ``size``.

    These are the right or left and the bottom or top edge; all space outside the image is then at the others.
    """
    left = size[0] - crop.width if right != crop.flip else 0
    return replace(crop, left=left, top=size[1] - crop.height if bottom else 0)


def crop_pixels(image: Pixels, crop: Crop, fill: Fill) -> Pixels:
    """The window of ``crop``, uint8 [height, width, C], not flipped; ``fill`` tells what is outside."""
    rows, columns = image.shape[:2]
    right, bottom = crop.left + crop.width, crop.top + crop.height
    x0, x1 = min(max(crop.left, 0), columns - 1), max(min(right, columns), 1)
    y0, y1 = min(max(crop.top, 0), rows - 1), max(min(bottom, rows), 1)
    inside = image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    margins = (
        max(y0 - crop.top, 0),
        max(bottom - y0 - inside.shape[0], 0),
        max(x0 - crop.left, 0),
        max(right - x0 - inside.shape[1], 0),
    )
    if not any(margins):
        return inside
    if fill == "replicate":
        return np.asarray(cv2.copyMakeBorder(inside, *margins, cv2.BORDER_REPLICATE), np.uint8)
    bordered = cv2.copyMakeBorder(inside, *margins, cv2.BORDER_CONSTANT, value=mean_colour(image))
    return np.asarray(bordered, np.uint8)


def mean_colour(image: Pixels) -> tuple[float, ...]:
    """The mean of each channel of uint8 [H, W, C]; several times as fast as cv2.mean, which a crop waits for."""
    rows, columns, channels = image.shape
    sums = cv2.reduce(image.reshape(rows, -1), 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    means = sums.reshape(-1, channels).sum(0, dtype=np.int64) / (rows * columns)
    return tuple(means.tolist())


def crop_truth(truth: FloatArray, size: tuple[int, int], net_size: tuple[int, int], crop: Crop) -> FloatArray:
    """Boxes as the network sees them after ``crop``: float32 [n, 5] to [m, 5], rows x y w h class, m <= n.

    Clamped to the window; one that is then smaller than a network pixel is dropped.
    """
    edges = to_edges(truth)
    scale = np.array([size[0] / crop.width, size[1] / crop.height] * 2, np.float32)
    shift = np.array([crop.left / crop.width, crop.top / crop.height] * 2, np.float32)
    edges = edges * scale - shift
    if crop.flip:
        edges[:, [0, 2]] = 1 - edges[:, [2, 0]]
    return from_edges(edges, truth[:, 4], (0.0, 0.0, 1.0, 1.0), net_size)


def to_edges(truth: FloatArray) -> FloatArray:
    """Rows x y w h class to left top right bottom, [n, 5] to [n, 4]."""
    half = truth[:, 2:4] / 2
    return np.concatenate((truth[:, :2] - half, truth[:, :2] + half), 1)


def from_edges(
    edges: FloatArray,
    classes: FloatArray,
    window: tuple[float, float, float, float],
    net_size: tuple[int, int],
) -> FloatArray:
    """Edges [n, 4] clamped to ``window`` (left, top, right, bottom) to rows x y w h class [m, 5].

    Rows below one network pixel in width or height are dropped.
    """
    low, high = np.array(window[:2] * 2, np.float32), np.array(window[2:] * 2, np.float32)
    clamped = np.clip(edges, low, high)
    sides = clamped[:, 2:] - clamped[:, :2]
    kept = (sides >= 1 / np.array(net_size, np.float32)).all(1)
    centres = (clamped[:, :2] + clamped[:, 2:]) / 2
    return np.concatenate((centres, sides, classes[:, None]), 1)[kept]
