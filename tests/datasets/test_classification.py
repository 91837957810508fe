"""Training samples of a classifier: the same for the same seed, with targets that tell what is in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from csptrain.datasets.class_list import ClassList, read_class_list
from csptrain.datasets.classification import ClassAugmentation, ClassificationDataset, smooth_target
from csptrain.datasets.loader import BatchLoader
from csptrain.datasets.mixing import Mix
from csptrain.datasets.stream import Feed
from csptrain.errors import DataError
from tests import tiny_classes

PLAIN = ClassAugmentation(crops=(20, 30))
FULL = ClassAugmentation(
    crops=(20, 40), angle=7, aspect=0.75, flip=True, hue=0.1, saturation=0.75, exposure=0.75,
    mix=Mix.CUTMIX_OR_MOSAIC, blur=1, label_smooth_eps=0.1,
)  # fmt: skip
SIZE = (24, 24)
NAMES = tuple(tiny_classes.COLOURS)


@pytest.fixture
def listed(tmp_path: Path) -> ClassList:
    tiny_classes.write_folders(tmp_path / "train")
    return read_class_list(tmp_path / "train", NAMES)


def dataset(listed: ClassList, settings: ClassAugmentation, batch: int = 4, **changes: int) -> ClassificationDataset:
    return ClassificationDataset(listed, len(NAMES), settings, Feed(batch, **changes))


def test_targets_of_the_classes(listed: ClassList) -> None:
    np.testing.assert_allclose(smooth_target(1, 3, 0.1), [0.05, 0.9, 0.05])
    made = dataset(listed, PLAIN)
    for slot in range(4):
        sample = made.sample(1, slot, SIZE)
        colour = sample.pixels[12, 12].astype(int)
        expected = list(tiny_classes.COLOURS)[int(sample.truth.argmax())]
        assert np.abs(colour - tiny_classes.COLOURS[expected]).max() < 12
        assert sample.truth.tolist() in np.eye(3).tolist() and sample.files[0].split("/")[-2] == expected


def test_a_sample_depends_on_seed_iteration_and_slot_alone(listed: ClassList) -> None:
    def pixels(made: ClassificationDataset, iteration: int = 3, slot: int = 2) -> bytes:
        return made.sample(iteration, slot, SIZE).pixels.tobytes()

    made = dataset(listed, FULL)
    expected = pixels(made)
    pixels(made, 8)
    assert pixels(made) == expected == pixels(dataset(listed, FULL, cache_bytes=1 << 20))
    assert len({expected, pixels(made, 4), pixels(made, 3, 1), pixels(dataset(listed, FULL, seed=1))}) == 4


@pytest.mark.parametrize("workers", [0, 2])
def test_batches(listed: ClassList, workers: int) -> None:
    made = dataset(listed, FULL, batch=10)
    loader = BatchLoader(made, start_iteration=2, stop_iteration=4, size_at=lambda _: (24, 20), workers=workers)
    batches = list(loader)
    assert [batch.iteration for batch in batches] == [2, 3]
    for batch in batches:
        assert batch.images.shape == (10, 20, 24, 3) and batch.images.dtype is torch.uint8
        assert batch.truth.shape == (10, 3) and batch.truth.dtype is torch.float32
        assert torch.allclose(batch.truth.sum(1), torch.ones(10))
    sample = made.sample(3, 9, (24, 20))
    np.testing.assert_array_equal(batches[1].images[9].numpy(), sample.pixels)
    np.testing.assert_array_equal(batches[1].truth[9].numpy(), sample.truth)


@pytest.mark.parametrize(("mix", "images"), [(Mix.MIXUP, 2), (Mix.CUTMIX, 2), (Mix.MOSAIC, 4)])
def test_half_of_the_samples_are_mixed(listed: ClassList, mix: Mix, images: int) -> None:
    made = dataset(listed, ClassAugmentation(crops=(24, 24), mix=mix))
    samples = [made.sample(iteration, 0, SIZE) for iteration in range(1, 121)]
    mixed = [sample for sample in samples if len(sample.files) > 1]
    assert 40 < len(mixed) < 80 and {len(sample.files) for sample in mixed} == {images}
    for sample in mixed:
        present = {NAMES.index(file.split("/")[-2]) for file in sample.files}
        assert set(np.flatnonzero(sample.truth).tolist()) == present and sample.truth.sum() == pytest.approx(1)


def test_a_quarter_is_blurred(listed: ClassList) -> None:
    sharp, soft = dataset(listed, PLAIN), dataset(listed, ClassAugmentation(crops=(20, 30), blur=1))
    pairs = [(sharp.sample(n, 0, SIZE).pixels, soft.sample(n, 0, SIZE).pixels) for n in range(1, 201)]
    changed = [float(np.std(one) - np.std(other)) for one, other in pairs if not np.array_equal(one, other)]
    assert 30 < len(changed) < 70 and min(changed) > 0


def test_a_net_that_is_not_square(listed: ClassList) -> None:
    assert dataset(listed, FULL).sample(1, 0, (32, 16)).pixels.shape == (16, 32, 3)
    assert dataset(listed, FULL, channels=1).sample(1, 0, (32, 16)).pixels.shape == (16, 32, 1)


def test_images_that_cannot_be_decoded(listed: ClassList) -> None:
    bad = Path(listed.images[0])
    bad.write_bytes(b"no image")
    made = dataset(listed, PLAIN, batch=12)
    slot = next(slot for slot in range(12) if made.stream.index_at(1, slot) == 0)
    sample = made.sample(1, slot, SIZE)
    assert sample.bad == (str(bad),) and sample.files == (listed.images[1],)
    for image in listed.images:
        Path(image).write_bytes(b"")
    with pytest.raises(DataError, match="no image of the list can be decoded"):
        dataset(listed, PLAIN).sample(1, 0, SIZE)
