"""Evaluation images: list order, Darknet's resize, original sizes, and files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csptrain.datasets.evaluation import EvalDataset
from csptrain.datasets.image import letterbox, load_image, resize, to_planes
from csptrain.datasets.lists import read_samples
from csptrain.errors import DataError


@pytest.mark.parametrize("workers", [0, 1])
def test_order_sizes_and_pixels(image_list: Path, workers: int) -> None:
    samples = read_samples(image_list, 3)
    found = list(EvalDataset(samples, (32, 64)).batches(3, workers))
    assert [batch.indices for batch in found] == [(0, 1, 2), (3, 4, 5), (6,)]
    assert found[0].images.shape == (3, 3, 64, 32)
    assert found[0].sizes == ((40, 30),) * 3
    assert [int(truth[0, 4]) for truth in found[1].truths] == [0, 1, 2]
    expected = resize(to_planes(load_image(samples.images[4])), 32, 64)
    np.testing.assert_array_equal(found[1].images[1].numpy(), expected)


def test_letter_box(image_list: Path) -> None:
    samples = read_samples(image_list, 3)
    item = EvalDataset(samples, (32, 64), letter_box=True)[0]
    np.testing.assert_array_equal(item.planes, letterbox(to_planes(load_image(samples.images[0])), 32, 64))


def test_bad_images_are_left_out_and_named(image_list: Path) -> None:
    samples = read_samples(image_list, 3)
    for number in (3, 6):
        (image_list.parent / f"{number}.jpg").write_bytes(b"")
    found = list(EvalDataset(samples, (32, 32)).batches(3))
    assert [batch.indices for batch in found] == [(0, 1, 2), (4, 5), ()]
    assert [len(batch.images) for batch in found] == [3, 2, 0]
    assert [error.path for batch in found for error in batch.bad] == [samples.images[3], samples.images[6]]
    for number in range(7):
        (image_list.parent / f"{number}.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="no image of the list can be decoded"):
        list(EvalDataset(samples, (32, 32)).batches(3))
