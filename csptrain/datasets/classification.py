"""Training samples of a classifier as a pure function of seed, iteration and place in the batch.

Source: Darknet's order: a turned and stretched crop, flip, colour, the network's size, then several images in one, and
blur last.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from csptrain.datasets.class_list import ClassList
from csptrain.datasets.colour import distort_pixels, sample_distortion
from csptrain.datasets.degrade import blur
from csptrain.datasets.image import FloatArray, Pixels
from csptrain.datasets.mixing import (
    MIX_SHARE,
    Mix,
    Mixed,
    blend,
    choose,
    mix_labels,
    paste,
    sample_centre,
    sample_patch,
    tile,
)
from csptrain.datasets.rotated_crop import sample_rotated_crop, take
from csptrain.datasets.stream import Feed, Files, ImageStream, Sample

BLUR_SHARE = 0.25
_DEFAULT_KERNEL = 15  # of blur=1


@dataclass(frozen=True)
class ClassAugmentation:
    """What may be drawn; names and meaning are those of [net].

    ``crops`` is (min_crop, max_crop). ``mix_share`` of the samples are made of several images when ``mix`` asks for
    it, a quarter is blurred by a kernel of ``blur`` pixels (1: 15 pixels). ``label_smooth_eps`` is what the other
    classes share of a target.
    """

    crops: tuple[int, int]
    angle: float = 0.0
    aspect: float = 1.0
    flip: bool = False
    hue: float = 0.0
    saturation: float = 1.0
    exposure: float = 1.0
    mix: Mix = Mix.NONE
    mix_share: float = MIX_SHARE
    blur: int = 0
    label_smooth_eps: float = 0.0


class ClassificationDataset:
    """Draws augmented samples from a list, in the order of its `ImageStream`."""

    def __init__(self, listed: ClassList, classes: int, settings: ClassAugmentation, feed: Feed) -> None:
        self.listed = listed
        self.settings = settings
        self.batch = feed.batch
        self.channels = feed.channels
        self.classes = classes
        self.stream = ImageStream(listed.images, listed.source, feed)

    def sample(self, iteration: int, slot: int, net_size: tuple[int, int]) -> Sample:
        """The augmented sample for a net of ``net_size`` (width, height), its truth a target [classes].

        An image that cannot be decoded is replaced by the next of the list that can, and named in ``bad``.

        Raises:
            DataError: no image of the list can be decoded.
        """
        rng = self.stream.generator(iteration, slot)
        settings = self.settings
        files = Files()
        mix = choose(rng, settings.mix, settings.mix_share)
        others = rng.integers(len(self.stream), size=mix.images - 1).tolist()
        pixels: list[Pixels] = []
        targets: list[FloatArray] = []
        for index in (self.stream.index_at(iteration, slot), *others):
            index, image = self.stream.load(index, files)
            pixels.append(_augment(rng, image, net_size, settings))
            targets.append(smooth_target(int(self.listed.classes[index]), self.classes, settings.label_smooth_eps))
        mixed = _combine(rng, pixels, mix, net_size)
        image = mixed.pixels
        if settings.blur and rng.random() < BLUR_SHARE:
            image = blur(image, _DEFAULT_KERNEL if settings.blur == 1 else settings.blur)
        return Sample(image, mix_labels(np.stack(targets), mixed.shares), tuple(files.bad), tuple(files.used))


def smooth_target(label: int, classes: int, eps: float) -> FloatArray:
    """The target of a class, float32 [classes]: 1 - eps for itself, eps shared by the others."""
    target = np.full(classes, eps / max(classes - 1, 1), np.float32)
    target[label] = 1 - eps
    return target


def _augment(rng: np.random.Generator, image: Pixels, net_size: tuple[int, int], settings: ClassAugmentation) -> Pixels:
    """uint8 [H, W, C] to uint8 [net height, net width, C]."""
    side = max(net_size)
    crop = sample_rotated_crop(
        rng,
        (image.shape[1], image.shape[0]),
        side,
        crops=settings.crops,
        angle=settings.angle,
        aspect=settings.aspect,
        flip=settings.flip,
    )
    colours = sample_distortion(rng, settings.hue, settings.saturation, settings.exposure)
    pixels = distort_pixels(take(image, crop, (side, side)), colours)
    if net_size == (side, side):
        return pixels
    sized = cv2.resize(pixels, net_size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(sized, np.uint8).reshape(net_size[1], net_size[0], image.shape[2])


def _combine(rng: np.random.Generator, pixels: list[Pixels], mix: Mix, net_size: tuple[int, int]) -> Mixed:
    if mix is Mix.MIXUP:
        return blend(pixels[0], pixels[1])
    if mix is Mix.CUTMIX:
        return paste(pixels[0], pixels[1], sample_patch(rng, net_size))
    if mix is Mix.MOSAIC:
        return tile(pixels, sample_centre(rng, net_size))
    return Mixed(pixels[0], np.ones(1, np.float32))
