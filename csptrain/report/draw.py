"""Detections drawn on their image."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from csptrain.errors import DataError
from csptrain.formats.files import write_atomically
from csptrain.ops.decode import Detections

Pixels = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.intp]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
#: An image smaller than this is enlarged before anything is drawn on it, so that text can be read.
_LEAST_SIDE = 480
_MOST_SIDE = 10 * _LEAST_SIDE  # for a strip
_LETTER = 0.5  # font scale per 600 pixels of the shorter side
_GOLDEN = 0.618034


def confident(detections: Detections, thresh: float) -> tuple[FloatArray, IntArray, FloatArray]:
    """Boxes [M, 4], classes [M] and scores [M] of every probability above ``thresh``, the best last."""
    row, label = confident_rows(detections, thresh)
    return detections.boxes[row], label, detections.prob[row, label]


def confident_rows(detections: Detections, thresh: float) -> tuple[IntArray, IntArray]:
    """Row [M] and class [M] of every probability above ``thresh``, the best last."""
    row, label = np.nonzero(detections.prob > np.float32(thresh))
    order = np.argsort(detections.prob[row, label], kind="stable")
    return row[order], label[order]


def draw_detections(
    image: Pixels,
    boxes: FloatArray,
    labels: Sequence[int] | IntArray,
    scores: FloatArray,
    names: Sequence[str] = (),
    tracks: IntArray | None = None,
) -> Pixels:
    """A copy of ``image`` uint8 [H, W, 3] RGB with a box, class name and score for each detection.

    ``boxes`` [M, 4] are centre and size relative to the image, ``labels`` [M] class numbers, ``scores`` [M] in 0..1.
    ``tracks`` [M] are the objects' numbers in a film. What comes later is drawn above; a class keeps its colour in
    every picture. Small images come back enlarged.
    """
    numbers = [""] * len(labels) if tracks is None else [f" #{number}" for number in tracks]
    words = [
        f"{names[label] if label < len(names) else f'class {label}'}{number} {score:.2f}"
        for label, number, score in zip(labels, numbers, scores, strict=True)
    ]
    return draw_boxes(_enlarged(image), boxes, labels, words)


def draw_boxes(image: Pixels, boxes: FloatArray, labels: Sequence[int] | IntArray, words: Sequence[str]) -> Pixels:
    """A copy of ``image`` with boxes [M, 4] as for `draw_detections`, in the colours of their classes, and words."""
    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    side = min(height, width)
    scale, thick = max(_LETTER * side / 600, 0.4), max(round(side / 300), 1)
    edges = np.concatenate((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), 1)
    edges = np.nan_to_num(np.clip(edges, 0, 1)) * (width - 1, height - 1, width - 1, height - 1)
    corners = [tuple(int(edge) for edge in row) for row in edges.round()]
    colours = [class_colour(int(label)) for label in labels]
    for (left, top, right, bottom), colour in zip(corners, colours, strict=True):
        cv2.rectangle(canvas, (left, top), (right, bottom), colour, thick, cv2.LINE_AA)
    # Labels last: no box may cross out a word.
    for (left, top, _, _), colour, text in zip(corners, colours, words, strict=True):
        _draw_label(canvas, (left, top), text, colour, scale)
    return canvas


def class_colour(label: int) -> tuple[int, int, int]:
    """A strong RGB colour; neighbouring classes are far apart on the wheel."""
    red, green, blue = colorsys.hsv_to_rgb((label * _GOLDEN + 0.02) % 1, 0.85, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def save_png(image: Pixels, path: Path) -> None:
    """Write uint8 [H, W, 3] RGB as a PNG file, atomically; raises DataError."""
    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise DataError("the picture cannot be encoded", path=path)
    write_atomically(path, [data.tobytes()], DataError)


def _enlarged(image: Pixels) -> Pixels:
    rows, columns = image.shape[:2]
    factor = min(-(-_LEAST_SIDE // min(rows, columns)), _MOST_SIDE // max(rows, columns))
    if factor <= 1:
        return image
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), np.uint8)


def _draw_label(
    canvas: Pixels, corner: tuple[int, int], words: str, colour: tuple[int, int, int], scale: float
) -> None:
    """Text on a filled strip above the corner, or inside the image where there is no room above."""
    thick = max(round(2 * scale), 1)
    (width, height), base = cv2.getTextSize(words, _FONT, scale, thick)
    left = max(min(corner[0], canvas.shape[1] - width - 4), 0)
    bottom = max(corner[1], height + base + 2)
    cv2.rectangle(canvas, (left, bottom - height - base - 2), (left + width + 4, bottom), colour, cv2.FILLED)
    bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    ink = (0, 0, 0) if bright else (255, 255, 255)
    cv2.putText(canvas, words, (left + 2, bottom - base), _FONT, scale, ink, thick, cv2.LINE_AA)
