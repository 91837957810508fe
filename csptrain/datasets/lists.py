"""Image lists and their Darknet label files, read once before training so that mistakes show at the start."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from csptrain.cfg.dataset import MAX_BYTES, lines_of, read_lines, resolve
from csptrain.datasets.objects import Objects
from csptrain.datasets.shards import exists, expand, in_shard, is_shard, members, read_bytes, shards_in
from csptrain.errors import DataError

FloatArray = npt.NDArray[np.float32]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})
# Darknet swaps these folders for the labels' folder; a bare /images/ it does not touch, the first YOLO does.
_LABEL_FOLDERS = (
    ("/images/train2017/", "/labels/train2017/"),
    ("/images/val2017/", "/labels/val2017/"),
    ("/images/train2014/", "/labels/train2014/"),
    ("/images/val2014/", "/labels/val2014/"),
    ("/JPEGImages/", "/labels/"),
    ("/images/", "/labels/"),
)
_DIGITS = 9  # of a class number; Python refuses to read thousands
_NO_ROWS: FloatArray = np.zeros((0, 5), np.float32)


@dataclass(frozen=True)
class Finding:
    """An object that was corrected or left out, by file and, of a label file, line: Darknet's bad_label.list."""

    path: str
    line: int | None
    message: str

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.message}"


@dataclass(frozen=True)
class Samples:
    """The images of a list with their truths, as flat arrays that cross process borders cheaply.

    ``rows`` holds the boxes of all images, float32 [boxes, 5]: x y w h class, centre and size relative to the
    image; those of image ``i`` are ``rows[starts[i] : starts[i + 1]]``. ``unlabelled`` counts the images
    without a label file, which are taken as background. ``hard_rows`` and ``hard_starts`` are those of difficult
    objects, which nobody is taught and evaluation passes over. ``objects`` are the annotations themselves where they
    say more than rows can: those of COCO and VOC.
    """

    source: Path
    images: tuple[str, ...]
    rows: FloatArray
    starts: npt.NDArray[np.int64]
    unlabelled: int = 0
    findings: tuple[Finding, ...] = ()
    hard_rows: FloatArray = field(default_factory=lambda: _NO_ROWS)
    hard_starts: npt.NDArray[np.int64] | None = None
    objects: Objects | None = None

    def __len__(self) -> int:
        return len(self.images)

    def truth(self, index: int) -> FloatArray:
        """The boxes of one image, float32 [n, 5]."""
        truth: FloatArray = self.rows[self.starts[index] : self.starts[index + 1]]
        return truth

    def difficult(self, index: int) -> FloatArray:
        """The difficult objects of one image, float32 [n, 5]."""
        if self.hard_starts is None:
            return _NO_ROWS
        hard: FloatArray = self.hard_rows[self.hard_starts[index] : self.hard_starts[index + 1]]
        return hard


def read_images(source: Path) -> list[str]:
    """The image paths of a list file (one a line, ``#`` starts a comment line), of a folder, sorted, or of shards.

    A path is looked for from the working directory, then from the list's own folder. A shard stands for its images, in
    its order; a folder without images for its shards, a name with ``{000..049}`` for as many.

    Raises:
        DataError: no such list, an empty one, an image that does not exist (with the line of the list), or a shard that
            cannot be used.
    """
    if is_shard(source):
        return [image for shard in expand(str(source)) for image in shard_images(shard)]
    if os.path.isdir(source):
        images = sorted(str(file) for file in source.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
        images = images or [image for shard in shards_in(source) for image in shard_images(shard)]
        if not images:
            raise DataError("the folder holds no image", path=source)
        return images
    images = []
    for number, text in read_lines(source, "list"):
        if text.startswith("#"):
            continue
        image = resolve(text, source.parent)
        if not os.path.exists(image):
            raise DataError(
                f"the image {text} does not exist",
                path=source,
                line=number,
                hint="looked for from the working directory, then from the list's folder",
            )
        images += shard_images(str(image)) if is_shard(image) else [str(image)]
    if not images:
        raise DataError("the list names no image", path=source)
    return images


def shard_images(shard: str) -> list[str]:
    """The images in a shard, in its order; raises DataError where there is none, or as `members` does."""
    images = [path for path in members(shard) if os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES]
    if not images:
        raise DataError("the shard holds no image", path=shard)
    return images


def without_labels(source: Path, images: Sequence[str]) -> Samples:
    """The images of a list whose labels nobody asks for."""
    return Samples(source, tuple(images), _NO_ROWS, np.zeros(len(images) + 1, np.int64))


def label_candidates(image: str) -> tuple[str, ...]:
    """Where the label file of an image may be, best first: Darknet's folder rules, then beside the image."""
    stem = os.path.splitext(image.replace(os.sep, "/"))[0] + ".txt"
    anchored = stem if stem.startswith("/") else f"/{stem}"
    added = len(anchored) - len(stem)
    swapped = [anchored.replace(old, new)[added:] for old, new in _LABEL_FOLDERS if old in anchored]
    return tuple(dict.fromkeys((*swapped, stem)))


def read_samples(source: Path, classes: int, *, need_labels: bool = True) -> Samples:
    """Read a list and the label file of every image in it.

    Args:
        need_labels: whether a list without a single label file is a mistake.

    Raises:
        DataError: what `read_images` and `read_label` raise, or no label file at all where one is needed.
    """
    return label_images(source, read_images(source), classes, need_labels=need_labels)


def label_images(source: Path, images: list[str], classes: int, *, need_labels: bool = True) -> Samples:
    """The images of a list that is read already, with their label files; raises as `read_samples` does."""
    labels = [_first_existing(label_candidates(image)) for image in images]
    unlabelled = labels.count(None)
    if need_labels and unlabelled == len(images):
        raise DataError(
            f"no image of the list has a label file; for {images[0]} these were tried: "
            + ", ".join(label_candidates(images[0])),
            path=source,
        )
    findings: list[Finding] = []
    rows, starts = _read_labels(labels, classes, findings)
    return Samples(source, tuple(images), rows, starts, unlabelled, tuple(findings))


def with_difficult(samples: Samples, listed: Path, classes: int) -> Samples:
    """``samples`` with the difficult objects of Darknet's ``difficult=``: a list with the same images elsewhere.

    Only their label files are read. Raises DataError for a list of another length, and what `read_label` raises.
    """
    images = [text for _, text in read_lines(listed, "list")]
    if len(images) != len(samples):
        raise DataError(f"lists {len(images)} images, {samples.source} {len(samples)}", path=listed)
    # The images themselves need not exist there, so the labels are looked for in both folders.
    places = [(image, str(listed.parent / image)) for image in images]
    labels = [_first_existing([*label_candidates(near), *label_candidates(far)]) for near, far in places]
    rows, starts = _read_labels(labels, classes, [])
    return replace(samples, hard_rows=rows, hard_starts=starts)


def _read_labels(
    labels: list[str | None], classes: int, findings: list[Finding]
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    parts = [_NO_ROWS if label is None else read_label(label, classes, findings) for label in labels]
    starts = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
    return np.concatenate(parts), starts


def _first_existing(candidates: Sequence[str]) -> str | None:
    return next((file for file in candidates if exists(file)), None)


def read_label(path: str | os.PathLike[str], classes: int, findings: list[Finding]) -> FloatArray:
    """The boxes of one label file with lines ``class x y w h``, as float32 [n, 5] rows x y w h class.

    A box whose centre is outside the image or that has no area is left out, a side above 1 becomes 1; both
    are added to ``findings``. An empty file is background. *Source:* Darknet, which writes bad_label.list.

    Raises:
        DataError: not five columns, a value that is no finite number, or a class that is not in 0..classes-1.
    """
    rows = []
    for number, text in label_lines(path):
        row = parse_row(text.split(), classes, path, number)
        finding = correction(row)
        if finding:
            findings.append(Finding(os.fspath(path), number, finding))
        x, y, w, h, label = row
        if 0 <= x <= 1 and 0 <= y <= 1 and w > 0 and h > 0:
            rows.append((x, y, min(w, 1.0), min(h, 1.0), label))
    return np.array(rows, np.float32).reshape(-1, 5)


def label_lines(path: str | os.PathLike[str]) -> list[tuple[int, str]]:
    """The lines of a label file, by itself or in a shard, with their numbers; raises DataError as `read_lines` does."""
    if in_shard(path):
        return lines_of(read_bytes(path, MAX_BYTES), Path(path), "label")
    return read_lines(Path(path), "label")


Row = tuple[float, float, float, float, int]


def parse_row(words: list[str], classes: int, path: str | os.PathLike[str], line: int) -> Row:
    """The words of a label line as x, y, w, h and class; raises DataError as `read_label` does."""
    if len(words) != 5:
        hint = "one box a line: class x y w h" if len(words) < 9 else "polygons are not read, only boxes"
        raise DataError(f"{len(words)} values where 5 were expected", path=path, line=line, hint=hint)
    try:
        x, y, w, h = (float(word) for word in words[1:])
    except ValueError:
        raise DataError(f"'{' '.join(words)[:60]}' is not class x y w h", path=path, line=line) from None
    if not all(map(math.isfinite, (x, y, w, h))):
        raise DataError(f"'{' '.join(words)[:60]}' holds a value that is not finite", path=path, line=line)
    if not (words[0].isascii() and words[0].isdigit()) or len(words[0]) > _DIGITS or int(words[0]) >= classes:
        raise DataError(
            f"class {words[0][:20]} is not one of 0..{classes - 1}",
            path=path,
            line=line,
            hint="class numbers begin with 0; the data file says how many there are",
        )
    return x, y, w, h, int(words[0])


def correction(row: Row) -> str:
    """What is wrong with a box, if anything."""
    x, y, w, h, _ = row
    box = f"x={x:g} y={y:g} w={w:g} h={h:g}"
    if not (0 <= x <= 1 and 0 <= y <= 1):
        return f"left out, its centre is outside the image: {box}"
    if w <= 0 or h <= 0:
        return f"left out, it has no area: {box}"
    return f"a side above 1 was set to 1: {box}" if w > 1 or h > 1 else ""
