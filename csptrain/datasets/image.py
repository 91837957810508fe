"""Reading images, and Darknet's own resize and letterbox in float32.

Source: Darknet behaviour without OpenCV, which is what its figures and the golden cases are computed with.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from csptrain.datasets.image_header import declared_size
from csptrain.datasets.shards import read_bytes
from csptrain.errors import DataError
from csptrain.ops.decode import letterbox_size

Pixels = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

# What decoding may need is bounded before it begins: three bytes a pixel, and the file beside it.
MAX_PIXELS = 200_000_000
MAX_BYTES = 1 << 29

_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"

# Decoders since OpenCV 4.11 give RGB themselves.
_GIVES_RGB = hasattr(cv2, "IMREAD_COLOR_RGB")
_FULL = cv2.IMREAD_COLOR_RGB if _GIVES_RGB else cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE
# Divisor of a JPEG's sides -> how OpenCV is asked for it, in colour and in grey.
_REDUCED = {
    8: (cv2.IMREAD_REDUCED_COLOR_8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    4: (cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    2: (cv2.IMREAD_REDUCED_COLOR_2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
}


def load_image(path: str | os.PathLike[str], channels: int = 3, least: tuple[float, float] | None = None) -> Pixels:
    """Decode an image file to uint8 [H, W, channels], RGB (3) or grey (1).

    Grey is replicated, alpha dropped, 16 bits become 8, and the EXIF orientation is ignored, as Darknet does. Of an
    animation the first picture is taken.

    Args:
        path: the file, by itself or in a shard.
        channels: 3 or 1.
        least: width and height that suffice: a JPEG is then decoded at 1/2, 1/4 or 1/8 of its size if it keeps them.

    Raises:
        DataError: a file that cannot be read or decoded, a JPEG that ends early, or an image of more than `MAX_PIXELS`.
    """
    if channels not in (1, 3):
        raise DataError(f"images have 1 or 3 channels, not {channels}", path=path)
    raw = read_bytes(path, MAX_BYTES)
    size = declared_size(raw)
    if size is not None and size[0] * size[1] > MAX_PIXELS:
        raise DataError(f"the image declares {size[0]}x{size[1]} pixels, more than {MAX_PIXELS}", path=path)
    if _ends_early(raw):
        raise DataError("the JPEG image is cut off", path=path)
    kinds = _kinds(size, least) if least and size and raw.startswith(_JPEG_START) else _FULL
    kind = kinds[0 if channels == 3 else 1]
    try:
        pixels = cv2.imdecode(np.frombuffer(raw, np.uint8), kind | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:  # an empty file, or sizes beyond OpenCV's limits
        pixels = None
    if pixels is None:
        raise DataError("is not an image that can be decoded", path=path)
    if channels == 1:
        return np.asarray(pixels[:, :, None], np.uint8)
    if _GIVES_RGB and kinds is _FULL:
        return np.asarray(pixels, np.uint8)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels), np.uint8)


def _kinds(size: tuple[int, int], least: tuple[float, float]) -> tuple[int, int]:
    """How to ask for the smallest decoding that is still ``least``."""
    for divisor, kinds in _REDUCED.items():
        if size[0] >= divisor * least[0] and size[1] >= divisor * least[1]:
            return kinds
    return _FULL


def _ends_early(raw: bytes) -> bool:
    """Whether a JPEG lacks its end; the decoder would fill the missing part with grey and say nothing."""
    if not raw.startswith(_JPEG_START) or raw.endswith(_JPEG_END):
        return False
    # Other data may follow the end, and a thumbnail has an end of its own, but before the image's last scan.
    return raw.rfind(_JPEG_END) <= raw.rfind(_JPEG_SCAN)


def to_planes(pixels: Pixels) -> FloatArray:
    """uint8 [H, W, C] to float32 [C, H, W] in 0..1."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32) * np.float32(1 / 255)


class _Taps(NamedTuple):
    """Two source indices and their weights for every output position along one axis."""

    low: npt.NDArray[np.intp]
    high: npt.NDArray[np.intp]
    low_weight: FloatArray
    high_weight: FloatArray


def _taps(source: int, target: int) -> _Taps:
    """Corner-aligned: output p lies at p * (source - 1) / (target - 1), in float32 as Darknet computes it."""
    scale = np.float32(source - 1) / np.float32(max(target - 1, 1))
    at = np.arange(target, dtype=np.float32) * scale
    low = at.astype(np.intp)
    part = at - low.astype(np.float32)
    return _Taps(low, np.minimum(low + 1, source - 1), np.float32(1) - part, part)


def resize(image: FloatArray, width: int, height: int) -> FloatArray:
    """Separable bilinear resize without antialiasing, float32 [C, H, W] to float32 [C, height, width].

    *Source:* Darknet copies the last column but computes the last row without its lower neighbour, so
    rounding of the row's position can leave that row black. Networks were tested with it, so it stays.
    """
    channels, rows, columns = image.shape
    down = _taps(rows, height)
    down.high_weight[-1] = 0
    if rows == 1:
        down.high_weight[:] = 0
    across = _taps(columns, width)
    across.low[-1] = across.high[-1] = columns - 1
    across.low_weight[-1], across.high_weight[-1] = 1, 0
    # Rows first: picking whole rows is cheap, and the order changes rounding only.
    upright = image[:, down.low] * down.low_weight[:, None]
    upright += image[:, down.high] * down.high_weight[:, None]
    flat = upright.reshape(channels * height, columns)
    result = flat.take(across.low, 1) * across.low_weight
    result += flat.take(across.high, 1) * across.high_weight
    return np.asarray(result.reshape(channels, height, width), np.float32)


def letterbox(image: FloatArray, width: int, height: int) -> FloatArray:
    """Resize keeping the aspect and centre on 0.5 grey, float32 [C, H, W] to float32 [C, height, width]."""
    channels, rows, columns = image.shape
    inner_width, inner_height = letterbox_size(columns, rows, width, height)
    boxed = np.full((channels, height, width), 0.5, np.float32)
    if inner_width and inner_height:
        left, top = (width - inner_width) // 2, (height - inner_height) // 2
        inner = resize(image, inner_width, inner_height)
        boxed[:, top : top + inner_height, left : left + inner_width] = inner
    return boxed
