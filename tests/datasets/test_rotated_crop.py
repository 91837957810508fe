"""The crop of a classifier's augmentation: what is drawn, and that the fast path is the exact one."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from csptrain.datasets.rotated_crop import RotatedCrop, sample_rotated_crop, take, take_exact


def smooth_image(width: int, height: int) -> np.ndarray:
    rng = np.random.default_rng(4)
    coarse = rng.integers(0, 256, (5, 6, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize(
    "crop",
    [
        RotatedCrop(0.8),
        RotatedCrop(0.5, 0.1, 3.0, -2.0, 1.3),
        RotatedCrop(1.7, -0.12, 10.0, 5.5, 0.75, flip=True),
    ],
)
@pytest.mark.parametrize("out", [(32, 32), (24, 40)])
def test_the_fast_crop_is_the_exact_one(crop: RotatedCrop, out: tuple[int, int]) -> None:
    image = smooth_image(60, 45)
    exact = take_exact(image.transpose(2, 0, 1) / np.float32(255), crop, out)
    fast = take(image, crop, out).transpose(2, 0, 1) / 255
    assert fast.shape == exact.shape == (3, out[1], out[0])
    # OpenCV knows places to a 32nd of a pixel, which is much where black begins.
    inside = np.abs(fast - exact)[:, 2:-2, 2:-2]
    assert np.quantile(inside, 0.95) < 1.5 / 255 and np.abs(fast - exact).mean() < 2 / 255


def test_a_crop_of_the_image_itself() -> None:
    image = smooth_image(32, 32)
    np.testing.assert_array_equal(take(image, RotatedCrop(1.0), (32, 32)), image)
    np.testing.assert_array_equal(take(image, RotatedCrop(1.0, flip=True), (32, 32)), image[:, ::-1])
    # Half the size, so that the image has a black frame.
    small = take(image, RotatedCrop(0.5), (32, 32))
    assert not small[:7].any() and not small[:, 25:].any() and small[8:24, 8:24].any(2).all()


def test_an_image_is_turned_against_the_clock() -> None:
    image = np.zeros((33, 33, 1), np.uint8)
    image[16, 26:31] = 255  # to the right of the centre
    turned = take(image, RotatedCrop(1.0, math.pi / 2), (33, 33))[:, :, 0]
    rows, columns = np.nonzero(turned > 100)
    assert columns.min() >= 15 and columns.max() <= 17 and rows.max() <= 8


def test_what_is_drawn() -> None:
    rng = np.random.default_rng(0)
    size, side, crops = (50, 40), 24, (12, 48)
    drawn = [sample_rotated_crop(rng, size, side, crops=crops, angle=7, aspect=0.75, flip=True) for _ in range(2000)]
    shorter = np.array([round(crop.scale * int(min(40, 50 * crop.aspect))) for crop in drawn])
    assert (shorter.min(), shorter.max()) == crops and abs(shorter.mean() - 30) < 1
    angles = np.degrees([crop.angle for crop in drawn])
    assert -7 <= angles.min() < -6.5 and 6.5 < angles.max() <= 7
    aspects = np.array([crop.aspect for crop in drawn])
    assert 0.75 <= aspects.min() < 0.76 and 1.32 < aspects.max() <= 4 / 3
    assert 0.4 < (aspects < 1).mean() < 0.6 and 0.4 < np.mean([crop.flip for crop in drawn]) < 0.6
    for crop in drawn:
        # An image that is larger than the crop is never left, a smaller one stays in the middle.
        assert abs(crop.dx) <= max((50 * crop.scale / crop.aspect - side) / 2, 0) + 1e-9
        assert abs(crop.dy) <= max((40 * crop.scale - side) / 2, 0) + 1e-9
    assert max(abs(crop.dx) for crop in drawn) > 10


def test_a_setting_does_not_shift_the_other_draws() -> None:
    plain = sample_rotated_crop(np.random.default_rng(5), (50, 40), 24, crops=(24, 48))
    turned = sample_rotated_crop(np.random.default_rng(5), (50, 40), 24, crops=(24, 48), angle=7, flip=True)
    assert (plain.scale, plain.dx, plain.dy) == (turned.scale, turned.dx, turned.dy)
    assert plain.angle == 0 != turned.angle and not plain.flip
