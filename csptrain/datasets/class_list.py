"""Images and the class of each: lists whose paths hold a label, and folders with one sub-folder a class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from csptrain.cfg.dataset import DataSpec, read_lines, resolve
from csptrain.datasets.lists import IMAGE_SUFFIXES, read_images, shard_images
from csptrain.datasets.shards import is_shard
from csptrain.errors import DataError

# ImageNet's training list has 80 MB.
MAX_LIST_BYTES = 1 << 30
_SHOWN = 5


@dataclass(frozen=True)
class ClassList:
    """The images of a list and the class of each, int64 [N]; ``source`` is the list or folder."""

    source: Path
    images: tuple[str, ...]
    classes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def without(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The labels of which there is no image."""
        present = np.bincount(self.classes, minlength=len(labels)) > 0
        return tuple(label for label, there in zip(labels, present, strict=True) if not there)


def class_labels(data: DataSpec) -> tuple[str, ...]:
    """What stands for each class in the paths of its images.

    These are the first lines of ``labels=`` (Darknet's file for ImageNet has more of them than there are classes), else
    the names of the classes, else the sub-folders of a folder ``train=`` in alphabetical order.

    Raises:
        DataError: none of these, another number than ``classes``, or a label that is given twice.
    """
    if data.labels is not None:
        source, labels = data.labels, tuple(text for _, text in read_lines(data.labels, "labels"))[: data.classes]
    elif data.has_names:
        source, labels = data.path, data.names
    elif data.train is not None and data.train.is_dir():
        source, labels = data.train, tuple(_sub_folders(data.train))
    else:
        hint = "labels=FILE: what the paths of each class hold, one class a line"
        raise DataError("has neither labels= nor names=", path=data.path, hint=hint)
    if len(labels) != data.classes:
        raise DataError(f"{len(labels)} labels, but classes={data.classes} in {data.path}", path=source)
    seen: set[str] = set()
    for label in labels:
        if label in seen:
            raise DataError(f"the label '{label}' is given twice", path=source)
        seen.add(label)
    return labels


def class_names(data: DataSpec) -> tuple[str, ...]:
    """The classes as people read them: ``names=``, else the labels, else class0, class1 ...

    Raises DataError where the labels are wrong.
    """
    from_labels = data.labels is not None or (data.train is not None and data.train.is_dir())
    return data.names if data.has_names or not from_labels else class_labels(data)


def read_class_list(source: Path, labels: Sequence[str]) -> ClassList:
    """The images of a list, of shards or of a folder with their classes.

    In a list, and in a folder without sub-folders, the class is the label that the path holds: Darknet's rule. Of
    several labels the innermost folder of that name counts, else the one that holds all the others in itself. In a
    folder with sub-folders these are the labels. The name of a shard is a part of the paths in it. *Differs:* Darknet
    trains an image with several labels as all of them, and one without as none.

    Raises:
        DataError: no such list or image, an image without a label or with several, a sub-folder that is no label.
    """
    if source.is_dir() and _sub_folders(source):
        return _from_folders(source, labels)
    rule = _PathRule(labels)
    images: list[str] = []
    classes: list[int] = []
    for number, text, image in _listed(source):
        images.append(image)
        classes.append(rule.class_of(text, source, number))
    if not images:
        raise DataError("the list names no image", path=source)
    return ClassList(source, tuple(images), np.array(classes, np.int64))


def _listed(source: Path) -> Iterator[tuple[int | None, str, str]]:
    """Line, path as it is written, path where the image is."""
    if source.is_dir() or is_shard(source):
        folder = source if source.is_dir() else source.parent
        yield from ((None, os.path.relpath(image, folder), image) for image in read_images(source))
        return
    for number, text in read_lines(source, "list", MAX_LIST_BYTES):
        if text.startswith("#"):
            continue
        # What `resolve` does, without its price for each of a million paths.
        if os.path.exists(text):
            image = text
        elif not os.path.exists(image := os.path.join(source.parent, text)):
            image = str(resolve(text, source.parent))
            if not os.path.exists(image):
                raise DataError(f"the image {text} does not exist", path=source, line=number)
        if is_shard(image):
            yield from ((number, text + inside.removeprefix(image), inside) for inside in shard_images(image))
        else:
            yield number, text, image


def _sub_folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _from_folders(source: Path, labels: Sequence[str]) -> ClassList:
    index = {label: number for number, label in enumerate(labels)}
    folders = _sub_folders(source)
    strange = [folder for folder in folders if folder not in index]
    if strange:
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        hint = "labels: " + ", ".join(labels[:_SHOWN]) + (", ..." if len(labels) > _SHOWN else "")
        raise DataError(f"the sub-folder {strange[0]}{more} is no label", path=source, hint=hint)
    images: list[str] = []
    classes: list[int] = []
    for folder in folders:
        found = list(_images_below(source / folder))
        images += found
        classes += [index[folder]] * len(found)
    if not images:
        raise DataError("the folder holds no image", path=source)
    return ClassList(source, tuple(images), np.array(classes, np.int64))


def _images_below(folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            if os.path.splitext(file)[1].lower() in IMAGE_SUFFIXES:
                yield os.path.join(root, file)


class _PathRule:
    """Finds the labels in a path; a folder is searched once for all its files."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        self._by_length: dict[int, dict[str, int]] = {}
        for number, label in enumerate(labels):
            self._by_length.setdefault(len(label), {})[label] = number
        self._in_folder = lru_cache(maxsize=4096)(lambda folder: self._search(folder, 0))

    def class_of(self, path: str, source: Path, line: int | None) -> int:
        """The class of an image; raises DataError unless it is one."""
        path = path.replace("\\", "/")
        cut = path.rfind("/") + 1
        found = self._in_folder(path[:cut]) | self._search(path, cut)
        if len(found) == 1:
            return next(iter(found))
        if not found:
            hint = "a label of the data file must be a part of the path"
            raise DataError(f"no label is in '{path}'", path=source, line=line, hint=hint)
        chosen = self._best(found, path[:cut])
        if chosen is None:
            words = ", ".join(sorted(self.labels[number] for number in found)[:_SHOWN])
            hint = "folders train/<label>/ tell them apart"
            raise DataError(f"several labels are in '{path}': {words}", path=source, line=line, hint=hint)
        return chosen

    def _search(self, text: str, start: int) -> frozenset[int]:
        """The labels in ``text`` that reach beyond ``start``."""
        found = set()
        for length, numbers in self._by_length.items():
            for place in range(max(start - length + 1, 0), len(text) - length + 1):
                number = numbers.get(text[place : place + length])
                if number is not None:
                    found.add(number)
        return frozenset(found)

    def _best(self, found: frozenset[int], folder: str) -> int | None:
        names = {self.labels[number]: number for number in found}
        inner = next((part for part in reversed(folder.split("/")) if part in names), None)
        if inner is not None:
            return names[inner]
        longest = max(names, key=len)
        return names[longest] if all(name in longest for name in names) else None
