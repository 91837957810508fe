"""Batches of training samples, made ahead by worker processes.

What a batch holds depends on seed and iteration alone (see `detection`), never on the workers.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from csptrain.datasets.detection import DetectionDataset
from csptrain.datasets.image import FloatArray
from csptrain.errors import CspError

SizeAt = Callable[[int], tuple[int, int]]
_CHUNK = 8  # samples a worker hands over at once: small enough to start soon, large enough to cost nothing
_BATCHES_AHEAD = 2
_SHARED_MEMORY = "/dev/shm"


@dataclass(frozen=True)
class Batch:
    """One iteration's samples.

    ``images`` uint8 [batch, H, W, C] RGB; ``truth`` float32 [batch, T, 5] rows x y w h class, zero padded;
    ``bad`` names the image files that could not be decoded and were replaced.
    """

    iteration: int
    images: Tensor
    truth: Tensor
    bad: tuple[str, ...] = ()


class _Request(NamedTuple):
    """Samples first..last-1 of an iteration, for a net of size (width, height)."""

    iteration: int
    first: int
    last: int
    size: tuple[int, int]


class _Chunk(NamedTuple):
    """What a worker answers; an error travels as a value because torch would rewrap a raised one."""

    images: Tensor
    truth: Tensor
    bad: tuple[str, ...] = ()
    error: CspError | None = None


class _Chunks(Dataset[_Chunk]):
    def __init__(self, dataset: DetectionDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, request: _Request) -> _Chunk:
        try:
            return self._make(request)
        except CspError as error:
            return _Chunk(torch.empty(0), torch.empty(0), (), error)

    def _make(self, request: _Request) -> _Chunk:
        width, height = request.size
        count = request.last - request.first
        images = torch.empty((count, height, width, self.dataset.channels), dtype=torch.uint8)
        pixels = images.numpy()
        truths: list[FloatArray] = []
        bad: list[str] = []
        for place in range(count):
            sample = self.dataset.sample(request.iteration, request.first + place, request.size)
            pixels[place] = sample.pixels
            truths.append(sample.truth)
            bad.extend(sample.bad)
        return _Chunk(images, torch.from_numpy(pad_truths(truths)), tuple(bad))


def pad_truths(truths: list[FloatArray]) -> FloatArray:
    """Box lists [n_i, 5] to float32 [N, T, 5], zero padded, T the longest (at least 1)."""
    longest = max(1, *(len(truth) for truth in truths)) if truths else 1
    padded = np.zeros((len(truths), longest, 5), np.float32)
    for row, truth in zip(padded, truths, strict=True):
        row[: len(truth)] = truth
    return padded


def start_worker(_worker: int) -> None:
    """Set up a worker process: one thread each, and Ctrl-C left to the main process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class BatchLoader:
    """Iterates over the batches of iterations ``start_iteration`` .. ``stop_iteration - 1``."""

    def __init__(
        self,
        dataset: DetectionDataset,
        *,
        start_iteration: int,
        stop_iteration: int,
        size_at: SizeAt,
        workers: int = 0,
        pin: bool = False,
    ) -> None:
        """
        Args:
            dataset: what the samples come from; it knows the batch size and the seed.
            size_at: the network's (width, height) at an iteration; a pure function, asked ahead of time.
            workers: processes that make samples; 0 makes them in this process when they are asked for.
            pin: give page-locked batches, which a GPU fetches faster.
        """
        self.dataset = dataset
        self.iterations = range(start_iteration, stop_iteration)
        self.size_at = size_at
        self.workers = workers
        self.pin = pin
        self._chunk = dataset.batch if workers == 0 else min(_CHUNK, math.ceil(dataset.batch / workers))

    def __len__(self) -> int:
        return len(self.iterations)

    def __iter__(self) -> Iterator[Batch]:
        """Raises the CspError that a sample met."""
        if not self.iterations:
            return
        loader = DataLoader(
            _Chunks(self.dataset),
            batch_size=None,
            sampler=self._requests(),
            num_workers=self.workers,
            collate_fn=_as_is,
            worker_init_fn=start_worker,
            prefetch_factor=self._ahead() if self.workers else None,
            # Without one of its own the loader would draw from torch's global random state.
            generator=torch.Generator(),
        )
        answers = iter(loader)
        per_batch = math.ceil(self.dataset.batch / self._chunk)
        for iteration in self.iterations:
            yield self._assemble(iteration, list(islice(answers, per_batch)))

    def _requests(self) -> Iterator[_Request]:
        batch = self.dataset.batch
        for iteration in self.iterations:
            size = self.size_at(iteration)
            for first in range(0, batch, self._chunk):
                yield _Request(iteration, first, min(first + self._chunk, batch), size)

    def _ahead(self) -> int:
        """Chunks each worker makes ahead: two batches in all, within half of the free shared memory."""
        chunks = math.ceil(_BATCHES_AHEAD * self.dataset.batch / self._chunk)
        if os.path.isdir(_SHARED_MEMORY):
            width, height = self.size_at(self.iterations[0])
            # Twice the area: multi-scale training grows the network.
            chunk_bytes = 2 * self._chunk * width * height * self.dataset.channels
            chunks = min(chunks, shutil.disk_usage(_SHARED_MEMORY).free // 2 // chunk_bytes)
        return max(1, math.ceil(chunks / self.workers))

    def _assemble(self, iteration: int, chunks: list[_Chunk]) -> Batch:
        for chunk in chunks:
            if chunk.error is not None:
                raise chunk.error
        bad = tuple(path for chunk in chunks for path in chunk.bad)
        if len(chunks) == 1:
            images, truth = chunks[0].images, chunks[0].truth
            return Batch(iteration, images.pin_memory() if self.pin else images, truth, bad)
        shape = (self.dataset.batch, *chunks[0].images.shape[1:])
        images = torch.empty(shape, dtype=torch.uint8, pin_memory=self.pin)
        torch.cat([chunk.images for chunk in chunks], out=images)
        truth = torch.zeros((shape[0], max(chunk.truth.shape[1] for chunk in chunks), 5))
        first = 0
        for chunk in chunks:
            count, rows = chunk.truth.shape[:2]
            truth[first : first + count, :rows] = chunk.truth
            first += count
        return Batch(iteration, images, truth, bad)


def _as_is(chunk: Any) -> Any:
    return chunk
