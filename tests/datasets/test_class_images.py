"""Images for evaluation in batches of equal size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain.datasets import class_images
from csptrain.datasets.class_images import ClassImages
from csptrain.datasets.image import load_image, to_planes
from csptrain.datasets.views import centre_crop, ten_crops, whole
from csptrain.errors import DataError

SIZES = [(40, 30), (30, 40), (40, 30), (32, 32), (40, 30), (30, 40), (40, 30)]


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{number}.png") for number in range(len(SIZES))]
    for path, (width, height) in zip(paths, SIZES, strict=True):
        cv2.imwrite(path, rng.integers(0, 256, (height, width, 3), np.uint8))
    return paths


@pytest.mark.parametrize("workers", [0, 1])
def test_views_of_one_size_come_in_order(images: list[str], workers: int) -> None:
    dataset = ClassImages(Path("list"), images, ten_crops, (24, 24))
    parts = list(dataset.batches(3, workers))
    assert [part.indices for part in parts] == [(0, 1, 2), (3, 4, 5), (6,)]
    assert parts[0].views.shape == (3, 10, 3, 24, 24)
    expected = ten_crops(to_planes(load_image(images[4])), (24, 24))
    np.testing.assert_array_equal(parts[1].views[1].numpy(), expected)


def test_whole_images_wait_for_others_of_their_size(images: list[str]) -> None:
    parts = list(ClassImages(Path("list"), images, whole, (24, 24)).batches(3))
    assert [part.indices for part in parts[:1]] == [(0, 2, 4)]
    assert sorted(part.indices for part in parts[1:]) == [(1, 5), (3,), (6,)]
    shapes = {part.indices: tuple(part.views.shape[2:]) for part in parts}
    assert shapes[(0, 2, 4)] == (3, 24, 32) and shapes[(1, 5)] == (3, 32, 24)
    for part in parts:
        for index, views in zip(part.indices, part.views, strict=True):
            np.testing.assert_array_equal(views[0].numpy(), whole(to_planes(load_image(images[index])), (24, 24))[0])


def test_not_too_many_wait(images: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_images, "_MOST_WAITING", 2)
    parts = list(ClassImages(Path("list"), images, whole, (24, 24)).batches(4))
    assert sorted(index for part in parts for index in part.indices) == list(range(7))
    assert max(len(part.indices) for part in parts) <= 4


def test_bad_images_are_left_out_and_named(images: list[str]) -> None:
    Path(images[1]).write_bytes(b"no image")
    dataset = ClassImages(Path("list"), images, centre_crop, (24, 24))
    assert [part.indices for part in dataset.batches(3)] == [(0, 2, 3), (4, 5, 6)]
    assert [str(error.path) for error in dataset.bad] == [images[1]]
    for image in images:
        Path(image).write_bytes(b"")
    with pytest.raises(DataError, match="no image of the list can be decoded"):
        list(dataset.batches(3))
