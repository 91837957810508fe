"""The images and boxes of a split, read to the end whatever is wrong with them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from csptrain.cfg.dataset import MAX_BYTES, DataSpec, read_lines, resolve
from csptrain.datasets.lists import (
    IMAGE_SUFFIXES,
    Row,
    Samples,
    correction,
    label_candidates,
    label_lines,
    parse_row,
    read_images,
    shard_images,
)
from csptrain.datasets.shards import exists, in_shard, is_shard, read_bytes
from csptrain.datasets.sources import read_split
from csptrain.datasets.voc import annotation_of, is_voc
from csptrain.doctor.book import Book
from csptrain.errors import DataError

BESIDE = "beside the image"
_PIXELS = 2.0  # no share of an image, however badly drawn, is as large


@dataclass(frozen=True)
class Split:
    """A split of the data file.

    ``files`` name the label file of each image ("" where there is none), ``lines`` int64 [boxes] the line of each box
    in it (0 where annotations have none), ``pairing`` how many label files each rule found.
    """

    name: str
    samples: Samples
    files: tuple[str, ...]
    lines: npt.NDArray[np.int64]
    pairing: dict[str, int] = field(default_factory=dict)

    def place(self, box: int) -> tuple[str, int | None]:
        """File and line of a box."""
        image = int(np.searchsorted(self.samples.starts, box, side="right")) - 1
        return self.files[image] or self.samples.images[image], int(self.lines[box]) or None


def inspect_split(data: DataSpec, name: str, book: Book) -> Split | None:
    """Read ``train``, ``valid`` or ``test``; None where nothing can be read."""
    try:
        source = data.split(name)
        if source.suffix.lower() == ".json" or is_voc(source):
            return _annotated(data, name, book)
        images = read_images(source) if source.is_dir() or is_shard(source) else _listed(source, book)
        if not images:
            return None
        if annotation_of(images[0]).is_file() and _existing(images[0]) is None:
            return _annotated(data, name, book)
    except DataError as error:
        book.add_error("split", error, data.path)
        return None
    return _labelled(name, source, images, data.classes, book)


def _annotated(data: DataSpec, name: str, book: Book) -> Split:
    """A split of COCO's or VOC's annotations, which are read as training reads them; raises DataError."""
    samples = read_split(data, name)
    for finding in samples.findings:
        book.add("box-empty", finding.message, finding.path, finding.line)
    of_json = samples.source.suffix.lower() == ".json"
    files = [str(samples.source) if of_json else str(annotation_of(image)) for image in samples.images]
    kind = "COCO json" if of_json else "VOC annotations"
    lines = np.zeros(len(samples.rows), np.int64)
    return Split(name, samples, tuple(files), lines, {kind: len(files) - samples.unlabelled})


def _listed(source: Path, book: Book) -> list[str]:
    """The images of a list that exist; raises DataError where it cannot be read."""
    first: dict[str, int] = {}
    for number, text in read_lines(source, "list"):
        if text.startswith("#"):
            continue
        found = str(resolve(text, source.parent))
        for image in shard_images(found) if is_shard(found) else [found]:
            if not exists(image):
                book.add("image-missing", f"the image {text} does not exist", source, number)
            elif image in first:
                book.add("image-twice", f"the image {text} is in line {first[image]} too", source, number)
            else:
                first[image] = number
    if not first:
        book.add("split", "the list names no image that exists", source)
    return list(first)


def _labelled(name: str, source: Path, images: list[str], classes: int, book: Book) -> Split:
    found = [_existing(image) for image in images]
    pairing: Counter[str] = Counter()
    rows: list[Row] = []
    lines: list[int] = []
    starts = [0]
    for image, label in zip(images, found, strict=True):
        if label is not None:
            pairing[_rule(image, label)] += 1
            _compare_candidates(image, label, book)
            for line, row in _read_label(label, classes, book):
                rows.append(row)
                lines.append(line)
        starts.append(len(rows))
    _note_missing(source, images, found, book)
    boxes = np.array(rows, np.float32).reshape(-1, 5)
    samples = Samples(source, tuple(images), boxes, np.array(starts, np.int64), found.count(None))
    return Split(name, samples, tuple(label or "" for label in found), np.array(lines, np.int64), dict(pairing))


def _existing(image: str) -> str | None:
    return next((file for file in label_candidates(image) if exists(file)), None)


def _rule(image: str, label: str) -> str:
    one, other = os.path.dirname(image), os.path.dirname(label)
    return BESIDE if one == other else f"{one} -> {other}"


def _note_missing(source: Path, images: Sequence[str], labels: Sequence[str | None], book: Book) -> None:
    missing = [image for image, label in zip(images, labels, strict=True) if label is None]
    if len(missing) == len(images):
        tried = ", ".join(label_candidates(images[0]))
        book.add("labels-none", f"none of {len(images)} images has a label file; for the first: {tried}", source)
        return
    for image in missing:
        book.add("label-missing", f"no label file; looked for {', '.join(label_candidates(image))}", image)


def _compare_candidates(image: str, label: str, book: Book) -> None:
    for other in label_candidates(image):
        if other != label and exists(other) and read_bytes(other, MAX_BYTES) != read_bytes(label, MAX_BYTES):
            book.add("label-ambiguous", f"{label} is read, {other} says something else", image)


def _read_label(path: str, classes: int, book: Book) -> list[tuple[int, Row]]:
    """Line and row of the boxes of a label file that training keeps, sides above 1 set to 1."""
    try:
        texts = label_lines(path)
    except DataError as error:
        book.add_error("label-unreadable", error, path)
        return []
    if not texts:
        book.add("label-empty", "no line", path)
    kept = []
    for number, text in texts:
        words = text.split()
        try:
            row = parse_row(words, classes, path, number)
        except DataError as error:
            book.add_error(_rule_of_bad_line(words, classes, path, number), error, path)
            continue
        x, y, w, h, label = row
        wrong = correction(row)
        if wrong:
            book.add(_rule_of_bad_box(row), wrong, path, number)
        if 0 <= x <= 1 and 0 <= y <= 1 and w > 0 and h > 0:
            kept.append((number, (x, y, min(w, 1.0), min(h, 1.0), label)))
    return kept


def _rule_of_bad_line(words: list[str], classes: int, path: str, line: int) -> str:
    try:
        parse_row(["0", *words[1:]], classes, path, line)
    except DataError:
        return "label-format"
    return "label-class"


def _rule_of_bad_box(row: Row) -> str:
    x, y, w, h, _ = row
    if max(x, y, w, h) >= _PIXELS:
        return "label-pixels"
    if w <= 0 or h <= 0:
        return "box-empty"
    return "box-outside" if not (0 <= x <= 1 and 0 <= y <= 1) else "box-over-edge"


def find_orphans(splits: Iterable[Split], book: Book) -> None:
    """Note the label files that lie among those of the splits but belong to no image, listed or not."""
    splits = list(splits)
    images = [image for split in splits for image in split.samples.images]
    labels = {file for split in splits for file in split.files if file.endswith(".txt")}
    known = {Path(image).stem for image in images}
    for folder in _folders(images):
        known |= {
            stem for stem, suffix in map(os.path.splitext, os.listdir(folder)) if suffix.lower() in IMAGE_SUFFIXES
        }
    for folder in sorted(_folders(labels)):
        for name in sorted(os.listdir(folder)):
            stem, suffix = os.path.splitext(name)
            path = os.path.join(folder, name)
            if suffix == ".txt" and stem not in known and _is_label(Path(path)):
                book.add("label-orphan", f"there is no image {stem}.*", path)


def _folders(files: Iterable[str]) -> set[str]:
    return {os.path.dirname(file) or "." for file in files if not in_shard(file)}


def _is_label(path: Path) -> bool:
    """Whether the first line of a text file is a box, as opposed to a list or names."""
    try:
        texts = read_lines(path, "label")
        return bool(texts) and bool(parse_row(texts[0][1].split(), 1 << 31, path, texts[0][0]))
    except DataError:
        return False
