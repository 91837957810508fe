"""Several training images made into one, and how much of each is in it: mixup, cutmix and the plain mosaic.

All images are uint8 [H, W, C] of one size. A detector blends two (`blend`) and has a mosaic of its own with boxes,
`mosaic`; a classifier uses all three and mixes its labels by the shares (`mix_labels`).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import cv2
import numpy as np

from csptrain.datasets.image import FloatArray, Pixels

MIX_SHARE = 0.5  # of all samples are mixed at all
_NEAREST, _FARTHEST = 0.2, 0.8  # a mosaic's centre, as a share of the side
_SMALLEST_PATCH, _LARGEST_PATCH = 0.3, 0.8  # a cutmix patch, as a share of the side


class Mix(IntEnum):
    """What is done with several images; the numbers are those of Darknet's ``mixup=`` in [net]."""

    NONE = 0
    MIXUP = 1
    CUTMIX = 2
    MOSAIC = 3
    CUTMIX_OR_MOSAIC = 4

    @property
    def images(self) -> int:
        """How many images go into one."""
        return (1, 2, 2, 4, 4)[self]


class Mixed(NamedTuple):
    """``pixels`` uint8 [H, W, C] and ``shares`` float32 [k], how much of each of the k images is in it; sum 1."""

    pixels: Pixels
    shares: FloatArray


class Patch(NamedTuple):
    """A rectangle in pixels."""

    left: int
    top: int
    width: int
    height: int


def choose(rng: np.random.Generator, wanted: Mix, share: float = MIX_SHARE) -> Mix:
    """What is done with the next sample: ``wanted`` for a ``share`` of them, nothing for the others.

    Draws nothing when nothing is wanted. *Source:* Darknet decides by a coin; with ``CUTMIX_OR_MOSAIC`` another
    coin tells which. *Differs:* its detector loader throws one coin for all images that a thread makes.
    """
    if wanted is Mix.NONE or rng.random() >= share:
        return Mix.NONE
    if wanted is Mix.CUTMIX_OR_MOSAIC:
        return Mix.CUTMIX if rng.random() < 0.5 else Mix.MOSAIC
    return wanted


def sample_centre(rng: np.random.Generator, size: tuple[int, int]) -> tuple[int, int]:
    """The point (x, y) in pixels where the four tiles of a mosaic of ``size`` (width, height) meet."""
    share_x, share_y = rng.uniform(_NEAREST, _FARTHEST, 2)
    return int(size[0] * share_x), int(size[1] * share_y)


def sample_patch(rng: np.random.Generator, size: tuple[int, int]) -> Patch:
    """The rectangle that cutmix takes from the second image, of ``size`` (width, height).

    *Source:* Darknet draws both sides from 0.3 to 0.8 of the image's and then a place inside it.
    """
    share_x, share_y, at_x, at_y = rng.random(4)
    width, height = (
        max(1, int(side * (_SMALLEST_PATCH + (_LARGEST_PATCH - _SMALLEST_PATCH) * share)))
        for side, share in zip(size, (share_x, share_y), strict=True)
    )
    return Patch(int((size[0] - width + 1) * at_x), int((size[1] - height + 1) * at_y), width, height)


def blend(one: Pixels, other: Pixels, share: float = 0.5) -> Mixed:
    """Mixup: ``share`` of ``one`` and the rest of ``other`` in every pixel. *Source:* Darknet's share is a half."""
    pixels = np.asarray(cv2.addWeighted(one, share, other, 1 - share, 0.0), np.uint8)
    return Mixed(pixels.reshape(one.shape), np.array([share, 1 - share], np.float32))


def paste(one: Pixels, other: Pixels, patch: Patch) -> Mixed:
    """Cutmix: ``one`` with the rectangle ``patch`` of ``other`` in the same place; shares go by area."""
    rows = slice(patch.top, patch.top + patch.height)
    columns = slice(patch.left, patch.left + patch.width)
    pixels = one.copy()
    pixels[rows, columns] = other[rows, columns]
    share = patch.width * patch.height / (one.shape[0] * one.shape[1])
    return Mixed(pixels, np.array([1 - share, share], np.float32))


def tile(images: Sequence[Pixels], centre: tuple[int, int]) -> Mixed:
    """Mosaic for classifiers: each quarter around ``centre`` (x, y) shows one of four images, shares go by area.

    Order: upper left, upper right, lower left, lower right. *Source:* in Darknet's classifier a tile shows the
    same place of its image, unlike in a detector's mosaic.
    """
    upper_left, upper_right, lower_left, lower_right = images
    height, width = upper_left.shape[:2]
    x, y = centre
    pixels = upper_left.copy()
    pixels[:y, x:] = upper_right[:y, x:]
    pixels[y:, :x] = lower_left[y:, :x]
    pixels[y:, x:] = lower_right[y:, x:]
    areas = np.array([x * y, (width - x) * y, x * (height - y), (width - x) * (height - y)], np.float32)
    return Mixed(pixels, areas / np.float32(width * height))


def mix_labels(labels: FloatArray, shares: FloatArray) -> FloatArray:
    """Targets float32 [k, classes] of the images to the target [classes] of the mixed one."""
    return np.asarray(shares @ labels, np.float32)
