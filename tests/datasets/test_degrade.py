"""Blur and noise: what is drawn, what stays sharp, and what OpenCV says to the same."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from csptrain.datasets.degrade import SHARP, Degradation, add_noise, blur, blur_background, degrade, sample_degradation
from csptrain.datasets.image import FloatArray, Pixels

NONE = np.zeros((0, 5), np.float32)


def noise(height: int = 60, width: int = 80, channels: int = 3) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def box(side: float) -> FloatArray:
    return np.array([[0.5, 0.5, side / 80, side / 60, 0]], np.float32)


@pytest.mark.parametrize(("kernel", "side"), [(17, 17), (8, 9), (1, 1)])
def test_a_kernel_is_odd(kernel: int, side: int) -> None:
    image = noise()
    assert np.array_equal(blur(image, kernel), cv2.GaussianBlur(image, (side, side), 0))
    assert blur(noise(channels=1), kernel).shape == (60, 80, 1)


def test_objects_stay_sharp_before_a_soft_background() -> None:
    image = noise()
    truth = np.array([[0.25, 0.5, 0.2, 0.4, 0], [1.0, 1.0, 0.2, 0.2, 1]], np.float32)  # the second is cut off
    soft = blur_background(image, truth)
    assert np.array_equal(soft[18:42, 12:28], image[18:42, 12:28])
    assert np.array_equal(soft[54:, 72:], image[54:, 72:])
    outside = np.ones((60, 80), bool)
    outside[18:42, 12:28] = outside[54:, 72:] = False
    assert np.array_equal(soft[outside], cv2.GaussianBlur(image, (17, 17), 0)[outside])


def test_the_smallest_object_limits_the_blur_of_a_whole_image() -> None:
    image = noise()
    assert np.array_equal(degrade(image, box(48), Degradation(9)), blur(image, 48 // 8))
    assert np.array_equal(degrade(image, box(48), Degradation(3)), blur(image, 3))
    assert np.array_equal(degrade(image, box(9), Degradation(9)), blur_background(image, box(9)))
    assert np.array_equal(degrade(image, box(7), Degradation(9)), image)
    assert np.array_equal(degrade(image, NONE, Degradation(9)), image), "Darknet: no object, no blur"
    assert np.array_equal(degrade(image, NONE, Degradation(1)), blur(image, 17))


def test_noise_brightens_and_is_a_function_of_its_seed() -> None:
    image = np.full((300, 300, 3), 100, np.uint8)
    first, again, other = (degrade(image, NONE, Degradation(0, 30, seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    added = first.astype(int) - 100
    assert added.min() == 0 and 0.45 < (added == 0).mean() < 0.55
    assert added.mean() == pytest.approx(30 / np.sqrt(2 * np.pi), rel=0.02)
    assert abs(np.corrcoef(added[:, :, 0].ravel(), added[:, :, 1].ravel())[0, 1]) < 0.05
    assert add_noise(np.full((50, 50, 1), 250, np.uint8), 127, np.random.default_rng(0)).max() == 255


def test_noise_is_what_opencv_keeps_in_eight_bits() -> None:
    theirs = np.zeros((200, 200, 3), np.uint8)
    cv2.randn(theirs, np.zeros(4), np.full(4, 40.0))
    ours = add_noise(np.zeros((200, 200, 3), np.uint8), 40, np.random.default_rng(0))
    quantiles = [10, 40, 60, 75, 90, 99]
    np.testing.assert_allclose(np.percentile(ours, quantiles), np.percentile(theirs, quantiles), atol=1)


def test_what_is_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = [sample_degradation(rng, 9, 20) for _ in range(600)]
    kinds = [found.blur for found in drawn]
    assert all(150 < kinds.count(kind) < 250 for kind in (0, 1, 9)) and set(kinds) == {0, 1, 9}
    assert {found.noise for found in drawn} == {0, 20}
    assert 250 < sum(found.noise > 0 for found in drawn) < 350
    assert len({found.noise_seed for found in drawn}) == 600
    background = [sample_degradation(rng, 1).blur for _ in range(600)]
    assert 340 < background.count(1) < 460 and set(background) == {0, 1}
    assert {sample_degradation(rng, 0, 500).noise for _ in range(20)} == {0, 127}


def test_nothing_is_drawn_when_both_are_off() -> None:
    rng = np.random.default_rng(0)
    assert sample_degradation(rng) == SHARP
    assert rng.random() == np.random.default_rng(0).random()
    image = noise()
    assert degrade(image, NONE, SHARP) is image
