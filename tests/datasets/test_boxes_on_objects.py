"""Boxes lie on their objects after every augmentation: coloured rectangles are drawn, augmented and found again."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from csptrain.datasets.augment import Augmentation
from csptrain.datasets.detection import DetectionDataset
from csptrain.datasets.lists import Samples, read_samples
from csptrain.datasets.mixing import Mix
from csptrain.datasets.stream import Feed, Sample

NET = (160, 128)
LEVEL = 240  # of the object's own channel; the ground is black
TOLERANCE = 2  # pixels
SAMPLES = 30

PLAIN = Augmentation()
MOVED = Augmentation(jitter=0.3, resize=1.5, flip=True, exposure=1.2)
MOSAIC = replace(MOVED, mix=Mix.MOSAIC, mix_share=1.0)
MIXUP = replace(MOVED, mix=Mix.MIXUP, mix_share=1.0)
MODES = {
    "plain": PLAIN,
    "jitter": replace(PLAIN, jitter=0.3),
    "flip": replace(PLAIN, flip=True),
    "resize": replace(PLAIN, resize=1.5),
    "resize_down": replace(PLAIN, resize=0.7),
    "letter_box": replace(MOVED, letter_box=True),
    "replicate": replace(PLAIN, resize=0.9, flip=True, fill="replicate"),
    "blur_background": replace(MOVED, blur=1),
    "blur": replace(MOVED, blur=9),
    "noise": replace(MOVED, gaussian_noise=15),
    "mosaic": MOSAIC,
    "mosaic_bound": replace(MOSAIC, mosaic_bound=True),
    "mosaic_letter_box": replace(MOSAIC, letter_box=True),
    "mosaic_blur_noise": replace(MOSAIC, blur=1, gaussian_noise=15, letter_box=True),
    "mixup": MIXUP,
    "mixup_letter_box": replace(MIXUP, letter_box=True),
    "mixup_blur": replace(MIXUP, blur=1),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Nine pictures of three shapes, each with four rectangles that do not touch, whose class is their channel."""
    folder = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(3)
    names = []
    for number, (width, height) in enumerate([(300, 200), (200, 300), (256, 256)] * 3):
        image = np.zeros((height, width, 3), np.uint8)
        lines = []
        for quarter in range(4):
            w, h = rng.integers(25, 60, 2)
            left = int(rng.integers(10, width // 2 - w)) + quarter % 2 * (width // 2)
            top = int(rng.integers(10, height // 2 - h)) + quarter // 2 * (height // 2)
            label = int(rng.integers(3))
            image[top : top + h, left : left + w, label] = LEVEL
            lines.append(f"{label} {(left + w / 2) / width} {(top + h / 2) / height} {w / width} {h / height}\n")
        cv2.imwrite(str(folder / f"{number}.png"), image[:, :, ::-1])
        (folder / f"{number}.txt").write_text("".join(lines))
        names.append(f"{number}.png\n")
    (folder / "list.txt").write_text("".join(names))
    return read_samples(folder / "list.txt", 3)


@pytest.mark.parametrize("mode", MODES)
def test_boxes_cover_the_objects_and_nothing_else(mode: str, drawn: Samples) -> None:
    dataset = DetectionDataset(drawn, MODES[mode], Feed(SAMPLES))
    level = LEVEL / 2 if MODES[mode].mix is Mix.MIXUP else LEVEL
    boxes = 0
    for slot in range(SAMPLES):
        sample = dataset.sample(1, slot, NET)
        boxes += len(sample.truth)
        for label in range(3):
            _compare(sample, label, level / 2)
    assert boxes > SAMPLES


def _compare(sample: Sample, label: int, threshold: float) -> None:
    coloured = sample.pixels[:, :, label] > threshold
    inside, around = np.zeros_like(coloured), np.zeros_like(coloured)
    for x, y, w, h in sample.truth[sample.truth[:, 4] == label, :4] * np.array(NET * 2):
        left, right, top, bottom = round(x - w / 2), round(x + w / 2), round(y - h / 2), round(y + h / 2)
        if right - left > 2 * TOLERANCE and bottom - top > 2 * TOLERANCE:
            inside[top + TOLERANCE : bottom - TOLERANCE, left + TOLERANCE : right - TOLERANCE] = True
        around[max(top - TOLERANCE, 0) : bottom + TOLERANCE, max(left - TOLERANCE, 0) : right + TOLERANCE] = True
    assert coloured[inside].all(), f"class {label}: a box holds more than its object"
    # What is thinner than two pixels may be the rest of an object too small to keep its box.
    assert around[_thick(coloured)].all(), f"class {label}: an object reaches out of its box"


def _thick(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    eroded = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(eroded, np.bool_)


def test_the_comparison_sees_a_box_that_is_off(drawn: Samples) -> None:
    sample = DetectionDataset(drawn, PLAIN, Feed(1)).sample(1, 0, NET)
    label = int(sample.truth[0, 4])
    for column, by in ((0, 4 / NET[0]), (1, -4 / NET[1]), (2, 7 / NET[0]), (3, -7 / NET[1])):
        moved = sample.truth.copy()
        moved[0, column] += by
        with pytest.raises(AssertionError, match="box"):
            _compare(replace(sample, truth=moved), label, LEVEL / 2)


def test_several_images_are_in_one(drawn: Samples) -> None:
    for settings, most in ((MIXUP, 8), (MOSAIC, 16)):
        dataset = DetectionDataset(drawn, settings, Feed(SAMPLES))
        counts = [len(dataset.sample(1, slot, NET).truth) for slot in range(SAMPLES)]
        assert 4 < max(counts) <= most
