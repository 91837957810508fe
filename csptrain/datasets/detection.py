"""Training samples of a detector as a pure function of seed, iteration and place in the batch.

Whoever asks for sample (iteration, slot) gets the same pixels and boxes, in any process and any order; so a
resumed run continues bit for bit, and the number of workers changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csptrain.datasets.augment import Augmentation, apply, draw
from csptrain.datasets.cache import ImageCache
from csptrain.datasets.image import FloatArray, Pixels, load_image
from csptrain.datasets.lists import Samples
from csptrain.datasets.mosaic import PARTS, Part, compose, sample_centre
from csptrain.errors import DataError


@dataclass(frozen=True)
class Sample:
    """uint8 [H, W, C] pixels, float32 [n, 5] boxes (x y w h class), and the files passed over."""

    pixels: Pixels
    truth: FloatArray
    bad: tuple[str, ...] = ()


class DetectionDataset:
    """Draws augmented samples from a list.

    Every epoch (one pass over the list) has its own order, so that each image is used once an epoch.
    *Differs:* Darknet draws every image independently, which leaves a third of them out of any one epoch.
    """

    def __init__(
        self,
        samples: Samples,
        settings: Augmentation,
        *,
        batch: int,
        seed: int = 0,
        channels: int = 3,
        cache_bytes: int = 0,
    ) -> None:
        """Take ``batch`` samples an iteration; hold decoded images in memory up to ``cache_bytes``."""
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}")
        self.samples = samples
        self.settings = settings
        self.batch = batch
        self.seed = seed
        self.channels = channels
        self._cache = ImageCache(samples.images, channels, cache_bytes)
        self._bad: set[int] = set()
        self._order: tuple[int, npt.NDArray[np.int64]] | None = None

    def index_at(self, iteration: int, slot: int) -> int:
        """Which image of the list sample ``slot`` of ``iteration`` (from 1) is."""
        epoch, place = divmod((iteration - 1) * self.batch + slot, len(self.samples))
        if self._order is None or self._order[0] != epoch:
            # Iteration 0 does not exist, so this stream is no sample's.
            order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.samples))
            self._order = epoch, order
        return int(self._order[1][place])

    def sample(self, iteration: int, slot: int, net_size: tuple[int, int]) -> Sample:
        """The augmented sample for a net of ``net_size`` (width, height).

        An image that cannot be decoded is replaced by the next of the list that can, and named in ``bad``.

        Raises:
            DataError: no image of the list can be decoded.
        """
        rng = np.random.default_rng([self.seed, iteration, slot])
        bad: list[str] = []
        settings = self.settings
        first = self.index_at(iteration, slot)
        if settings.mosaic and rng.random() < settings.mosaic_share:
            centre = sample_centre(rng, net_size)
            indices = [first, *rng.integers(len(self.samples), size=PARTS - 1).tolist()]
            parts = [self._part(index, rng, net_size, bad) for index in indices]
            pixels, truth = compose(parts, net_size, centre, settings.fill)
        else:
            part = self._part(first, rng, net_size, bad)
            pixels, truth = apply(part.pixels, part.truth, net_size, part.drawn, settings.fill)
        return Sample(pixels, truth[: settings.max_truths], tuple(bad))

    def _part(self, index: int, rng: np.random.Generator, net_size: tuple[int, int], bad: list[str]) -> Part:
        index, pixels = self._load(index, bad)
        size = pixels.shape[1], pixels.shape[0]
        return Part(pixels, self.samples.truth(index), draw(rng, size, net_size, self.settings))

    def _load(self, index: int, bad: list[str]) -> tuple[int, Pixels]:
        count = len(self.samples)
        for index in ((index + step) % count for step in range(count)):
            held = self._cache.get(index)
            if held is not None:
                return index, held
            if index not in self._bad:
                try:
                    return index, load_image(self.samples.images[index], self.channels)
                except DataError:
                    # Kept, so that a bad file is decoded once; it is reported whenever it is met.
                    self._bad.add(index)
            bad.append(self.samples.images[index])
        raise DataError("no image of the list can be decoded", path=self.samples.source)
