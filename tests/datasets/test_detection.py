"""What a detector's sample is made of."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain.datasets.augment import Augmentation
from csptrain.datasets.detection import DetectionDataset
from csptrain.datasets.lists import read_samples
from csptrain.datasets.mixing import Mix
from csptrain.datasets.stream import Feed

NET = (64, 48)


def test_mixup_is_the_mean_of_two_images_with_the_boxes_of_both(image_list: Path) -> None:
    samples = read_samples(image_list, 3)
    plain = DetectionDataset(samples, Augmentation(), Feed(7))
    single = [plain.sample(1, slot, NET) for slot in range(7)]
    mixed = DetectionDataset(samples, Augmentation(mix=Mix.MIXUP, mix_share=1.0), Feed(7))
    partners = set()
    for slot in range(7):
        found = mixed.sample(1, slot, NET)
        means = [(single[slot].pixels.astype(int) + other.pixels) / 2 for other in single]
        (partner,) = [number for number, mean in enumerate(means) if np.abs(mean - found.pixels).max() <= 1]
        both = np.concatenate((single[slot].truth, single[partner].truth))
        assert sorted(found.truth.tolist()) == sorted(both.tolist())
        partners.add(partner)
    assert len(partners) > 1


def test_half_of_the_samples_are_left_alone(image_list: Path) -> None:
    dataset = DetectionDataset(read_samples(image_list, 3), Augmentation(mix=Mix.MIXUP), Feed(100))
    counts = [len(dataset.sample(1, slot, NET).truth) for slot in range(100)]
    assert set(counts) == {1, 2} and 35 < counts.count(2) < 65


def test_reduced_images_give_the_same_boxes_and_nearly_the_same_pixels(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 640, dtype=np.uint8)[None, :, None], (480, 640, 3))
    cv2.imwrite(str(tmp_path / "a.jpg"), ramp)
    (tmp_path / "a.txt").write_text("0 .5 .5 .4 .4\n")
    (tmp_path / "list.txt").write_text("a.jpg\n")
    samples = read_samples(tmp_path / "list.txt", 1)
    settings = Augmentation(jitter=0.25, flip=True, mix=Mix.MOSAIC)
    assert settings.least(NET) == (128, 96)
    for slot in range(8):
        whole, reduced = (
            DetectionDataset(samples, settings, Feed(8, reduced=b)).sample(1, slot, NET) for b in (False, True)
        )
        assert not np.array_equal(whole.pixels, reduced.pixels)
        # The crop begins and ends at whole pixels, of 640 or of 160.
        np.testing.assert_allclose(whole.truth, reduced.truth, atol=0.03)
        assert np.abs(whole.pixels.astype(int) - reduced.pixels).mean() < 8


@pytest.mark.parametrize("mix", [Mix.CUTMIX, Mix.CUTMIX_OR_MOSAIC])
def test_no_cutmix_for_boxes(mix: Mix, image_list: Path) -> None:
    with pytest.raises(ValueError, match="cuts objects apart"):
        DetectionDataset(read_samples(image_list, 3), Augmentation(mix=mix), Feed(1))


def test_boxes_beyond_max_are_left_out_by_lot(image_list: Path) -> None:
    lines = [f"0 {tenth / 10} .5 .1 .1\n" for tenth in range(1, 10)]
    for number in range(7):
        (image_list.parent / f"{number}.txt").write_text("".join(lines))
    dataset = DetectionDataset(read_samples(image_list, 3), Augmentation(max_truths=4), Feed(50))
    kept = [(dataset.sample(1, slot, NET).truth[:, 0] * 10).round().astype(int).tolist() for slot in range(50)]
    assert all(len(row) == len(set(row)) == 4 for row in kept)
    assert {tenth for row in kept for tenth in row} == set(range(1, 10))
    assert len({tuple(row) for row in kept}) > 40


def test_grey_images_take_every_augmentation(image_list: Path) -> None:
    samples = read_samples(image_list, 3)
    for mix in (Mix.NONE, Mix.MIXUP, Mix.MOSAIC):
        settings = Augmentation(
            jitter=0.3, flip=True, exposure=1.5, letter_box=True, mix=mix, mix_share=1.0, blur=5, gaussian_noise=9
        )
        dataset = DetectionDataset(samples, settings, Feed(9, channels=1))
        assert {dataset.sample(1, slot, NET).pixels.shape for slot in range(9)} == {(48, 64, 1)}
