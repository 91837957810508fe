"""The numbers by which COCO's result files name images and classes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from csptrain.errors import DataError

_COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_CATEGORIES = tuple(number for number in range(1, 91) if number not in _COCO_GAPS)
"""Category ids of COCO's 80 detection classes: 1 to 90 without those it never published."""

_DIGITS = re.compile(r"\d+")


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


def image_numbers(images: tuple[str, ...]) -> list[int]:
    """The numbers of the file names where every image has one of its own, else 1, 2, 3 ..."""
    found = [_DIGITS.findall(Path(image).stem) for image in images]
    numbers = [int(digits[-1]) for digits in found if digits]
    return numbers if len(set(numbers)) == len(images) else list(range(1, len(images) + 1))
