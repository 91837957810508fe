"""Detector augmentation of one image: parameters are drawn first, then applied, both without hidden state.

Source: Darknet's order: crop, resize to the network, flip, colour, blur, noise. Several images in one are the
matter of `mixing` and `mosaic`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from csptrain.datasets.colour import Distortion, distort_pixels, distort_planes, sample_distortion
from csptrain.datasets.degrade import SHARP, Degradation, degrade, sample_degradation
from csptrain.datasets.geometry import Crop, Fill, crop_pixels, crop_truth, mean_colour, sample_crop
from csptrain.datasets.image import FloatArray, Pixels, resize
from csptrain.datasets.mixing import MIX_SHARE, Mix

_LONGEST_WARPED = 32_000  # OpenCV's warpAffine takes no image with a side of 2**15 pixels or more


@dataclass(frozen=True)
class Augmentation:
    """What may be drawn; the defaults change nothing. Names and meaning are the cfg's.

    ``jitter`` and ``resize`` are keys of the head, the others of [net]. ``fill`` is what a crop shows outside
    the image: Darknet's OpenCV build, which trained the published weights, takes the mean colour, its plain
    build repeats the border. ``mix_share`` of the samples are made of several images when ``mix`` asks for it;
    ``mosaic_bound`` cuts the boxes of a mosaic where its tiles end. ``max_truths`` is the head's ``max``: further
    boxes of an image are left out, whichever the dice say.
    """

    jitter: float = 0.0
    resize: float = 1.0
    flip: bool = False
    hue: float = 0.0
    saturation: float = 1.0
    exposure: float = 1.0
    letter_box: bool = False
    mix: Mix = Mix.NONE
    mix_share: float = MIX_SHARE
    mosaic_bound: bool = False
    blur: int = 0
    gaussian_noise: int = 0
    fill: Fill = "mean"
    max_truths: int = 200

    def least(self, net_size: tuple[int, int]) -> tuple[float, float] | None:
        """Sides of an image whose smallest crop still fills a net of ``net_size``; None where no size is enough."""
        share = 1 - 2 * self.jitter - max(1 - 1 / self.resize, 0.0)
        return (net_size[0] / share, net_size[1] / share) if share > 0 else None


@dataclass(frozen=True)
class Draw:
    """The drawn parameters of one image."""

    crop: Crop
    distortion: Distortion
    degradation: Degradation = SHARP


def draw(rng: np.random.Generator, size: tuple[int, int], net_size: tuple[int, int], settings: Augmentation) -> Draw:
    """Draw the parameters for an image of ``size`` (width, height) going into a net of ``net_size``.

    Blur and noise have a random stream of their own: whether they are on shifts no other draw.
    """
    crop = sample_crop(
        rng,
        size,
        net_size,
        jitter=settings.jitter,
        resize=settings.resize,
        flip=settings.flip,
        letter_box=settings.letter_box,
    )
    distortion = sample_distortion(rng, settings.hue, settings.saturation, settings.exposure)
    if not settings.blur and not settings.gaussian_noise:
        return Draw(crop, distortion)
    return Draw(crop, distortion, sample_degradation(rng.spawn(1)[0], settings.blur, settings.gaussian_noise))


def apply_crop(image: Pixels, net_size: tuple[int, int], crop: Crop, fill: Fill) -> Pixels:
    """Crop, resize and flip uint8 [H, W, C] to uint8 [net height, net width, C]."""
    channels = image.shape[2]
    sized = cv2.resize(crop_pixels(image, crop, fill), net_size, interpolation=cv2.INTER_LINEAR)
    if crop.flip:
        sized = cv2.flip(sized, 1)
    return np.asarray(sized, np.uint8).reshape(net_size[1], net_size[0], channels)


def apply_crop_in(
    image: Pixels, net_size: tuple[int, int], crop: Crop, fill: Fill, shown: tuple[slice, slice]
) -> Pixels:
    """The ``shown`` rows and columns of what `apply_crop` gives, without making the others: uint8 [rows, columns, C].

    Equal to it but for rounding: places between two pixels of the image are told to 1/32.
    """
    if max(image.shape[:2]) > _LONGEST_WARPED:
        return apply_crop(image, net_size, crop, fill)[shown]
    rows, columns = shown
    width, height = columns.stop - columns.start, rows.stop - rows.start
    across, down = crop.width / net_size[0], crop.height / net_size[1]
    left = crop.left + across * (net_size[0] - columns.stop if crop.flip else columns.start)
    top = crop.top + down * rows.start
    right, bottom = left + across * width, top + down * height
    # From a pixel of the result to the image; centres of pixels lie at halves.
    step, x = (-across, right - across / 2 - 0.5) if crop.flip else (across, left + across / 2 - 0.5)
    matrix = np.array([[step, 0, x], [0, down, top + down / 2 - 0.5]])
    outside = min(left, top) < 0 or right > image.shape[1] or bottom > image.shape[0]
    constant = outside and fill == "mean"
    warped = cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT if constant else cv2.BORDER_REPLICATE,
        borderValue=mean_colour(image) if constant else (0.0,),
    )
    return np.asarray(warped, np.uint8).reshape(height, width, image.shape[2])


def apply(
    image: Pixels, truth: FloatArray, net_size: tuple[int, int], drawn: Draw, fill: Fill
) -> tuple[Pixels, FloatArray]:
    """Augment uint8 [H, W, C] and its boxes [n, 5] to uint8 [net height, net width, C] and [m, 5]."""
    size = image.shape[1], image.shape[0]
    pixels = distort_pixels(apply_crop(image, net_size, drawn.crop, fill), drawn.distortion)
    seen = crop_truth(truth, size, net_size, drawn.crop)
    return degrade(pixels, seen, drawn.degradation), seen


def apply_exact(image: Pixels, net_size: tuple[int, int], drawn: Draw) -> FloatArray:
    """The image of `apply` in Darknet's own float32 arithmetic: float32 [C, net height, net width].

    Without blur and noise, which that arithmetic does not have. Slow; the figures that the fast path is compared with.
    """
    cropped = crop_pixels(image, drawn.crop, "replicate")
    planes = cropped.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    sized = resize(planes, *net_size)
    if drawn.crop.flip:
        sized = sized[:, :, ::-1]
    return distort_planes(sized, drawn.distortion)
