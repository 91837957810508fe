"""What a model finds on a picture, as plain values."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from csptrain.datasets.image import load_image
from csptrain.errors import DataError
from csptrain.formats.files import write_atomically
from csptrain.report.draw import draw_detections

Pixels = npt.NDArray[np.uint8]
_QUALITY = 95


class Found(NamedTuple):
    """One object: class name and number, probability in 0..1, and ``box`` left, top, right, bottom in pixels.

    A box may reach out of the picture, as the network sees it.
    """

    name: str
    label: int
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Prediction:
    """The objects of one picture, the most probable first.

    ``path`` is the picture's file, None for pixels that were given; ``size`` its width and height in pixels.
    """

    path: str | None
    size: tuple[int, int]
    objects: tuple[Found, ...]
    given: Pixels | None = field(default=None, repr=False, compare=False)

    @property
    def pixels(self) -> Pixels:
        """The picture uint8 [H, W, 3] RGB: as it was given, else read from its file again; raises DataError."""
        if self.given is not None:
            return self.given
        assert self.path is not None
        return load_image(self.path)

    def draw(self) -> Pixels:
        """The picture with a box, name and score for each object, uint8 [H, W, 3] RGB; small ones come enlarged."""
        edges = np.array([one.box for one in reversed(self.objects)], np.float32).reshape(-1, 4)
        centres, sides = (edges[:, :2] + edges[:, 2:]) / 2, edges[:, 2:] - edges[:, :2]
        boxes = np.asarray(np.concatenate((centres, sides), axis=1) / np.array(self.size * 2), np.float32)
        labels = [one.label for one in reversed(self.objects)]
        names = {one.label: one.name for one in self.objects}
        listed = [names.get(label, "") for label in range(max(names, default=-1) + 1)]
        scores = np.array([one.score for one in reversed(self.objects)], np.float32)
        return draw_detections(self.pixels, boxes, labels, scores, listed)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `draw` to a file of the kind that its suffix says (.jpg, .png ...); raises DataError."""
        import cv2

        target = Path(path)
        settings = (cv2.IMWRITE_JPEG_QUALITY, _QUALITY) if target.suffix.lower() in (".jpg", ".jpeg") else ()
        try:
            done, data = cv2.imencode(target.suffix, cv2.cvtColor(self.draw(), cv2.COLOR_RGB2BGR), settings)
        except cv2.error:
            done = False
        if not done:
            raise DataError(f"'{target.suffix}' is no kind of picture", path=target, hint="legal: .jpg, .png")
        write_atomically(target, [data.tobytes()], DataError)
