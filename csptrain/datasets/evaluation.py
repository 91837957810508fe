"""Images in list order for evaluation, resized with Darknet's own float32 arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from csptrain.datasets.image import FloatArray, letterbox, load_image, resize, to_planes
from csptrain.datasets.lists import Samples
from csptrain.datasets.loader import in_order
from csptrain.datasets.turns import ALL, Turns, nothing_decoded
from csptrain.errors import DataError


@dataclass(frozen=True)
class EvalItem:
    """One image for the network: float32 [C, H, W] in 0..1, its original (width, height), its boxes [n, 5].

    ``error`` is set when the file could not be decoded; the planes are then grey, the size is the net's.
    """

    index: int
    planes: FloatArray
    size: tuple[int, int]
    truth: FloatArray
    error: DataError | None = None


@dataclass(frozen=True)
class EvalBatch:
    """``images`` float32 [N, C, H, W]; for each its index in the list, original (width, height) and boxes.

    Images that cannot be decoded are in ``bad`` and nowhere else.
    """

    indices: tuple[int, ...]
    images: Tensor
    sizes: tuple[tuple[int, int], ...]
    truths: tuple[FloatArray, ...]
    bad: tuple[DataError, ...] = ()


class EvalDataset(Dataset[EvalItem]):
    """The images of a list, stretched or letterboxed to ``net_size`` (width, height).

    ``bad`` holds the images that the last run over ``batches`` could not decode.
    """

    def __init__(
        self, samples: Samples, net_size: tuple[int, int], *, letter_box: bool = False, channels: int = 3
    ) -> None:
        self.samples = samples
        self.net_size = net_size
        self.channels = channels
        self.bad: list[DataError] = []
        self._fit = letterbox if letter_box else resize

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> EvalItem:
        width, height = self.net_size
        truth = self.samples.truth(index)
        try:
            pixels = load_image(self.samples.images[index], self.channels)
        except DataError as error:
            grey = np.full((self.channels, height, width), 0.5, np.float32)
            return EvalItem(index, grey, self.net_size, truth, error)
        planes = self._fit(to_planes(pixels), width, height)
        return EvalItem(index, planes, (pixels.shape[1], pixels.shape[0]), truth)

    def batches(self, batch: int, workers: int = 0, turns: Turns = ALL) -> Iterator[EvalBatch]:
        """All images in list order, ``batch`` at a time (the last may be smaller, and bad ones are missing).

        ``turns`` are those of one of several processes. Which images nobody could decode is then known to all of them
        together only.

        Raises:
            DataError: no image of the list can be decoded.
        """
        good = 0
        self.bad = []
        for answer in in_order(self, batch, workers, _collate, turns.within(len(self), batch)):
            self.bad += answer.bad
            good += len(answer.indices)
            yield answer
        if not good and turns.count == 1:
            raise nothing_decoded(self.samples.source)


def _collate(items: list[EvalItem]) -> EvalBatch:
    good = [item for item in items if item.error is None]
    planes = [torch.from_numpy(item.planes) for item in good]
    return EvalBatch(
        tuple(item.index for item in good),
        torch.stack(planes) if planes else torch.empty((0, *items[0].planes.shape)),
        tuple(item.size for item in good),
        tuple(item.truth for item in good),
        tuple(item.error for item in items if item.error is not None),
    )
