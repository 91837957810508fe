"""COCO's own annotations: one json for all images of a set, read without holding its polygons."""

from __future__ import annotations

import json
import mmap
import os
import re
from array import array
from pathlib import Path
from typing import Any

import numpy as np

from csptrain.cfg.categories import read_categories
from csptrain.cfg.regular import check_regular
from csptrain.datasets.lists import Finding, Samples
from csptrain.datasets.objects import IntArray, Objects
from csptrain.errors import DataError

# Outlines are most of the file, and nobody reads them here. Only numbers and brackets up to the next key or the end of
# the annotation are taken for one, so what is left is the same JSON.
_OUTLINE = re.compile(rb'"segmentation"\s*:\s*\[[\[\]\d.,eE+\-\s]*\](?=\s*(?:,\s*"|\}))')
_PREFIXES = ("instances_", "image_info_", "person_keypoints_")


def read_coco(path: Path, names: tuple[str, ...], images: Path | None = None) -> Samples:
    """The images of a COCO json in the order of their file names, with their truths and all that evaluation asks for.

    Category ids become classes by their order (COCO's 91 numbers become 0..79). Crowds are objects of evaluation, not
    of training. Boxes are cut at the image's edge; one without area is left out and named in ``findings``.

    Args:
        names: the class names of the data file, compared with the json's.
        images: folder of the images, or the folder above it; else the places of `image_folders` are tried.

    Raises:
        DataError: no such json, one that cannot be understood, an annotation whose image or category it lacks, other
            classes than ``names``, or an image that does not exist.
    """
    categories = read_categories(path)
    _compare(path, tuple(name for _, name in categories), names)
    found = _Collector(path)
    found.read()
    order = sorted(range(len(found.files)), key=found.files.__getitem__)
    files = [found.files[place] for place in order]
    objects = found.objects(np.array(order), tuple(number for number, _ in categories))
    rows, starts, left_out = objects.rows(~objects.crowd)
    findings = tuple(
        Finding(os.fspath(path), None, f"annotation {objects.ids[place]} left out, it has no area in its image")
        for place in left_out.tolist()
    )
    listed = _paths(files, path, images)
    return Samples(path, listed, rows, starts, findings=findings, objects=objects)


def image_folders(path: Path, images: Path | None) -> list[Path]:
    """Where the images of a json may be, best first: for ``annotations/instances_val2017.json`` a folder ``val2017``.

    It may lie in ``images=``, beside the json, or one folder higher, there also within ``images``; else the images
    are in those folders themselves.
    """
    part = path.stem
    for prefix in _PREFIXES:
        part = part.removeprefix(prefix)
    parts = (part, part.replace("test-dev", "test"))  # the images of test-dev are part of those of test
    above = path.parent.parent
    bases = [images] if images is not None else [path.parent, path.parent / "images", above, above / "images"]
    own = [base / part for base in bases for part in parts]
    return list(dict.fromkeys([*own, *bases] if images is None else [*bases, *own]))


def _paths(files: list[str], path: Path, images: Path | None) -> tuple[str, ...]:
    """Paths of the images of a json; all of them must exist."""
    tried = image_folders(path, images)
    folder = next((folder for folder in tried if (folder / files[0]).is_file()), None)
    if folder is None:
        places = ", ".join(map(str, tried))
        raise DataError(
            f"the image {files[0]} was found in none of: {places}", path=path, hint="name its folder with images="
        )
    present: dict[str, set[str]] = {}
    for part in {os.path.dirname(name) for name in files}:
        inside = folder / part
        present[part] = set(os.listdir(inside)) if inside.is_dir() else set()
    missing = [name for name in files if os.path.basename(name) not in present[os.path.dirname(name)]]
    if missing:
        raise DataError(f"{len(missing)} of {len(files)} images are not in {folder}, first {missing[0]}", path=path)
    return tuple(os.path.join(folder, name) for name in files)


def _compare(path: Path, found: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Raise DataError where classes are other ones; two words for one thing (tv, tvmonitor) are no mistake."""
    if len(found) != len(names):
        raise DataError(
            f"has {len(found)} categories, the data file {len(names)} classes",
            path=path,
            hint=f"the json's: {', '.join(found[:8])}{', ...' if len(found) > 8 else ''}",
        )
    for place, name in enumerate(found):
        if name in names and names[place] != name:
            raise DataError(
                f"class {place} is {name} by its category's id, but {names[place]} in the data file",
                path=path,
                hint="classes follow the order of category ids; leave names= out to take the json's",
            )


class _Collector:
    """Images and annotations as flat arrays, filled while the JSON is parsed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: list[str] = []
        self.image_ids = array("q")
        self.sizes = array("q")
        self.ids = array("q")
        self.image_of = array("q")
        self.category = array("q")
        self.boxes = array("d")
        self.area = array("d")
        self.crowd = array("b")

    def read(self) -> None:
        """Raises DataError for what is no COCO json."""
        check_regular(self.path)
        try:
            with self.path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view:
                text = _OUTLINE.sub(b'"segmentation":0', view).decode("utf-8-sig")
            top = json.loads(text, object_hook=self._take)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", path=self.path) from None
        except RecursionError:
            raise DataError("is nested too deeply for a COCO json", path=self.path) from None
        except json.JSONDecodeError as error:
            # Lines are not those of the file any more, and COCO's files have but one.
            near = error.doc[max(error.pos - 20, 0) : error.pos + 20]
            raise DataError(f"is not valid JSON near {near!r}: {error.msg}", path=self.path) from None
        except UnicodeDecodeError:
            raise DataError("is not UTF-8 text", path=self.path) from None
        if not isinstance(top, dict) or not self.files:
            raise DataError("lists no images, so it is no COCO instances file", path=self.path)
        if len(set(self.files)) != len(self.files) or len(set(self.image_ids)) != len(self.files):
            raise DataError("lists an image id or a file name twice", path=self.path)

    def _take(self, found: dict[str, Any]) -> object:
        if "image_id" in found and "bbox" in found:
            self._annotation(found)
        elif "file_name" in found:
            self._image(found)
        else:
            return found
        return None

    def _annotation(self, found: dict[str, Any]) -> None:
        count = len(self.ids)
        try:
            self.ids.append(found.get("id", count + 1))
            self.image_of.append(found["image_id"])
            self.category.append(found["category_id"])
            left, top, width, height = found["bbox"]
            self.boxes.extend((left, top, width, height))
            self.area.append(found.get("area", width * height))
            self.crowd.append(1 if found.get("iscrowd") else 0)
        except (KeyError, TypeError, ValueError, OverflowError):
            shown = json.dumps({key: found[key] for key in found if key != "segmentation"})
            raise DataError(
                f"the annotation {shown:.100} lacks a number",
                path=self.path,
                hint="image_id category_id bbox [x,y,w,h]",
            ) from None

    def _image(self, found: dict[str, Any]) -> None:
        try:
            self.image_ids.append(found["id"])
            width, height = found["width"], found["height"]
            self.sizes.extend((width, height))
            self.files.append(str(found["file_name"]))
        except (KeyError, TypeError, OverflowError):
            width = height = 0
        if width < 1 or height < 1:
            raise DataError(f"the image {found['file_name']!s:.60} lacks a whole id, width or height", path=self.path)

    def objects(self, order: IntArray, categories: tuple[int, ...]) -> Objects:
        """All annotations, by image, where image k is the one read as ``order`` [k]."""
        image_ids = np.array(self.image_ids, np.int64)[order]
        boxes = np.array(self.boxes, np.float64).reshape(-1, 4)
        if not np.isfinite(boxes).all():
            place = int(np.flatnonzero(~np.isfinite(boxes).all(axis=1))[0])
            raise DataError(f"annotation {self.ids[place]} has a box that is not finite", path=self.path)
        image = self._places("image", np.array(self.image_of, np.int64), image_ids)
        label = self._places("category", np.array(self.category, np.int64), np.array(categories, np.int64))
        by_image = np.argsort(image, kind="stable")
        return Objects(
            image_ids=image_ids,
            sizes=np.array(self.sizes, np.int64).reshape(-1, 2)[order],
            ids=np.array(self.ids, np.int64)[by_image],
            image=image[by_image],
            label=label[by_image],
            boxes=boxes[by_image],
            area=np.array(self.area, np.float64)[by_image],
            crowd=np.array(self.crowd, np.bool_)[by_image],
            difficult=np.zeros(len(boxes), np.bool_),
            categories=categories,
        )

    def _places(self, what: str, numbers: IntArray, known: IntArray) -> IntArray:
        """Where each of ``numbers`` stands in ``known``."""
        order = np.argsort(known)
        place: IntArray = order[np.searchsorted(known[order], numbers).clip(0, len(known) - 1)]
        wrong = np.flatnonzero(known[place] != numbers)
        if len(wrong):
            first = int(wrong[0])
            raise DataError(
                f"annotation {self.ids[first]} names {what} {numbers[first]}, which is not listed", path=self.path
            )
        return place
