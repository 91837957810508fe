"""Decoded images of a small set, held in memory that forked workers share."""

from __future__ import annotations

import mmap
from collections.abc import Sequence

import numpy as np

from csptrain.datasets.image import Pixels, load_image
from csptrain.errors import DataError


class ImageCache:
    """All images of a list, decoded once, or nothing when they exceed the limit.

    The memory is an anonymous mapping: workers made by fork see the same pages. A copy sent to another
    process in any other way is empty, and its images are then decoded from their files.
    """

    def __init__(self, images: Sequence[str], channels: int = 3, limit: int = 0) -> None:
        """Decode ``images`` into memory when they need at most ``limit`` bytes; 0 holds nothing."""
        self._pixels: dict[int, Pixels] = {}
        if limit > 0:
            self._fill(images, channels, limit)

    def get(self, index: int) -> Pixels | None:
        """The image, uint8 [H, W, C] read-only, or None when it is not held."""
        return self._pixels.get(index)

    def __len__(self) -> int:
        return len(self._pixels)

    def __getstate__(self) -> dict[str, object]:
        return {"_pixels": {}}

    def _fill(self, images: Sequence[str], channels: int, limit: int) -> None:
        # Reserved, not used: the system gives pages as they are written.
        memory = np.frombuffer(mmap.mmap(-1, limit), np.uint8)
        used = 0
        for index, path in enumerate(images):
            try:
                pixels = load_image(path, channels)
            except DataError:
                continue  # whoever asks for it meets the error with its file
            if used + pixels.size > limit:
                self._pixels.clear()
                return
            place = memory[used : used + pixels.size].reshape(pixels.shape)
            place[...] = pixels
            place.flags.writeable = False
            self._pixels[index] = place
            used += pixels.size
