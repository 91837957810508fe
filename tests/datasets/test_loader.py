"""The promise of training batches: the same for the same seed and iteration, whoever makes them."""

from __future__ import annotations

import os
import pickle
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from csptrain.datasets import loader
from csptrain.datasets.augment import Augmentation
from csptrain.datasets.detection import DetectionDataset
from csptrain.datasets.lists import Samples, read_samples
from csptrain.datasets.loader import Batch, BatchLoader, pad_truths
from csptrain.datasets.mixing import Mix
from csptrain.datasets.stream import Feed, Sample
from csptrain.errors import DataError

SETTINGS = Augmentation(
    jitter=0.3, flip=True, hue=0.1, saturation=1.5, exposure=1.5, mix=Mix.MOSAIC, blur=5, gaussian_noise=9
)


def size_at(iteration: int) -> tuple[int, int]:
    return (32, 64) if iteration % 2 else (64, 32)


def batches(samples: Samples, start: int, stop: int, workers: int = 0, **options: int) -> list[Batch]:
    dataset = DetectionDataset(samples, SETTINGS, Feed(5, **options))
    return list(BatchLoader(dataset, start_iteration=start, stop_iteration=stop, size_at=size_at, workers=workers))


def same(one: Batch, other: Batch) -> bool:
    return (
        one.iteration == other.iteration
        and torch.equal(one.images, other.images)
        and torch.equal(one.truth, other.truth)
        and one.bad == other.bad
    )


def test_shapes_and_order(image_list: Path) -> None:
    found = batches(read_samples(image_list, 3), 1, 4)
    assert [batch.iteration for batch in found] == [1, 2, 3]
    assert found[0].images.shape == (5, 64, 32, 3) and found[0].images.dtype == torch.uint8
    assert found[1].images.shape == (5, 32, 64, 3) and found[1].images.is_contiguous()
    assert found[0].truth.shape[::2] == (5, 5) and found[0].truth.dtype == torch.float32


def test_workers_and_resuming_change_nothing(image_list: Path) -> None:
    samples = read_samples(image_list, 3)
    (image_list.parent / "3.jpg").write_bytes(b"broken")
    whole = batches(samples, 1, 7)
    made_by_two = batches(samples, 1, 7, workers=2)
    resumed = batches(samples, 4, 7, workers=1)
    assert all(map(same, whole, made_by_two)) and len(made_by_two) == 6
    assert all(map(same, whole[3:], resumed)) and len(resumed) == 3
    assert any(batch.bad for batch in whole)
    assert not same(whole[0], batches(samples, 1, 2, seed=1)[0])


def test_memory_of_decoded_images_changes_nothing(image_list: Path) -> None:
    samples = read_samples(image_list, 3)
    held = batches(samples, 1, 3, cache_bytes=10**6)
    assert all(map(same, batches(samples, 1, 3), held))


def test_decoded_images_are_held_within_the_limit(image_list: Path) -> None:
    samples = read_samples(image_list, 3)
    (image_list.parent / "3.jpg").write_bytes(b"broken")

    def held(limit: int) -> DetectionDataset:
        return DetectionDataset(samples, SETTINGS, Feed(5, cache_bytes=limit))

    assert len(held(6 * 3600).stream.cache) == 6
    assert len(held(6 * 3600 - 1).stream.cache) == 0
    assert len(pickle.loads(pickle.dumps(held(6 * 3600))).stream.cache) == 0


def test_global_random_state_and_threads_are_left_alone(image_list: Path) -> None:
    samples = read_samples(image_list, 3)
    torch_state, numpy_state = torch.get_rng_state(), pickle.dumps(np.random.get_state())
    threads = cv2.getNumThreads()
    batches(samples, 1, 3, workers=1)
    batches(samples, 1, 3)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert pickle.dumps(np.random.get_state()) == numpy_state
    assert cv2.getNumThreads() == threads


def test_every_image_once_an_epoch(image_list: Path) -> None:
    dataset = DetectionDataset(read_samples(image_list, 3), SETTINGS, Feed(5))
    order = [dataset.stream.index_at(1 + number // 5, number % 5) for number in range(21)]
    epochs = [order[start : start + 7] for start in (0, 7, 14)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_a_corrupt_image_is_replaced_and_named(image_list: Path) -> None:
    bad = image_list.parent / "3.jpg"
    bad.write_bytes(bad.read_bytes()[:-20])
    samples = read_samples(image_list, 3)
    dataset = DetectionDataset(samples, Augmentation(), Feed(7))
    found = next(iter(BatchLoader(dataset, start_iteration=1, stop_iteration=2, size_at=lambda _: (40, 30))))
    assert found.bad == (str(bad),)
    place = next(slot for slot in range(7) if dataset.stream.index_at(1, slot) == 3)
    assert int(found.truth[place, 0, 4]) == 4 % 3  # the next image took its place, with its own boxes


@pytest.mark.parametrize("workers", [0, 1])
def test_all_corrupt_is_an_error_with_its_file(image_list: Path, workers: int) -> None:
    samples = read_samples(image_list, 3)
    for number in range(7):
        (image_list.parent / f"{number}.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="no image of the list can be decoded") as caught:
        batches(samples, 1, 2, workers)
    assert caught.value.path == str(image_list)


def test_truths_are_padded_and_limited(image_list: Path) -> None:
    padded = pad_truths([np.ones((2, 5), np.float32), np.zeros((0, 5), np.float32)])
    assert padded.shape == (2, 2, 5) and padded.dtype == np.float32
    assert padded[0].all() and not padded[1].any()
    assert pad_truths([np.zeros((0, 5), np.float32)]).shape == (1, 1, 5)

    (image_list.parent / "0.txt").write_text("0 .5 .5 .4 .4\n" * 9)
    samples = read_samples(image_list, 3)
    dataset = DetectionDataset(samples, Augmentation(max_truths=4), Feed(7))
    found = next(iter(BatchLoader(dataset, start_iteration=1, stop_iteration=2, size_at=size_at)))
    assert found.truth.shape[1] == 4


class Fatal(DetectionDataset):
    """Its second iteration kills the process that makes it, until a file says that it has done so often enough."""

    def __init__(self, samples: Samples, counter: Path, times: int) -> None:
        super().__init__(samples, Augmentation(), Feed(7))
        self.counter, self.times = counter, times

    def sample(self, iteration: int, slot: int, net_size: tuple[int, int]) -> Sample:
        if iteration == 2 and slot == 3:
            done = self.counter.stat().st_size if self.counter.exists() else 0
            if done < self.times:
                self.counter.write_bytes(b"x" * (done + 1))
                os.kill(os.getpid(), signal.SIGKILL)
        return super().sample(iteration, slot, net_size)


def loader_of(dataset: DetectionDataset, workers: int) -> BatchLoader:
    return BatchLoader(dataset, start_iteration=1, stop_iteration=4, size_at=size_at, workers=workers)


def test_a_worker_that_is_killed_is_replaced(image_list: Path, tmp_path: Path) -> None:
    samples = read_samples(image_list, 3)
    expected = list(loader_of(DetectionDataset(samples, Augmentation(), Feed(7)), 0))
    found = list(loader_of(Fatal(samples, tmp_path / "deaths", 2), 1))
    assert [batch.iteration for batch in found] == [1, 2, 3]
    for batch, other in zip(found, expected, strict=True):
        assert torch.equal(batch.images, other.images) and torch.equal(batch.truth, other.truth)
    warnings = [warning for batch in found for warning in batch.warnings]
    assert len(warnings) == 2 and all("a loader process died" in warning for warning in warnings)


def test_workers_that_always_die_end_the_run(image_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "_MOST_DEATHS", 1)
    with pytest.raises(DataError, match="a loader process died.*; 2 of them in this run"):
        list(loader_of(Fatal(read_samples(image_list, 3), tmp_path / "deaths", 99), 1))


def test_a_share_of_the_slots(image_list: Path) -> None:
    dataset = DetectionDataset(read_samples(image_list, 3), Augmentation(), Feed(7))
    (whole, *_), (part, *_) = (
        list(BatchLoader(dataset, start_iteration=1, stop_iteration=2, size_at=size_at, slots_of=slots_of))
        for slots_of in (range, lambda batch: [1, 4, batch - 1])
    )
    assert torch.equal(part.images, whole.images[[1, 4, 6]]) and part.whole == 7


def test_without_shared_memory_there_are_no_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "_SHARED_MEMORY", str(tmp_path))
    assert loader.usable_workers(3) == 3
    monkeypatch.setattr(loader, "_SHARED_MEMORY", str(tmp_path / "none"))
    assert loader.usable_workers(3) == 0
