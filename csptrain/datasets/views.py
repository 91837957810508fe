"""What a trained classifier sees of an image: a centre crop, ten crops, or all of it, in Darknet's float32 arithmetic.

Sizes are (width, height); images float32 [C, H, W] in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from csptrain.datasets.image import FloatArray, resize

Views = Callable[[FloatArray, tuple[int, int]], FloatArray]
"""Takes an image and the network's size; gives its views, float32 [V, C, height, width]."""

# ImageNet's custom: the shorter side has 256 pixels where crops have 224.
TEN_CROP_MARGIN = 1 / 7


def resize_shorter(image: FloatArray, side: int) -> FloatArray:
    """The image with its shorter side brought to ``side``, the other in proportion, rounded down."""
    height, width = image.shape[1:]
    if min(width, height) == side:
        return image
    if width < height:
        return resize(image, side, height * side // width)
    return resize(image, width * side // height, side)


def centre_crop(image: FloatArray, net_size: tuple[int, int]) -> FloatArray:
    """One view: the middle of the image, whose shorter side is brought to the network's larger one.

    *Source:* Darknet's ``valid`` and ``predict``. *Differs:* for a network that is not square it takes the width for
    both sides and repeats border pixels where that is too little.
    """
    width, height = net_size
    resized = resize_shorter(image, max(net_size))
    top, left = (resized.shape[1] - height) // 2, (resized.shape[2] - width) // 2
    return resized[None, :, top : top + height, left : left + width]


def ten_crops(image: FloatArray, net_size: tuple[int, int]) -> FloatArray:
    """Ten views: the corners and the middle of the image, a seventh larger than the network, and their mirror images.

    *Differs:* Darknet's ``valid10`` stretches the image to 32 pixels more than the network in both directions and
    takes crops that begin 32 pixels above, at and below its corner, half of which repeat border pixels.
    """
    width, height = net_size
    side = max(net_size)
    resized = resize_shorter(image, side + max(round(side * TEN_CROP_MARGIN), 1))
    down, right = resized.shape[1] - height, resized.shape[2] - width
    places = ((0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2))
    crops = np.stack([resized[:, top : top + height, left : left + width] for top, left in places])
    return np.concatenate((crops, crops[..., ::-1]))


def whole(image: FloatArray, net_size: tuple[int, int]) -> FloatArray:
    """One view: all of the image, its shorter side brought to the network's width."""
    return resize_shorter(image, net_size[0])[None]
