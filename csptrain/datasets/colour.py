"""The HSV distortion of augmentation: hue added, saturation and value multiplied.

Source: Darknet; `distort_planes` is its own float32 arithmetic, `distort_pixels` what its OpenCV build does,
which trained the published weights. *Differs:* a hue below 0 goes round the circle, where that build stops at
red, and a full turn is 180 steps of OpenCV's hue, where it takes 179.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from csptrain.datasets.image import FloatArray, Pixels

_HUE_STEPS = 180  # OpenCV's hue circle for uint8
_SEXTANTS = 6


@dataclass(frozen=True)
class Distortion:
    """``hue`` in turns of the circle is added; ``saturation`` and ``exposure`` are factors."""

    hue: float = 0.0
    saturation: float = 1.0
    exposure: float = 1.0

    @property
    def neutral(self) -> bool:
        """Whether it changes nothing."""
        return self.hue == 0 and self.saturation == 1 and self.exposure == 1


def sample_distortion(
    rng: np.random.Generator, hue: float = 0.0, saturation: float = 1.0, exposure: float = 1.0
) -> Distortion:
    """Draw hue within +-hue, and factors in 1..limit or, one time in two, their inverse. Five draws."""
    draws = rng.random(5)
    factors = (
        1 + (limit - 1) * draw if invert < 0.5 else 1 / (1 + (limit - 1) * draw)
        for limit, draw, invert in ((saturation, draws[1], draws[2]), (exposure, draws[3], draws[4]))
    )
    return Distortion(hue * (2 * draws[0] - 1), *factors)


def distort_pixels(image: Pixels, distortion: Distortion) -> Pixels:
    """Distort uint8 [H, W, 3] RGB; saturation and value are limited to 255. One channel: the value only."""
    if distortion.neutral:
        return image
    levels = np.arange(256, dtype=np.float32)
    value = np.clip(np.rint(levels * distortion.exposure), 0, 255)
    if image.shape[2] == 1:
        return np.asarray(cv2.LUT(image, value.astype(np.uint8)), np.uint8).reshape(image.shape)
    hue = np.rint(levels + distortion.hue * _HUE_STEPS) % _HUE_STEPS
    saturation = np.clip(np.rint(levels * distortion.saturation), 0, 255)
    table = np.stack((hue, saturation, value), 1).astype(np.uint8)[None]
    hsv = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), table)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB, dst=hsv), np.uint8)


def distort_planes(image: FloatArray, distortion: Distortion) -> FloatArray:
    """Distort float32 [C, H, W] in 0..1 RGB; the result is limited to 0..1 at the very end."""
    if image.shape[0] < 3:
        return np.asarray(np.clip(image * np.float32(distortion.exposure), 0, 1), np.float32)
    hue, saturation, value = _rgb_to_hsv(image)
    hue = hue + np.float32(distortion.hue)
    hue = np.where(hue > 1, hue - 1, np.where(hue < 0, hue + 1, hue))
    saturation = saturation * np.float32(distortion.saturation)
    value = value * np.float32(distortion.exposure)
    return np.clip(_hsv_to_rgb(hue, saturation, value), 0, 1)


def _rgb_to_hsv(image: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    red, green, blue = image
    value = image.max(0)
    span = value - image.min(0)
    safe_span = np.where(span > 0, span, np.float32(1))
    hue = np.where(
        red == value,
        (green - blue) / safe_span,
        np.where(green == value, 2 + (blue - red) / safe_span, 4 + (red - green) / safe_span),
    )
    hue = np.where(hue < 0, hue + _SEXTANTS, hue) / np.float32(_SEXTANTS)
    saturation = span / np.where(value > 0, value, np.float32(1))
    return hue.astype(np.float32), saturation.astype(np.float32), value


def _hsv_to_rgb(hue: FloatArray, saturation: FloatArray, value: FloatArray) -> FloatArray:
    sector = hue * np.float32(_SEXTANTS)
    index = np.floor(sector)
    part = sector - index
    low = value * (1 - saturation)
    falling = value * (1 - saturation * part)
    rising = value * (1 - saturation * (1 - part))
    choices = (
        (value, rising, low),
        (falling, value, low),
        (low, value, rising),
        (low, falling, value),
        (rising, low, value),
        (value, low, falling),
    )
    # A hue of exactly 1 falls behind the last sector, which Darknet's switch then takes.
    which = np.minimum(index, _SEXTANTS - 1).astype(np.intp)
    planes = [np.choose(which, [choice[plane] for choice in choices]) for plane in range(3)]
    return np.stack(planes).astype(np.float32)
