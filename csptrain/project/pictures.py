"""Pictures decoded once: their size, which of them are the same, and which cannot be used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from csptrain.datasets.image import load_image
from csptrain.errors import DataError

MOST_WORKERS = 16


class Picture(NamedTuple):
    """``size`` is width and height, ``digest`` that of the pixels; ``error`` is set where it cannot be decoded."""

    path: str
    size: tuple[int, int] = (0, 0)
    digest: bytes = b""
    error: DataError | None = None


def look_at(images: Sequence[str]) -> list[Picture]:
    """Every picture as training will read it."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_WORKERS)) as workers:
        return list(workers.map(_look, images))


def _look(path: str) -> Picture:
    try:
        pixels = load_image(path)
    except DataError as error:
        return Picture(path, error=error)
    height, width = pixels.shape[:2]
    shape = np.array((height, width), np.int64).tobytes()
    return Picture(path, (width, height), blake2b(pixels.data, digest_size=16, salt=shape).digest())
