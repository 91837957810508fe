"""Detections as text, in Darknet's words: console lines, result.json, label files, VOC lines, COCO records.

Everywhere ``found`` is one image after suppression: boxes x y w h relative to the image, and probabilities
that are 0 where they did not exceed the threshold. ``size`` is (width, height) of the image in pixels.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from csptrain.errors import DataError
from csptrain.ops.decode import Detections

_COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_CATEGORIES = tuple(number for number in range(1, 91) if number not in _COCO_GAPS)
"""Category ids of COCO's 80 detection classes: 1 to 90 without those it never published."""

_DIGITS = re.compile(r"\d+")


def console_lines(found: Detections, names: Sequence[str], size: tuple[int, int], coordinates: bool) -> list[str]:
    """One line for each class of each box, boxes from left to right, a box's most probable class first.

    ``coordinates`` adds the box in whole pixels (Darknet's -ext_output).
    """
    lines = []
    pixels = _corners_and_sides(found, size)
    rows = np.flatnonzero(found.prob.any(axis=1))
    for row in rows[np.argsort(pixels[rows, 0], kind="stable")]:
        left, top, width, height = pixels[row]
        where = (
            f"\t(left_x: {left:4.0f}   top_y: {top:4.0f}   width: {width:4.0f}   height: {height:4.0f})"
            if coordinates
            else ""
        )
        prob = found.prob[row]
        best = int(prob.argmax())
        others = [int(k) for k in np.flatnonzero(prob > 0) if k != best]
        lines += [f"{names[k]}: {prob[k] * 100:.0f}%{where}" for k in (best, *others)]
    return lines


def frame(frame_id: int, filename: str, found: Detections, names: Sequence[str]) -> dict[str, object]:
    """One image of Darknet's result.json: every class of every box, coordinates relative to the image."""
    objects = []
    for row, k in zip(*np.nonzero(found.prob > 0), strict=True):
        x, y, w, h = (round(float(value), 6) for value in found.boxes[row])
        objects.append(
            {
                "class_id": int(k),
                "name": names[k],
                "relative_coordinates": {"center_x": x, "center_y": y, "width": w, "height": h},
                "confidence": round(float(found.prob[row, k]), 6),
            }
        )
    return {"frame_id": frame_id, "filename": filename, "objects": objects}


def label_lines(found: Detections) -> list[str]:
    """Lines ``class x y w h`` of a label file, each box with its most probable class."""
    rows = np.flatnonzero(found.prob.any(axis=1))
    return [f"{found.prob[row].argmax()} " + " ".join(f"{value:.6f}" for value in found.boxes[row]) for row in rows]


def voc_lines(found: Detections, size: tuple[int, int], image_id: str) -> list[tuple[int, str]]:
    """(class, ``image probability left top right bottom``) in VOC's pixels, which count from 1."""
    left, top, right, bottom = _edges(found, size)
    edges = np.stack(
        (
            np.maximum(left + 1, 1),
            np.maximum(top + 1, 1),
            np.minimum(right + 1, size[0]),
            np.minimum(bottom + 1, size[1]),
        ),
        axis=1,
    )
    rows, classes = np.nonzero(found.prob > 0)
    return [
        (int(k), f"{image_id} {found.prob[row, k]:f} " + " ".join(f"{edge:f}" for edge in edges[row]))
        for row, k in zip(rows, classes, strict=True)
    ]


def coco_records(found: Detections, size: tuple[int, int], image_id: int, categories: Sequence[int]) -> list[str]:
    """JSON objects of a COCO results file: ``bbox`` is left, top, width, height in pixels of the image."""
    left, top, right, bottom = _edges(found, size)
    left, right = np.clip((left, right), 0, size[0])
    top, bottom = np.clip((top, bottom), 0, size[1])
    boxes = np.stack((left, top, right - left, bottom - top), axis=1)
    rows, classes = np.nonzero(found.prob > 0)
    return [
        json.dumps(
            {
                "image_id": image_id,
                "category_id": categories[int(k)],
                "bbox": [round(value, 6) for value in boxes[row].tolist()],
                "score": round(float(found.prob[row, k]), 6),
            }
        )
        for row, k in zip(rows, classes, strict=True)
    ]


def coco_categories(classes: int) -> tuple[int, ...]:
    """Category id of each class: COCO's own for its 80 classes, else 1, 2, 3 ..."""
    return COCO_CATEGORIES if classes == len(COCO_CATEGORIES) else tuple(range(1, classes + 1))


def coco_image_id(image: str | os.PathLike[str]) -> int:
    """The number in a file name: 42 of ``COCO_val2014_000000000042.jpg``; raises DataError without one."""
    numbers = _DIGITS.findall(Path(image).stem)
    if not numbers:
        raise DataError(
            "has no number in its name, which COCO results need as image_id",
            path=image,
            hint="leave eval=coco out of the data file for VOC's format",
        )
    return int(numbers[-1])


def _edges(found: Detections, size: tuple[int, int]) -> NDArray[np.float64]:
    """Left, top, right and bottom [4, M] in pixels."""
    box = found.boxes * np.asarray((*size, *size), np.float32)
    centre, half = box[:, :2].astype(np.float64), box[:, 2:].astype(np.float64) / 2
    return np.concatenate((centre - half, centre + half), axis=1).T


def _corners_and_sides(found: Detections, size: tuple[int, int]) -> NDArray[np.float64]:
    """Left, top, width and height [M, 4] in pixels."""
    left, top, right, bottom = _edges(found, size)
    return np.stack((left, top, right - left, bottom - top), axis=1)
