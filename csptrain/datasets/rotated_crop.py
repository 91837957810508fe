"""The crop of a classifier's augmentation: scaled, turned, stretched and moved, all in one step.

Source: Darknet brings the image's shorter side to a random size, stretches its width by a random factor, turns it
about its centre and takes a square from it; what lies outside the image is black. Sizes are (width, height).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from csptrain.datasets.image import FloatArray, Pixels

_DRAWS = 7


@dataclass(frozen=True)
class RotatedCrop:
    """``scale`` in output pixels per image pixel, ``angle`` in radians, the crop's centre moved by (dx, dy) pixels.

    The width's scale is ``scale / aspect``. ``flip`` mirrors the result.
    """

    scale: float
    angle: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    aspect: float = 1.0
    flip: bool = False

    def matrix(self, size: tuple[int, int], out: tuple[int, int]) -> npt.NDArray[np.float64]:
        """[2, 3]: the place (x, y, 1) in an output of size ``out`` to the place in an image of ``size``."""
        across, down = self.aspect / self.scale, 1 / self.scale
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turn = np.array([[cos * across, -sin * down], [sin * across, cos * down]])
        moved = np.array([self.dx - out[0] / 2, self.dy - out[1] / 2])
        centre = np.array(size, np.float64) / 2
        return np.concatenate((turn, (turn @ moved + centre)[:, None]), 1)


def sample_rotated_crop(
    rng: np.random.Generator,
    size: tuple[int, int],
    side: int,
    *,
    crops: tuple[int, int],
    angle: float = 0.0,
    aspect: float = 1.0,
    flip: bool = False,
) -> RotatedCrop:
    """Draw a crop of ``side`` x ``side`` pixels from an image of ``size``; seven draws whatever is on.

    Args:
        crops: least and largest size that the shorter side (the width times the drawn aspect) is brought to.
        angle: largest turn in degrees.
        aspect: the factor is drawn from 1..aspect, or is the inverse of such a draw.
    """
    draws = rng.random(_DRAWS)
    factor = 1 + (aspect - 1) * float(draws[0])
    if draws[1] < 0.5:
        factor = 1 / factor
    low, high = crops
    target = low + int(draws[2] * (high - low + 1))
    width, height = size
    scale = target / max(int(min(height, width * factor)), 1)
    reach_x = max((width * scale / factor - side) / 2, 0.0)
    reach_y = max((height * scale - side) / 2, 0.0)
    return RotatedCrop(
        scale=scale,
        angle=math.radians(angle) * (2 * float(draws[3]) - 1),
        dx=reach_x * (2 * float(draws[4]) - 1),
        dy=reach_y * (2 * float(draws[5]) - 1),
        aspect=factor,
        flip=flip and bool(draws[6] < 0.5),
    )


def take(image: Pixels, crop: RotatedCrop, out: tuple[int, int]) -> Pixels:
    """The crop of uint8 [H, W, C] as uint8 [out height, out width, C]."""
    matrix = crop.matrix((image.shape[1], image.shape[0]), out)
    pixels = cv2.warpAffine(
        image, matrix, out, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT
    )
    if crop.flip:
        pixels = cv2.flip(pixels, 1)
    return np.asarray(pixels, np.uint8).reshape(out[1], out[0], image.shape[2])


def take_exact(image: FloatArray, crop: RotatedCrop, out: tuple[int, int]) -> FloatArray:
    """The crop in Darknet's own arithmetic: float32 [C, H, W] to float32 [C, out height, out width].

    Slow; the figures that the fast path is compared with.
    """
    x, y = _places(crop, (image.shape[2], image.shape[1]), out)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    part_x, part_y = x - left.astype(np.float32), y - top.astype(np.float32)
    one = np.float32(1)
    result = (
        (one - part_y) * (one - part_x) * _pixel(image, top, left)
        + part_y * (one - part_x) * _pixel(image, top + 1, left)
        + (one - part_y) * part_x * _pixel(image, top, left + 1)
        + part_y * part_x * _pixel(image, top + 1, left + 1)
    )
    return np.asarray(result[:, :, ::-1] if crop.flip else result, np.float32)


def _places(crop: RotatedCrop, size: tuple[int, int], out: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """What `RotatedCrop.matrix` gives, float32 [h, w] x and y, rounded where Darknet rounds.

    It divides the shift in float, all else in double, and keeps a place in float: its last bit tells in the pixels.
    """
    scale, aspect, dx, dy, angle = map(np.float32, (crop.scale, crop.aspect, crop.dx, crop.dy, crop.angle))
    columns, rows = np.meshgrid(np.arange(out[0]) - out[0] / 2, np.arange(out[1]) - out[1] / 2)
    across = columns / float(scale) * float(aspect) + float(dx / scale * aspect)
    down = rows / float(scale) + float(dy / scale)
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = cos * across - sin * down + size[0] / 2, sin * across + cos * down + size[1] / 2
    return x.astype(np.float32), y.astype(np.float32)


def _pixel(image: FloatArray, row: npt.NDArray[np.intp], column: npt.NDArray[np.intp]) -> FloatArray:
    """The values at rows and columns [h, w] of an image [C, H, W], 0 outside."""
    rows, columns = image.shape[1:]
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    return np.asarray(image[:, row.clip(0, rows - 1), column.clip(0, columns - 1)] * inside, np.float32)
