"""How many examples each class has, in each split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from csptrain.cfg.dataset import DataSpec
from csptrain.doctor.book import Book
from csptrain.doctor.splits import Split


@dataclass(frozen=True)
class ClassCount:
    """A class: its boxes and the images that show it, by the name of the split."""

    name: str
    boxes: dict[str, int]
    images: dict[str, int]


def count_classes(names: tuple[str, ...], splits: Mapping[str, Split]) -> list[ClassCount]:
    """All classes in their order."""
    boxes: dict[str, list[int]] = {}
    images: dict[str, list[int]] = {}
    for name, split in splits.items():
        label = split.samples.rows[:, 4].astype(np.int64)
        image = np.repeat(np.arange(len(split.samples)), np.diff(split.samples.starts))
        boxes[name] = np.bincount(label, minlength=len(names)).tolist()
        shown = np.unique(np.column_stack((label, image)), axis=0)[:, 0]
        images[name] = np.bincount(shown, minlength=len(names)).tolist()
    return [
        ClassCount(word, {name: boxes[name][place] for name in splits}, {name: images[name][place] for name in splits})
        for place, word in enumerate(names)
    ]


def check_classes(data: DataSpec, classes: list[ClassCount], splits: Mapping[str, Split], few: int, book: Book) -> None:
    """Note what the splits lack; ``few`` is the number of boxes in train below which a class has too little."""
    train, valid = splits.get("train"), splits.get("valid")
    for label, found in enumerate(classes):
        words = f"class {label} ({found.name})"
        taught, asked = found.boxes.get("train", 0), found.boxes.get("valid", 0)
        if train is not None and not taught:
            if asked and valid is not None:
                first = int(np.flatnonzero(valid.samples.rows[:, 4] == label)[0])
                book.add("class-only-in-valid", f"{words}: {asked} boxes, this is the first", *valid.place(first))
            else:
                book.add("class-none", words, data.path)
        elif taught < few and train is not None:
            book.add("class-few", f"{words}: {taught} boxes", data.path)
        if taught and valid is not None and not asked:
            book.add("class-unmeasured", f"{words}: {taught} boxes in train", data.path)
    if not data.has_names:
        book.add("names-none", f"{data.classes} classes", data.path)
    for name, count in Counter(data.names).items():
        if count > 1:
            book.add("names-twice", f"{count} classes are called {name}", data.path)
