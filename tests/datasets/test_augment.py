"""The fast path of augmentation against the exact one (golden cases aug_*), and the ranges of what is drawn."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from csptrain.datasets.augment import Augmentation, Draw, apply, apply_crop, apply_crop_in, apply_exact, draw
from csptrain.datasets.colour import Distortion, distort_pixels, distort_planes, sample_distortion
from csptrain.datasets.geometry import Crop, Fill, crop_pixels, crop_truth, mean_colour, sample_crop

SIZE, NET = (100, 60), (64, 32)


def test_fast_path_follows_the_exact_one() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (15, 20, 3), np.uint8)
    image = np.asarray(cv2.resize(noise, (200, 150), interpolation=cv2.INTER_CUBIC), np.uint8)
    drawn = Draw(Crop(-10, 15, 180, 150, True), Distortion(0.05, 0.8, 0.9))
    fast, _ = apply(image, np.zeros((0, 5), np.float32), (96, 80), drawn, "replicate")
    exact = apply_exact(image, (96, 80), drawn).transpose(1, 2, 0) * 255
    assert np.abs(fast - exact).mean() < 3


def test_mean_fills_what_is_outside() -> None:
    image = np.full((10, 20, 3), (10, 20, 30), np.uint8)
    image[:, 10:] += 100
    cropped = crop_pixels(image, Crop(-5, -3, 12, 8), "mean")
    assert cropped.shape == (8, 12, 3)
    assert cropped[0, 0].tolist() == [60, 70, 80]
    assert cropped[3, 5].tolist() == [10, 20, 30]


@pytest.mark.parametrize("channels", [1, 3])
def test_mean_colour_is_opencvs(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (37, 21, channels), np.uint8)
    np.testing.assert_allclose(mean_colour(image), cv2.mean(image)[:channels], rtol=1e-12)


@pytest.mark.parametrize("crop", [Crop(500, 0, 5, 5), Crop(-500, -500, 5, 5), Crop(3, 2, 1, 1), Crop(-9, -9, 90, 90)])
def test_any_window_gives_pixels(crop: Crop) -> None:
    image = np.zeros((10, 20, 1), np.uint8)
    assert apply_crop(image, (7, 9), crop, "replicate").shape == (9, 7, 1)


def test_boxes_outside_the_window_are_dropped() -> None:
    truth = np.array([[0.1, 0.5, 0.1, 0.2, 0], [0.9, 0.5, 0.1, 0.2, 1], [0.5, 0.5, 0.01, 0.2, 2]], np.float32)
    kept = crop_truth(truth, SIZE, NET, Crop(50, 0, 50, 60, flip=True))
    np.testing.assert_allclose(kept, [[0.2, 0.5, 0.2, 0.2, 1]], atol=1e-6)


def test_neutral_settings_change_nothing() -> None:
    drawn = draw(np.random.default_rng(0), SIZE, NET, Augmentation())
    assert drawn == Draw(Crop(0, 0, *SIZE), Distortion())


def test_ranges_of_the_crop() -> None:
    rng = np.random.default_rng(0)
    crops = [sample_crop(rng, SIZE, NET, jitter=0.2, flip=True) for _ in range(500)]
    left = np.array([crop.left for crop in crops])
    right = np.array([crop.left + crop.width for crop in crops])
    assert left.min() < -15 and left.max() > 15 and abs(left).max() <= 20
    assert right.min() < 85 and right.max() > 115 and abs(right - 100).max() <= 20
    assert 0.4 < np.mean([crop.flip for crop in crops]) < 0.6


@pytest.mark.parametrize(("resize", "least", "most"), [(1.5, 1 / 1.5, 1.5), (0.8, 1.0, 1.25)])
def test_resize_zooms_with_the_aspect_kept(resize: float, least: float, most: float) -> None:
    rng = np.random.default_rng(0)
    crops = [sample_crop(rng, (1000, 1000), (64, 64), resize=resize) for _ in range(500)]
    shares = np.array([crop.width for crop in crops]) / 1000
    assert max(abs(crop.width - crop.height) for crop in crops) <= 2
    assert least - 0.002 <= shares.min() < least + 0.1
    assert most - 0.1 < shares.max() <= most + 0.002


def test_letter_box_keeps_the_aspect() -> None:
    crop = sample_crop(np.random.default_rng(0), SIZE, (64, 64), letter_box=True)
    assert crop == Crop(0, -20, 100, 100)


def test_ranges_of_the_colour() -> None:
    rng = np.random.default_rng(0)
    drawn = [sample_distortion(rng, 0.1, 1.5, 2.0) for _ in range(500)]
    hue, saturation, exposure = np.array([(d.hue, d.saturation, d.exposure) for d in drawn]).T
    assert -0.1 <= hue.min() < -0.09 and 0.09 < hue.max() <= 0.1
    assert 1 / 1.5 <= saturation.min() < 0.7 and 1.45 < saturation.max() <= 1.5
    assert 0.5 <= exposure.min() < 0.55 and 1.9 < exposure.max() <= 2
    assert 0.4 < np.mean(exposure > 1) < 0.6


def test_draws_are_aligned_whatever_the_settings() -> None:
    def next_value(settings: Augmentation) -> float:
        rng = np.random.default_rng(5)
        draw(rng, SIZE, NET, settings)
        return float(rng.random())

    every = Augmentation(jitter=0.3, resize=1.5, flip=True, hue=0.1, saturation=1.5, exposure=1.5, letter_box=True)
    assert next_value(every) == next_value(Augmentation())
    assert next_value(replace(every, blur=1, gaussian_noise=9)) == next_value(Augmentation())


def test_one_channel_takes_the_exposure_only() -> None:
    image = np.full((2, 2, 1), 100, np.uint8)
    assert distort_pixels(image, Distortion(0.1, 2, 1.5)).tolist() == np.full((2, 2, 1), 150).tolist()
    np.testing.assert_allclose(distort_planes(np.full((1, 2, 2), 0.4, np.float32), Distortion(0.1, 2, 1.5)), 0.6)


def test_a_full_turn_of_hue_changes_nothing() -> None:
    image = np.random.default_rng(0).random((3, 8, 8), np.float32)
    np.testing.assert_allclose(distort_planes(image, Distortion(hue=1.0)), image, atol=1e-5)


@pytest.mark.parametrize("fill", ["mean", "replicate"])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_part_of_a_crop_is_that_part(fill: Fill, flip: bool, channels: int) -> None:
    smooth = np.random.default_rng(0).integers(0, 256, (6, 8, channels), dtype=np.uint8)
    image = cv2.resize(smooth, (90, 70), interpolation=cv2.INTER_LINEAR).reshape(70, 90, channels)
    for crop in (Crop(-9, 12, 120, 50, flip), Crop(11, -5, 61, 95, flip), Crop(0, 0, 90, 70, flip)):
        whole = apply_crop(image, (64, 48), crop, fill)
        for shown in ((slice(0, 48), slice(0, 64)), (slice(5, 31), slice(20, 64)), (slice(30, 48), slice(0, 7))):
            part = apply_crop_in(image, (64, 48), crop, fill, shown)
            assert part.shape == whole[shown].shape
            off = np.abs(part.astype(int) - whole[shown])
            assert off.mean() < 1 and np.quantile(off, 0.97) <= 4, (crop, shown)


def test_an_image_too_long_to_warp_is_cut_out_of_the_whole() -> None:
    image = np.arange(40_000, dtype=np.uint32).astype(np.uint8).reshape(1, 40_000, 1)
    shown = slice(0, 1), slice(3, 9)
    whole = apply_crop(image, (16, 1), Crop(0, 0, 40_000, 1), "mean")
    np.testing.assert_array_equal(apply_crop_in(image, (16, 1), Crop(0, 0, 40_000, 1), "mean", shown), whole[shown])
