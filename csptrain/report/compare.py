"""One image, two runtimes: a picture of what both found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from csptrain.ops.decode import Detections
from csptrain.report.draw import Pixels, confident, draw_detections, save_png

_GAP = 8


def compare_detections(
    image: Pixels,
    ours: Detections,
    theirs: Detections,
    names: Sequence[str] = (),
    thresh: float = 0.25,
    path: Path | None = None,
    titles: tuple[str, str] = ("csptrain", "OpenCV"),
) -> Pixels:
    """``image`` uint8 [H, W, 3] RGB twice side by side, csptrain's detections left and OpenCV's right.

    Boxes are relative to the image. Saved as a PNG file, atomically, when ``path`` is given; raises DataError.
    """
    halves = [
        _titled(draw_detections(image, *confident(side, thresh), names), title)
        for side, title in zip((ours, theirs), titles, strict=True)
    ]
    gap = np.full((halves[0].shape[0], _GAP, 3), 255, np.uint8)
    picture = np.concatenate((halves[0], gap, halves[1]), 1)
    if path is not None:
        save_png(picture, path)
    return picture


def _titled(image: Pixels, title: str) -> Pixels:
    """The image below a white strip with a title."""
    scale = max(min(image.shape[:2]) / 900, 0.6)
    (_, height), base = cv2.getTextSize(title, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    strip = np.full((height + base + 10, image.shape[1], 3), 255, np.uint8)
    cv2.putText(strip, title, (6, height + 5), cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate((strip, image))
