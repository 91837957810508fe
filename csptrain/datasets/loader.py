"""Batches of training samples, made ahead by worker processes.

What a batch holds depends on seed and iteration alone (see `detection` and `classification`), never on the workers.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from csptrain.datasets.image import FloatArray
from csptrain.datasets.stream import Sample
from csptrain.errors import CspError, DataError
from csptrain.machine import keep_freed_memory

SizeAt = Callable[[int], tuple[int, int]]
BatchAt = Callable[[int], int]
SlotsOf = Callable[[int], Sequence[int]]
Item = TypeVar("Item")
Answer = TypeVar("Answer")
_CHUNK = 8  # samples a worker hands over at once: small enough to start soon, large enough to cost nothing
_BATCHES_AHEAD = 2
_MOST_DEATHS = 5
# What is raised when a worker is gone before its answer has been fetched.
_CUT_OFF = (ConnectionError, EOFError, FileNotFoundError)
_SHARED_MEMORY = "/dev/shm"


class TrainingSet(Protocol):
    """Where samples come from: ``sample(iteration, slot, (width, height))`` is a pure function.

    A sample's truth is float32, boxes [n, 5] for detectors or targets [classes] for classifiers.
    """

    batch: int
    channels: int

    def sample(self, iteration: int, slot: int, net_size: tuple[int, int]) -> Sample:
        """Sample ``slot`` of ``iteration`` (from 1), made for a network of this size."""
        ...


@dataclass(frozen=True)
class Batch:
    """One iteration's samples.

    ``images`` uint8 [batch, H, W, C] RGB; ``truth`` float32 [batch, T, 5] rows x y w h class, zero padded, or
    [batch, classes] targets; ``bad`` names the image files that could not be decoded and were replaced, ``files`` those
    that the images come from. ``whole`` counts the images of the iteration where these are a part of them.
    ``warnings`` tells what went wrong in making it.
    """

    iteration: int
    images: Tensor
    truth: Tensor
    bad: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    whole: int | None = None
    warnings: tuple[str, ...] = ()


class _Request(NamedTuple):
    """Samples of an iteration, for a net of size (width, height)."""

    iteration: int
    slots: tuple[int, ...]
    size: tuple[int, int]


class _Chunk(NamedTuple):
    """What a worker answers; an error travels as a value because torch would rewrap a raised one."""

    images: Tensor
    truth: Tensor
    bad: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    error: CspError | None = None


class _Chunks(Dataset[_Chunk]):
    def __init__(self, dataset: TrainingSet) -> None:
        self.dataset = dataset

    def __getitem__(self, request: _Request) -> _Chunk:
        try:
            return self._make(request)
        except CspError as error:
            return _Chunk(torch.empty(0), torch.empty(0), error=error)

    def _make(self, request: _Request) -> _Chunk:
        width, height = request.size
        images = torch.empty((len(request.slots), height, width, self.dataset.channels), dtype=torch.uint8)
        pixels = images.numpy()
        truths: list[FloatArray] = []
        bad: list[str] = []
        files: list[str] = []
        for place, slot in enumerate(request.slots):
            sample = self.dataset.sample(request.iteration, slot, request.size)
            pixels[place] = sample.pixels
            truths.append(sample.truth)
            bad.extend(sample.bad)
            files.extend(sample.files)
        return _Chunk(images, torch.from_numpy(stack_truths(truths)), tuple(bad), tuple(files))


def stack_truths(truths: list[FloatArray]) -> FloatArray:
    """Targets [classes] to float32 [N, classes]; box lists as `pad_truths` does."""
    return np.stack(truths) if truths and truths[0].ndim == 1 else pad_truths(truths)


def pad_truths(truths: list[FloatArray]) -> FloatArray:
    """Box lists [n_i, 5] to float32 [N, T, 5], zero padded, T the longest (at least 1)."""
    longest = max(1, *(len(truth) for truth in truths)) if truths else 1
    padded = np.zeros((len(truths), longest, 5), np.float32)
    for row, truth in zip(padded, truths, strict=True):
        row[: len(truth)] = truth
    return padded


class WorkerDied(DataError):
    """A loader process that was killed."""


def usable_workers(wanted: int) -> int:
    """``wanted``, or 0 where there is no shared memory by which worker processes could hand over their batches."""
    there = not sys.platform.startswith("linux") or os.access(_SHARED_MEMORY, os.W_OK)
    return wanted if there else 0


def start_worker(_worker: int) -> None:
    """Set up a worker process: one thread each, and the signals that end a training left to the main process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    keep_freed_memory()
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def answers_of(loader: DataLoader[Any]) -> Iterator[Any]:
    """What the workers of a loader answer; raises WorkerDied when one of them has been killed."""
    answers = iter(loader)
    if loader.num_workers and threading.current_thread() is threading.main_thread():
        # Torch's handler would raise its error wherever this process is, in the midst of a step or of a file.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    while True:
        try:
            answer = next(answers)
        except StopIteration:
            return
        except (RuntimeError, *_CUT_OFF) as error:
            if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
                raise
            raise WorkerDied(
                f"a loader process died: {error}", hint="often the memory is full; try fewer --workers"
            ) from None
        yield answer


def in_order(
    items: Dataset[Item],
    batch: int,
    workers: int,
    collate: Callable[[list[Item]], Answer],
    only: Sequence[int] | None = None,
) -> Iterable[Answer]:
    """Every item once, in order, ``batch`` at a time; ``collate`` makes one answer of them, in the worker.

    ``only`` are the places of the items that are wanted, by default all. Raises WorkerDied.
    """
    loader = DataLoader(
        items if only is None else Subset(items, only),
        batch_size=batch,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=start_worker,
        # Without one of its own the loader would draw from torch's global random state.
        generator=torch.Generator(),
    )
    return answers_of(loader)


class BatchLoader:
    """Iterates over the batches of iterations ``start_iteration`` .. ``stop_iteration - 1``."""

    def __init__(
        self,
        dataset: TrainingSet,
        *,
        start_iteration: int,
        stop_iteration: int,
        size_at: SizeAt,
        batch_at: BatchAt | None = None,
        workers: int = 0,
        pin: bool = False,
        slots_of: SlotsOf = range,
    ) -> None:
        """
        Args:
            dataset: what the samples come from; it knows the batch size and the seed.
            size_at: the network's (width, height) at an iteration; a pure function, asked ahead of time.
            batch_at: images of an iteration, at least the dataset's own; likewise. Without it there are always as many.
            workers: processes that make samples; 0 makes them in this process when they are asked for.
            pin: give page-locked batches, which a GPU fetches faster.
            slots_of: which samples of an iteration of so many are made here; by default all.
        """
        self.dataset = dataset
        self.iterations = range(start_iteration, stop_iteration)
        self.size_at = size_at
        self.batch_at = batch_at or (lambda _: dataset.batch)
        self.workers = workers
        self.pin = pin
        self.slots_of = slots_of
        share = len(slots_of(dataset.batch))
        self._chunk = share if workers == 0 else min(_CHUNK, math.ceil(share / workers))

    def __len__(self) -> int:
        return len(self.iterations)

    def __iter__(self) -> Iterator[Batch]:
        """Raises the CspError that a sample met, and DataError where worker processes die again and again.

        The batches of a worker that dies are made once more by others, with a warning.
        """
        start, deaths = self.iterations.start, 0
        warnings: tuple[str, ...] = ()
        while start < self.iterations.stop:
            try:
                for batch in self._batches(range(start, self.iterations.stop)):
                    start = batch.iteration + 1
                    yield replace(batch, warnings=warnings) if warnings else batch
                    warnings = ()
            except WorkerDied as error:
                deaths += 1
                if deaths > _MOST_DEATHS:
                    raise DataError(f"{error.message}; {deaths} of them in this run", hint=error.hint) from None
                warnings += (f"{error}; its batches are made again",)

    def _batches(self, iterations: range) -> Iterator[Batch]:
        loader = DataLoader(
            _Chunks(self.dataset),
            batch_size=None,
            sampler=self._requests(iterations),
            num_workers=self.workers,
            collate_fn=_as_is,
            worker_init_fn=start_worker,
            prefetch_factor=self._ahead() if self.workers else None,
            generator=torch.Generator(),
        )
        answers = answers_of(loader)
        for iteration in iterations:
            chunks = math.ceil(len(self.slots_of(self.batch_at(iteration))) / self._chunk)
            yield self._assemble(iteration, list(islice(answers, chunks)))

    def _requests(self, iterations: range) -> Iterator[_Request]:
        for iteration in iterations:
            size, slots = self.size_at(iteration), tuple(self.slots_of(self.batch_at(iteration)))
            for first in range(0, len(slots), self._chunk):
                yield _Request(iteration, slots[first : first + self._chunk], size)

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
        files = tuple(path for chunk in chunks for path in chunk.files)
        truth = _join_truths([chunk.truth for chunk in chunks])
        if len(chunks) == 1:
            images = chunks[0].images.pin_memory() if self.pin else chunks[0].images
            return Batch(iteration, images, truth, bad, files, self.batch_at(iteration))
        images = torch.empty((len(truth), *chunks[0].images.shape[1:]), dtype=torch.uint8, pin_memory=self.pin)
        torch.cat([chunk.images for chunk in chunks], out=images)
        return Batch(iteration, images, truth, bad, files, self.batch_at(iteration))


def _join_truths(truths: list[Tensor]) -> Tensor:
    """Targets one below the other, or box lists padded to the longest."""
    if len(truths) == 1 or truths[0].dim() == 2:
        return torch.cat(truths)
    longest = max(truth.shape[1] for truth in truths)
    return torch.cat([torch.nn.functional.pad(truth, (0, 0, 0, longest - truth.shape[1])) for truth in truths])


def _as_is(chunk: Any) -> Any:
    return chunk
