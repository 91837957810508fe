"""PASCAL VOC's annotations: one XML file an image, with objects that may be called difficult."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from csptrain.cfg.dataset import read_lines
from csptrain.datasets.annotation_xml import AnnotationReader
from csptrain.datasets.lists import IMAGE_SUFFIXES, Finding, Samples
from csptrain.datasets.marked import Mark, MarkedImage
from csptrain.datasets.objects import Objects
from csptrain.errors import DataError

MAX_BYTES = 16 << 20
_DIGITS = 9
_EDGES = ("xmin", "ymin", "xmax", "ymax")


class VocObject(NamedTuple):
    """One object of an image: class, left, top, right, bottom in VOC's pixels (which count from 1), difficult."""

    label: int
    edges: tuple[float, ...]
    difficult: bool


def is_voc(source: Path) -> bool:
    """Whether a path is a VOC folder (with Annotations and JPEGImages) or a list of its ImageSets/Main."""
    if source.is_dir():
        return (source / "Annotations").is_dir() and (source / "JPEGImages").is_dir()
    return source.parent.name == "Main" and source.parent.parent.name == "ImageSets"


def annotation_of(image: str) -> Path:
    """Where VOC has the annotation of ``.../JPEGImages/name.jpg``."""
    path = Path(image)
    return path.parent.parent / "Annotations" / f"{path.stem}.xml"


def voc_images(source: Path, images: Path | None = None) -> list[str]:
    """The images of a VOC list, or of all annotations of a VOC folder, in ``images`` or in JPEGImages.

    Raises:
        DataError: no such list, nothing in it, or an image that does not exist (with the line of the list).
    """
    if source.is_dir():
        root = source
        named: list[tuple[int | None, str]] = [(None, xml.stem) for xml in sorted((root / "Annotations").glob("*.xml"))]
    else:
        root = source.parent.parent.parent
        # The lists of one class have a second column that says whether the class is there.
        named = [(line, text.split()[0]) for line, text in read_lines(source, "list")]
    if not named:
        raise DataError("names no image", path=source)
    folder = images or root / "JPEGImages"
    present = {Path(name).stem: name for name in _names_of(folder) if Path(name).suffix.lower() in IMAGE_SUFFIXES}
    for line, stem in named:
        if stem not in present:
            raise DataError(f"the image {stem} is not in {folder}", path=source, line=line)
    return [os.path.join(folder, present[stem]) for _, stem in named]


def label_voc(source: Path, images: list[str], names: Sequence[str], folder: Path | None = None) -> Samples:
    """Images with the objects of their annotations, those of ``folder`` or of Annotations beside JPEGImages.

    What is difficult is an object of evaluation, not of training. An image without annotation is background.

    Raises:
        DataError: what `read_annotation` raises, or no annotation for any image.
    """
    files = [annotation_of(image) if folder is None else folder / f"{Path(image).stem}.xml" for image in images]
    there = [file.is_file() for file in files]
    if not any(there):
        raise DataError(f"no image has an annotation, for {images[0]} it would be {files[0]}", path=source)
    found = [read_annotation(file, names) if file.is_file() else ((1, 1), []) for file in files]
    objects = _objects(found, len(names))
    rows, starts, left_out = objects.rows(~objects.difficult)
    hard_rows, hard_starts, _ = objects.rows(objects.difficult)
    findings = tuple(
        Finding(str(files[objects.image[place]]), None, "an object left out, it has no area in its image")
        for place in left_out.tolist()
    )
    return Samples(
        source, tuple(images), rows, starts, there.count(False), findings, hard_rows, hard_starts, objects
    )  # fmt: skip


def read_annotation(path: Path, names: Sequence[str]) -> tuple[tuple[int, int], list[VocObject]]:
    """Width and height of the image, and its objects.

    Raises:
        DataError: an unreadable or broken file, one without size, or an object without box or with a name that is
            none of ``names``; with the line.
    """
    reader = _Reader(path)
    reader.parse(MAX_BYTES)
    size = (reader.whole("width"), reader.whole("height"))
    return size, [_object(fields, names, path) for fields in reader.objects]


def read_marked_voc(path: Path) -> MarkedImage:
    """An annotation whose classes nobody has listed yet; what is difficult is passed over.

    Raises DataError as `read_annotation` does.
    """
    reader = _Reader(path)
    reader.parse(MAX_BYTES)
    names = [fields["name"].text for fields in reader.objects if "name" in fields]
    found = [_object(fields, names, path) for fields in reader.objects]
    marks, passed_over = [], []
    for one in found:
        left, top, right, bottom = (edge - 1 for edge in one.edges)  # VOC counts pixels from 1
        if one.difficult:
            passed_over.append(f"'{names[one.label]}' is difficult: left out")
        else:
            marks.append(Mark(names[one.label], (left, top, right, bottom)))
    return MarkedImage(path, (reader.whole("width"), reader.whole("height")), tuple(marks), tuple(passed_over))


class _Field(NamedTuple):
    text: str
    line: int


def _object(fields: dict[str, _Field], names: Sequence[str], path: Path) -> VocObject:
    missing = [word for word in ("name", *_EDGES) if word not in fields]
    line = max((field.line for field in fields.values()), default=None)
    if missing:
        raise DataError(f"an object has no {missing[0]}", path=path, line=line)
    name = fields["name"]
    if name.text not in names:
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise DataError(
            f"'{name.text}' is none of the classes", path=path, line=name.line, hint=f"names= of the data file: {shown}"
        )
    hard = fields.get("difficult", _Field("0", 0)).text not in ("0", "")
    return VocObject(names.index(name.text), tuple(_number(fields[word], word, path) for word in _EDGES), hard)


def _number(field: _Field, word: str, path: Path) -> float:
    try:
        value = float(field.text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise DataError(f"{word} '{field.text[:20]}' is no number", path=path, line=field.line)
    return value


class _Reader(AnnotationReader):
    """Collects the size of an annotation and the words of each object; parts of objects are passed over."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.size: dict[str, _Field] = {}
        self.objects: list[dict[str, _Field]] = []

    def whole(self, word: str) -> int:
        """Width or height of the image; raises DataError without one."""
        field = self.size.get(word, _Field("0", 1))
        digits = field.text.isascii() and field.text.isdigit() and len(field.text) <= _DIGITS
        if not (digits and int(field.text)):
            raise DataError(f"has no {word} of the image in <size>", path=self.path, line=field.line)
        return int(field.text)

    def error(self, message: str, hint: str | None = None) -> DataError:
        """What is wrong with the file as a whole; of its fields each knows its line."""
        return DataError(message, path=self.path, hint=hint)

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if len(self.stack) == 1 and name == "object":
            self.objects.append({})

    def end(self, text: str) -> None:
        place, name = self.stack[1:-1], self.stack[-1]
        field = _Field(text, self.line)
        if place == ["size"]:
            self.size[name] = field
        elif place in (["object"], ["object", "bndbox"]):
            self.objects[-1][name] = field


def _names_of(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise DataError(f"the folder of images cannot be read: {error.strerror}", path=folder) from None


def _objects(found: list[tuple[tuple[int, int], list[VocObject]]], classes: int) -> Objects:
    each = [one for _, own in found for one in own]
    image = np.repeat(np.arange(len(found)), [len(own) for _, own in found]).astype(np.int64)
    edges = np.array([one.edges for one in each], np.float64).reshape(-1, 4)
    # VOC counts pixels from 1; a side is what Darknet's labels of VOC have, the difference of the edges.
    boxes = np.concatenate((edges[:, :2] - 1, edges[:, 2:] - edges[:, :2]), axis=1)
    return Objects(
        image_ids=np.arange(len(found)) + 1,
        sizes=np.array([size for size, _ in found], np.int64).reshape(-1, 2),
        ids=np.arange(len(each)) + 1,
        image=image,
        label=np.array([one.label for one in each], np.int64),
        boxes=boxes,
        area=boxes[:, 2] * boxes[:, 3],
        crowd=np.zeros(len(each), np.bool_),
        difficult=np.array([one.difficult for one in each], np.bool_),
        categories=tuple(range(1, classes + 1)),
    )
