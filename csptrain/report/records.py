"""Detections as text, in Darknet's words: console lines, result.json, label files, VOC lines, COCO records.

Everywhere ``found`` is one image after suppression: boxes x y w h relative to the image, and probabilities
that are 0 where they did not exceed the threshold. ``size`` is (width, height) of the image in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from csptrain.evaluate.pixels import coco_boxes, listed, pixel_edges, plain_edges, voc_edges
from csptrain.ops.decode import Detections


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


def frame(
    frame_id: int, filename: str, found: Detections, names: Sequence[str], tracks: NDArray[np.intp] | None = None
) -> dict[str, object]:
    """One image of Darknet's result.json: every class of every box, coordinates relative to the image.

    ``tracks`` [M] are the numbers of the boxes' objects in a film.
    """
    objects = []
    for row, k in zip(*np.nonzero(found.prob > 0), strict=True):
        x, y, w, h = (round(float(value), 6) for value in found.boxes[row])
        objects.append(
            {
                "class_id": int(k),
                "name": names[k],
                "relative_coordinates": {"center_x": x, "center_y": y, "width": w, "height": h},
                "confidence": round(float(found.prob[row, k]), 6),
                **({} if tracks is None else {"track_id": int(tracks[row])}),
            }
        )
    return {"frame_id": frame_id, "filename": filename, "objects": objects}


def label_lines(found: Detections) -> list[str]:
    """Lines ``class x y w h`` of a label file, each box with its most probable class."""
    rows = np.flatnonzero(found.prob.any(axis=1))
    return [f"{found.prob[row].argmax()} " + " ".join(f"{value:.6f}" for value in found.boxes[row]) for row in rows]


def voc_lines(found: Detections, size: tuple[int, int], image_id: str) -> list[tuple[int, str]]:
    """(class, ``image probability left top right bottom``) in VOC's pixels, which count from 1."""
    every = listed(found, size)
    rows = zip(every.label.tolist(), every.score.tolist(), voc_edges(every.edges, np.array(size)).tolist(), strict=True)
    return [
        (label, f"{image_id} {score:f} {left:f} {top:f} {right:f} {bottom:f}")
        for label, score, (left, top, right, bottom) in rows
    ]


def coco_records(found: Detections, size: tuple[int, int], image_id: int, categories: Sequence[int]) -> list[str]:
    """JSON objects of a COCO results file: ``bbox`` is left, top, width, height in pixels of the image."""
    every = listed(found, size)
    rows = zip(
        every.label.tolist(), every.score.tolist(), coco_boxes(every.edges, np.array(size)).tolist(), strict=True
    )
    return [
        f'{{"image_id":{image_id}, "category_id":{categories[label]}, '
        f'"bbox":[{left:f}, {top:f}, {width:f}, {height:f}], "score":{score:f}}}'
        for label, score, (left, top, width, height) in rows
    ]


def imagenet_lines(found: Detections, size: tuple[int, int], number: int) -> list[str]:
    """``image class probability left top right bottom``; images and classes count from 1, pixels from 0."""
    every = listed(found, size)
    rows = zip(
        every.label.tolist(), every.score.tolist(), plain_edges(every.edges, np.array(size)).tolist(), strict=True
    )
    return [
        f"{number} {label + 1} {score:f} {left:f} {top:f} {right:f} {bottom:f}"
        for label, score, (left, top, right, bottom) in rows
    ]


def _corners_and_sides(found: Detections, size: tuple[int, int]) -> NDArray[np.float64]:
    """Left, top, width and height [M, 4] in pixels."""
    left, top, right, bottom = pixel_edges(found.boxes, size).T
    return np.stack((left, top, right - left, bottom - top), axis=1)
