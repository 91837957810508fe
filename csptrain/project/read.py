"""The boxes of a folder's pictures, whatever their labels are written in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from csptrain.cfg.categories import read_categories
from csptrain.datasets.coco import read_coco
from csptrain.datasets.cvat import read_cvat
from csptrain.datasets.labelme import read_labelme
from csptrain.datasets.lists import Finding, Samples, read_label
from csptrain.datasets.marked import MarkedImage, marked_samples, names_of
from csptrain.datasets.voc import read_marked_voc
from csptrain.errors import DataError
from csptrain.project.find import Labels

_ANY_CLASS = 1 << 20


@dataclass(frozen=True)
class Labelled:
    """The images that have labels, with their boxes; ``names`` of the classes, None where labels have numbers only.

    ``unlabelled`` are the images without.
    """

    samples: Samples
    names: tuple[str, ...] | None
    unlabelled: tuple[str, ...]

    @property
    def classes(self) -> int:
        """How many classes there are: those that are named, or up to the highest number."""
        return len(self.names) if self.names is not None else int(self.samples.rows[:, 4].max(initial=-1)) + 1


def read_labelled(images: Sequence[str], root: Path, labels: Labels, names: tuple[str, ...] | None) -> Labelled:
    """The images below ``root`` with their labels.

    Args:
        names: the class names that the user gave; labels with other names are a mistake then. A COCO json has its own.

    Raises:
        DataError: a label that cannot be read, a class that is not among ``names``, or no box at all.
    """
    if labels.kind == "coco":
        found = _coco(labels.shared, root)
    elif labels.kind == "cvat":
        found = _cvat(images, root, labels.shared, names)
    elif labels.kind == "yolo":
        found = _yolo(root, labels.files, names)
    else:
        found = _each(root, labels, names)
    if not len(found.samples.rows):
        raise DataError("no label holds a box", path=root)
    known = {Path(image).resolve() for image in found.samples.images}
    return replace(found, unlabelled=tuple(image for image in images if Path(image).resolve() not in known))


def _yolo(root: Path, files: dict[str, Path], names: tuple[str, ...] | None) -> Labelled:
    findings: list[Finding] = []
    classes = _ANY_CLASS if names is None else len(names)
    parts = [read_label(file, classes, findings) for file in files.values()]
    starts = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return Labelled(Samples(root, tuple(files), np.concatenate(parts), starts, findings=tuple(findings)), names, ())


def _each(root: Path, labels: Labels, names: tuple[str, ...] | None) -> Labelled:
    """Annotations of one image each, of VOC or LabelMe."""
    marked = [
        read_marked_voc(file) if labels.kind == "voc" else read_labelme(file, image)
        for image, file in labels.files.items()
    ]
    return _marked(root, list(labels.files), marked, names or names_of(marked))


def _cvat(images: Sequence[str], root: Path, files: Sequence[Path], names: tuple[str, ...] | None) -> Labelled:
    found: tuple[str, ...] = ()
    listed: dict[str, MarkedImage] = {}
    for file in files:
        labels, marked = read_cvat(file)
        found = tuple(dict.fromkeys([*found, *labels]))
        listed.update(marked)
    paths = [(image, one) for image in images if (one := _by_name(image, listed)) is not None]
    if not paths:
        first = next(iter(listed))
        raise DataError(f"none of its {len(listed)} images is below {root}, the first is {first}", path=files[0])
    return _marked(root, [image for image, _ in paths], [one for _, one in paths], names or found)


def _by_name(image: str, listed: dict[str, MarkedImage]) -> MarkedImage | None:
    """What is listed under the last parts of an image's path, the more of them the better."""
    parts = Path(image).parts
    names = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((listed[name] for name in names if name in listed), None)


def _marked(root: Path, images: list[str], marked: list[MarkedImage], names: tuple[str, ...]) -> Labelled:
    return Labelled(marked_samples(root, images, marked, names), names, ())


def _coco(files: Sequence[Path], root: Path) -> Labelled:
    names = tuple(name for _, name in read_categories(files[0]))
    parts = []
    for file in files:
        inside = root.resolve() in file.resolve().parents
        parts.append(read_coco(file, names, None if inside else root))
    starts = np.cumsum([0, *(count for part in parts for count in np.diff(part.starts))], dtype=np.int64)
    images = tuple(image for part in parts for image in part.images)
    findings = tuple(finding for part in parts for finding in part.findings)
    rows = np.concatenate([part.rows for part in parts])
    return Labelled(Samples(root, images, rows, starts, findings=findings), names, ())
