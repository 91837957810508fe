"""LabelMe's annotations: one json an image, with rectangles, polygons and circles."""

from __future__ import annotations

import json
from math import dist, isfinite
from pathlib import Path
from typing import Any

from csptrain.datasets.image import load_image
from csptrain.datasets.marked import Edges, Mark, MarkedImage, Point, around
from csptrain.errors import DataError

#: Kinds of shape that enclose something -> points that they need.
_ENCLOSING = {"rectangle": 2, "polygon": 3, "circle": 2, "mask": 2}


def read_labelme(path: Path, image: str) -> MarkedImage:
    """The shapes of one file as boxes around them; points and lines are passed over.

    Args:
        image: the picture, asked for its size where the file does not say it.

    Raises:
        DataError: an unreadable file, or a shape without label or points.
    """
    top = _load(path)
    shapes = top.get("shapes")
    if not isinstance(shapes, list):
        raise DataError("has no list of shapes, so it is no LabelMe file", path=path)
    marks, passed_over = [], []
    for number, shape in enumerate(shapes, 1):
        kind, name, points = _shape(shape, number, path)
        if kind not in _ENCLOSING:
            passed_over.append(f"shape {number} '{name}' is a {kind}, not a box: left out")
        elif len(points) < _ENCLOSING[kind]:
            raise DataError(f"shape {number} '{name}': {len(points)} points are no {kind}", path=path)
        else:
            marks.append(Mark(name, _edges(kind, points)))
    return MarkedImage(path, _size(top, image), tuple(marks), tuple(passed_over))


def _load(path: Path) -> dict[str, Any]:
    try:
        top = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from None
    except json.JSONDecodeError as error:
        raise DataError(f"is not valid JSON: {error.msg}", path=path, line=error.lineno) from None
    except (UnicodeDecodeError, RecursionError):
        raise DataError("is no JSON text", path=path) from None
    if not isinstance(top, dict):
        raise DataError("is no LabelMe file", path=path)
    return top


def _shape(shape: object, number: int, path: Path) -> tuple[str, str, list[Point]]:
    """Kind, label and points of a shape."""
    found = shape if isinstance(shape, dict) else {}
    name, listed = found.get("label"), found.get("points")
    if not isinstance(name, str) or not isinstance(listed, list):
        raise DataError(f"shape {number} has no label or no points", path=path)
    points = []
    for point in listed:
        pair = point if isinstance(point, list) and len(point) == 2 else ()
        if not pair or not all(isinstance(value, (int, float)) and isfinite(value) for value in pair):
            raise DataError(f"shape {number} '{name}': {point!s:.40} is no point", path=path)
        points.append((float(pair[0]), float(pair[1])))
    # The first versions knew polygons alone and did not say so.
    return str(found.get("shape_type") or "polygon"), name, points


def _edges(kind: str, points: list[Point]) -> Edges:
    if kind != "circle":
        return around(points)
    (x, y), rim = points[:2]
    radius = dist((x, y), rim)
    return x - radius, y - radius, x + radius, y + radius


def _size(top: dict[str, Any], image: str) -> tuple[int, int]:
    width, height = top.get("imageWidth"), top.get("imageHeight")
    if isinstance(width, int) and isinstance(height, int) and min(width, height) > 0:
        return width, height
    rows, columns, _ = load_image(image).shape
    return columns, rows
