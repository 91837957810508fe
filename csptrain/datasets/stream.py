"""The images of a list as training asks for them: which one is next, and its pixels.

The order is a pure function of seed, iteration and place in the batch, the same in every process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from csptrain.datasets.cache import ImageCache
from csptrain.datasets.image import FloatArray, Pixels, load_image
from csptrain.errors import DataError


@dataclass(frozen=True)
class Sample:
    """uint8 [H, W, C] pixels, float32 truth, the files passed over, and those that the pixels come from.

    The truth is boxes [n, 5] (x y w h class) for detectors, targets [classes] for classifiers.
    """

    pixels: Pixels
    truth: FloatArray
    bad: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass
class Files:
    """The image files that a sample met: those it is made of, and those that could not be decoded."""

    used: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Feed:
    """How training asks for images: ``batch`` an iteration, in the order of ``seed``.

    Decoded images are held in memory if all of a list need at most ``cache_bytes``; those that are not may be decoded
    at a reduced size where ``reduced``. Raises ValueError for a negative seed.
    """

    batch: int
    seed: int = 0
    channels: int = 3
    cache_bytes: int = 0
    reduced: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")


class ImageStream:
    """Every epoch (one pass over the list) has its own order, so that each image is used once an epoch.

    *Differs:* Darknet draws every image independently, which leaves a third of them out of any one epoch.
    """

    def __init__(self, images: Sequence[str], source: Path, feed: Feed) -> None:
        """``source`` is the list, for messages."""
        self.images = images
        self.source = source
        self.batch = feed.batch
        self.seed = feed.seed
        self.channels = feed.channels
        self.reduced = feed.reduced
        self.cache = ImageCache(images, feed.channels, feed.cache_bytes)
        self._bad: set[int] = set()
        self._order: tuple[int, npt.NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def index_at(self, iteration: int, slot: int) -> int:
        """Which image of the list sample ``slot`` of ``iteration`` (from 1) is; beyond the batch it is any of them."""
        if slot >= self.batch:
            return int(np.random.default_rng([self.seed, iteration, slot, 2]).integers(len(self.images)))
        epoch, place = divmod((iteration - 1) * self.batch + slot, len(self.images))
        if self._order is None or self._order[0] != epoch:
            # Iteration 0 does not exist, so this stream is no sample's.
            order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.images))
            self._order = epoch, order
        return int(self._order[1][place])

    def generator(self, iteration: int, slot: int) -> np.random.Generator:
        """The random numbers of a sample."""
        return np.random.default_rng([self.seed, iteration, slot])

    def load(self, index: int, files: Files, least: tuple[float, float] | None = None) -> tuple[int, Pixels]:
        """Image ``index``, or the next of the list that can be decoded: its index and uint8 [H, W, C].

        ``least`` is a width and height that suffice where images may be reduced.
        It and those passed over are added to ``files``. Raises DataError when no image of the list can be decoded.
        """
        count = len(self.images)
        for index in ((index + step) % count for step in range(count)):
            pixels = self.cache.get(index)
            if pixels is None and index not in self._bad:
                try:
                    pixels = load_image(self.images[index], self.channels, least if self.reduced else None)
                except DataError:
                    # Kept, so that a bad file is decoded once; it is reported whenever it is met.
                    self._bad.add(index)
            if pixels is not None:
                files.used.append(self.images[index])
                return index, pixels
            files.bad.append(self.images[index])
        raise DataError("no image of the list can be decoded", path=self.source)
