"""Blur and noise of augmentation: what is drawn, and what it does to pixels.

Source: the OpenCV build of Darknet, after crop, flip and colour. ``blur=1`` softens what is outside the objects,
``blur=N`` also whole images by a kernel of N pixels, ``gaussian_noise=N`` adds noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import erf, sqrt

import cv2
import numpy as np

from csptrain.datasets.image import FloatArray, Pixels

BACKGROUND = 1  # the value of blur that keeps the objects sharp
BACKGROUND_KERNEL = 17
_MOST_NOISE = 127
_LEVELS, _DRAWS = 256, 1 << 16
_BLUR_PER_SIDE = 8  # a whole image is not blurred beyond this part of its smallest object


@dataclass(frozen=True)
class Degradation:
    """``blur``: 0 nothing, 1 the background, else the kernel in pixels for the whole image.

    ``noise``: standard deviation in grey levels, 0 nothing; ``noise_seed`` starts its random numbers.
    """

    blur: int = 0
    noise: int = 0
    noise_seed: int = 0


SHARP = Degradation()


def sample_degradation(rng: np.random.Generator, blur: int = 0, gaussian_noise: int = 0) -> Degradation:
    """Draw blur and noise for one image of a detector.

    *Source:* Darknet leaves a third of the images sharp, blurs the background of a third and the whole of the
    last third (with ``blur=1`` their background too); half of the images get noise.
    """
    if not blur and not gaussian_noise:
        return SHARP
    which, noisy = rng.random(2)
    kernel = (0, BACKGROUND, blur)[int(which * 3)] if blur else 0
    noise = min(max(gaussian_noise, 0), _MOST_NOISE) if noisy < 0.5 else 0
    return Degradation(kernel, noise, int(rng.integers(2**32)))


def degrade(image: Pixels, truth: FloatArray, degradation: Degradation) -> Pixels:
    """Blur and noise on uint8 [H, W, C] with boxes float32 [n, 5] (x y w h class, relative); the same shape."""
    return roughen(soften(image, truth, degradation), degradation)


def soften(image: Pixels, truth: FloatArray, degradation: Degradation) -> Pixels:
    """The blur of `degrade`, as far as the objects allow it.

    *Source:* Darknet limits a whole-image kernel to an eighth of the smallest side of a box, so that an image
    without boxes stays sharp; a limit of 1 pixel blurs the background instead.
    """
    kernel = degradation.blur
    if kernel > BACKGROUND:
        extent = np.array((image.shape[1], image.shape[0]), np.float32)
        smallest = int((truth[:, 2:4] * extent).min()) if len(truth) else 0
        kernel = min(kernel, smallest // _BLUR_PER_SIDE)
    if kernel == BACKGROUND:
        return blur_background(image, truth)
    return blur(image, kernel) if kernel else image


def roughen(image: Pixels, degradation: Degradation) -> Pixels:
    """The noise of `degrade`."""
    if not degradation.noise:
        return image
    return add_noise(image, degradation.noise, np.random.default_rng(degradation.noise_seed))


def blur(image: Pixels, kernel: int) -> Pixels:
    """Gaussian blur of uint8 [H, W, C] with a kernel of ``kernel`` pixels, an even one widened by one.

    The deviation is OpenCV's for that kernel, 0.3 * ((kernel - 1) / 2 - 1) + 0.8.
    """
    side = kernel // 2 * 2 + 1
    return np.asarray(cv2.GaussianBlur(image, (side, side), 0), np.uint8).reshape(image.shape)


def blur_background(image: Pixels, truth: FloatArray, kernel: int = BACKGROUND_KERNEL) -> Pixels:
    """`blur`, but the boxes float32 [n, 5] (x y w h class, relative to uint8 [H, W, C]) stay sharp."""
    soft = blur(image, kernel)
    extent = np.array((image.shape[1], image.shape[0]), np.float32)
    low = np.maximum((truth[:, :2] - truth[:, 2:4] / 2) * extent, 0).astype(np.intp)
    high = low + (truth[:, 2:4] * extent).astype(np.intp)
    # Boxes are few and rectangles copy fast: a mask of the whole image would cost more than this loop.
    for (left, top), (right, bottom) in zip(low.tolist(), high.tolist(), strict=True):
        soft[top:bottom, left:right] = image[top:bottom, left:right]
    return soft


def add_noise(image: Pixels, deviation: float, rng: np.random.Generator) -> Pixels:
    """Gaussian noise of ``deviation`` (above 0) grey levels on uint8 [H, W, C], limited to 0..255.

    *Source:* Darknet keeps the noise in 8 bits without a sign, so its lower half is 0 and it only brightens.
    """
    draws = np.frombuffer(rng.bytes(2 * image.size), np.uint16)
    noise = _noise_levels(deviation).take(draws).reshape(image.shape)
    return np.asarray(cv2.add(image, noise), np.uint8).reshape(image.shape)


@lru_cache(maxsize=8)
def _noise_levels(deviation: float) -> Pixels:
    """What 65536 equally likely draws become, uint8 [65536]: several times as fast as drawing normal numbers."""
    below = [(1 + erf((level + 0.5) / (deviation * sqrt(2)))) / 2 for level in range(_LEVELS - 1)]
    ends = [0, *(round(_DRAWS * share) for share in below), _DRAWS]
    return np.repeat(np.arange(_LEVELS, dtype=np.uint8), np.diff(ends))
