"""Training samples of a detector as a pure function of seed, iteration and place in the batch.

Whoever asks for sample (iteration, slot) gets the same pixels and boxes, in any process and any order; so a
resumed run continues bit for bit, and the number of workers changes nothing.
"""

from __future__ import annotations

import numpy as np

from csptrain.datasets.augment import Augmentation, apply, draw
from csptrain.datasets.image import FloatArray, Pixels
from csptrain.datasets.lists import Samples
from csptrain.datasets.mixing import Mix, blend, choose, sample_centre
from csptrain.datasets.mosaic import Part, compose, place_part
from csptrain.datasets.stream import Feed, Files, ImageStream, Sample


class DetectionDataset:
    """Draws augmented samples from a list, in the order of its `ImageStream`."""

    def __init__(self, samples: Samples, settings: Augmentation, feed: Feed) -> None:
        if settings.mix not in (Mix.NONE, Mix.MIXUP, Mix.MOSAIC):
            raise ValueError(f"{settings.mix!r} cuts objects apart: it is for classifiers")
        self.samples = samples
        self.settings = settings
        self.batch = feed.batch
        self.channels = feed.channels
        self.stream = ImageStream(samples.images, samples.source, feed)

    def sample(self, iteration: int, slot: int, net_size: tuple[int, int]) -> Sample:
        """The augmented sample for a net of ``net_size`` (width, height).

        An image that cannot be decoded is replaced by the next of the list that can, and named in ``bad``.

        Raises:
            DataError: no image of the list can be decoded.
        """
        rng = self.stream.generator(iteration, slot)
        files = Files()
        first = self.stream.index_at(iteration, slot)
        mix = choose(rng, self.settings.mix, self.settings.mix_share)
        if mix is Mix.MOSAIC:
            pixels, truth = self._mosaic(first, rng, net_size, files)
        elif mix is Mix.MIXUP:
            pixels, truth = self._mixup(first, rng, net_size, files)
        else:
            pixels, truth = self._single(first, rng, net_size, files)
        # Darknet shuffles too: of several objects in one cell the last one wins, and beyond max they are left out.
        order = rng.permutation(len(truth))[: self.settings.max_truths]
        return Sample(pixels, truth[order], tuple(files.bad), tuple(files.used))

    def _single(
        self, index: int, rng: np.random.Generator, net_size: tuple[int, int], files: Files
    ) -> tuple[Pixels, FloatArray]:
        part = self._part(index, rng, net_size, files)
        return apply(part.pixels, part.truth, net_size, part.drawn, self.settings.fill)

    def _mixup(
        self, first: int, rng: np.random.Generator, net_size: tuple[int, int], files: Files
    ) -> tuple[Pixels, FloatArray]:
        """Two augmented images half and half, with the boxes of both."""
        indices = [first, int(rng.integers(len(self.samples)))]
        (one, one_truth), (other, other_truth) = (self._single(index, rng, net_size, files) for index in indices)
        return blend(one, other).pixels, np.concatenate((one_truth, other_truth))

    def _mosaic(
        self, first: int, rng: np.random.Generator, net_size: tuple[int, int], files: Files
    ) -> tuple[Pixels, FloatArray]:
        centre = sample_centre(rng, net_size)
        indices = [first, *rng.integers(len(self.samples), size=Mix.MOSAIC.images - 1).tolist()]
        parts = [
            place_part(rng, self._part(index, rng, net_size, files), number) for number, index in enumerate(indices)
        ]
        return compose(parts, net_size, centre, self.settings.fill, self.settings.mosaic_bound)

    def _part(self, index: int, rng: np.random.Generator, net_size: tuple[int, int], files: Files) -> Part:
        index, pixels = self.stream.load(index, files, self.settings.least(net_size))
        size = pixels.shape[1], pixels.shape[0]
        return Part(pixels, self.samples.truth(index), draw(rng, size, net_size, self.settings))
