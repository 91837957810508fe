"""Images of a list for the evaluation of a classifier, in batches of equal size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from csptrain.datasets.image import FloatArray, load_image, to_planes
from csptrain.datasets.loader import in_order
from csptrain.datasets.turns import ALL, Turns, nothing_decoded
from csptrain.datasets.views import Views
from csptrain.errors import DataError

# Images that wait for others of their size before a batch goes out that is not full.
_MOST_WAITING = 256

Item = tuple[int, FloatArray | DataError]


@dataclass(frozen=True)
class ViewBatch:
    """``views`` float32 [N, V, C, H, W], for each image its index in the list; ``bad`` could not be decoded."""

    indices: tuple[int, ...]
    views: Tensor
    bad: tuple[DataError, ...] = ()


class ClassImages(Dataset[Item]):
    """The views of the images of a list; ``bad`` holds what the last run over ``batches`` could not decode."""

    def __init__(
        self, source: Path, images: Sequence[str], views: Views, net_size: tuple[int, int], channels: int = 3
    ) -> None:
        self.source = source
        self.images = images
        self.views = views
        self.net_size = net_size
        self.channels = channels
        self.bad: list[DataError] = []

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Item:
        try:
            pixels = load_image(self.images[index], self.channels)
        except DataError as error:
            return index, error
        return index, np.ascontiguousarray(self.views(to_planes(pixels), self.net_size))

    def batches(self, batch: int, workers: int = 0, turns: Turns = ALL) -> Iterator[ViewBatch]:
        """Every image once, at most ``batch`` of one size at a time; where all have one size, in list order.

        ``turns`` are those of one of several processes, as of `EvalDataset.batches`.

        Raises:
            DataError: no image of the list can be decoded.
        """
        waiting = _Waiting(batch)
        self.bad = []
        for parts in in_order(self, batch, workers, _collate, turns.within(len(self), batch)):
            for part in parts:
                self.bad += part.bad
                yield from waiting.add(part)
        yield from waiting.rest()
        if len(self.bad) == len(self) and turns.count == 1:
            raise nothing_decoded(self.source)


class _Waiting:
    """Parts of batches by the size of their views."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self._parts: dict[torch.Size, ViewBatch] = {}

    def add(self, part: ViewBatch) -> Iterator[ViewBatch]:
        """Take a part; gives what is full, and the fullest when too much waits."""
        size = part.views.shape[1:]
        held = self._parts.pop(size, None)
        if held is not None:
            part = ViewBatch(held.indices + part.indices, torch.cat((held.views, part.views)))
        while len(part.indices) >= self.batch:
            yield replace(part, indices=part.indices[: self.batch], views=part.views[: self.batch], bad=())
            part = ViewBatch(part.indices[self.batch :], part.views[self.batch :])
        if part.indices:
            self._parts[size] = part
        if sum(len(one.indices) for one in self._parts.values()) > max(_MOST_WAITING, self.batch):
            yield self._parts.pop(max(self._parts, key=lambda size: len(self._parts[size].indices)))

    def rest(self) -> Iterator[ViewBatch]:
        """What has not been full."""
        yield from self._parts.values()
        self._parts = {}


def _collate(items: list[Item]) -> list[ViewBatch]:
    """A batch for each size, and one without images for what cannot be decoded."""
    bad = tuple(views for _, views in items if isinstance(views, DataError))
    good = [(views.shape, index, views) for index, views in items if not isinstance(views, DataError)]
    parts = [ViewBatch((), torch.empty(0), bad)] if bad else []
    for _, group in groupby(sorted(good, key=itemgetter(0, 1)), key=itemgetter(0)):
        rows = list(group)
        stacked = torch.from_numpy(np.stack([views for _, _, views in rows]))
        parts.append(ViewBatch(tuple(index for _, index, _ in rows), stacked))
    return parts
