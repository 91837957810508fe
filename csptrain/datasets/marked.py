"""Images as annotation tools mark them, boxes with class names in pixels, and their way to rows of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from csptrain.datasets.lists import Finding, Samples
from csptrain.datasets.objects import Objects
from csptrain.errors import DataError

Point = tuple[float, float]
Edges = tuple[float, float, float, float]


class Mark(NamedTuple):
    """One object: class name; left, top, right and bottom in pixels from the image's corner; line in its file."""

    name: str
    edges: Edges
    line: int | None = None


@dataclass(frozen=True)
class MarkedImage:
    """What an annotation file says of one image of ``size`` (width, height); ``passed_over``: marks that are no box."""

    file: Path
    size: tuple[int, int]
    marks: tuple[Mark, ...]
    passed_over: tuple[str, ...] = ()

    @property
    def names(self) -> set[str]:
        """The classes of its marks."""
        return {mark.name for mark in self.marks}


def around(points: Sequence[Point]) -> Edges:
    """The edges of the smallest upright box around one point or more."""
    across, down = zip(*points, strict=True)
    return min(across), min(down), max(across), max(down)


def names_of(marked: Iterable[MarkedImage]) -> tuple[str, ...]:
    """The classes of all marks, in the order of their letters."""
    return tuple(sorted(set[str]().union(*(image.names for image in marked))))


def marked_samples(source: Path, images: Sequence[str], marked: Sequence[MarkedImage], names: Sequence[str]) -> Samples:
    """Images with their marks as rows; what has no area in its image is left out and named in ``findings``.

    Raises DataError for a mark whose class is none of ``names``, with file and line.
    """
    number = {name: index for index, name in enumerate(names)}
    for image in marked:
        for mark in image.marks:
            if mark.name not in number:
                shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
                raise DataError(
                    f"'{mark.name}' is none of the classes", path=image.file, line=mark.line, hint=f"classes: {shown}"
                )
    objects = _objects(marked, number)
    rows, starts, left_out = objects.rows(np.ones(len(objects.ids), np.bool_))
    passed_over = [Finding(str(image.file), None, words) for image in marked for words in image.passed_over]
    empty = [
        Finding(str(marked[objects.image[place]].file), None, "an object left out, it has no area in its image")
        for place in left_out.tolist()
    ]
    return Samples(source, tuple(images), rows, starts, findings=(*passed_over, *empty), objects=objects)


def _objects(marked: Sequence[MarkedImage], number: dict[str, int]) -> Objects:
    marks = [mark for image in marked for mark in image.marks]
    edges = np.array([mark.edges for mark in marks], np.float64).reshape(-1, 4)
    boxes = np.concatenate((edges[:, :2], edges[:, 2:] - edges[:, :2]), axis=1)
    counts = [len(image.marks) for image in marked]
    return Objects(
        image_ids=np.arange(len(marked)) + 1,
        sizes=np.array([image.size for image in marked], np.int64).reshape(-1, 2),
        ids=np.arange(len(marks)) + 1,
        image=np.repeat(np.arange(len(marked)), counts).astype(np.int64),
        label=np.array([number[mark.name] for mark in marks], np.int64),
        boxes=boxes,
        area=boxes[:, 2] * boxes[:, 3],
        crowd=np.zeros(len(marks), np.bool_),
        difficult=np.zeros(len(marks), np.bool_),
        categories=tuple(range(1, len(number) + 1)),
    )
