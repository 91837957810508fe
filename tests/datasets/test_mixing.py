"""Mixup, cutmix and plain mosaic: pixels and shares."""

from __future__ import annotations

import numpy as np
import pytest

from csptrain.datasets.image import Pixels
from csptrain.datasets.mixing import Mix, Patch, blend, choose, mix_labels, paste, sample_centre, sample_patch, tile


def flat(level: int, channels: int = 3) -> Pixels:
    return np.full((8, 10, channels), level, np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_blend(channels: int) -> None:
    pixels, shares = blend(flat(100, channels), flat(200, channels))
    assert pixels.shape == (8, 10, channels) and (pixels == 150).all()
    assert shares.tolist() == [0.5, 0.5]
    assert (blend(flat(100), flat(200), 0.25).pixels == 175).all()


def test_paste() -> None:
    one = flat(10)
    pixels, shares = paste(one, flat(20), Patch(2, 1, 5, 4))
    assert (pixels == 20).sum() == 5 * 4 * 3 and (pixels[1:5, 2:7] == 20).all()
    np.testing.assert_allclose(shares, [0.75, 0.25])
    assert (one == 10).all(), "the source stays as it is"


def test_tile() -> None:
    images = [flat(level) for level in (10, 20, 30, 40)]
    pixels, shares = tile(images, (4, 6))
    assert pixels[[0, 0, 7, 7], [0, 9, 0, 9], 0].tolist() == [10, 20, 30, 40]
    counted = [(pixels[:, :, 0] == level).mean() for level in (10, 20, 30, 40)]
    np.testing.assert_allclose(shares, counted)
    assert (images[0] == 10).all(), "the source stays as it is"


def test_labels_follow_the_shares() -> None:
    labels = np.array([[1, 0, 0], [0, 0.8, 0.2]], np.float32)
    np.testing.assert_allclose(mix_labels(labels, np.array([0.75, 0.25], np.float32)), [0.75, 0.2, 0.05])


def test_half_of_the_samples_are_mixed() -> None:
    rng = np.random.default_rng(0)
    found = [choose(rng, Mix.MIXUP) for _ in range(400)]
    assert set(found) == {Mix.NONE, Mix.MIXUP} and 160 < found.count(Mix.MIXUP) < 240
    both = [choose(rng, Mix.CUTMIX_OR_MOSAIC, 1.0) for _ in range(400)]
    assert set(both) == {Mix.CUTMIX, Mix.MOSAIC} and 160 < both.count(Mix.MOSAIC) < 240
    assert [Mix(number).images for number in range(5)] == [1, 2, 2, 4, 4]


def test_nothing_is_drawn_when_nothing_is_mixed() -> None:
    rng = np.random.default_rng(0)
    assert choose(rng, Mix.NONE) is Mix.NONE
    assert rng.random() == np.random.default_rng(0).random()


def test_range_of_the_centre() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([sample_centre(rng, (100, 200)) for _ in range(300)])
    assert (centres.min(0) >= (20, 40)).all() and (centres.max(0) <= (80, 160)).all()
    assert np.ptp(centres, 0).min() > 50


@pytest.mark.parametrize("size", [(100, 60), (2, 1)])
def test_a_patch_lies_inside(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    patches = np.array([sample_patch(rng, size) for _ in range(500)])
    left, top, width, height = patches.T
    assert patches.min(0).tolist()[:2] == [0, 0] and min(width.min(), height.min()) >= 1
    assert (left + width).max() == size[0] and (top + height).max() == size[1]
    if size == (100, 60):
        assert 30 <= width.min() < 33 and 77 < width.max() <= 80
        assert 18 <= height.min() < 20 and 46 <= height.max() <= 48
