"""Which files of a folder label its pictures, and which one names the classes."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from csptrain.cfg.categories import read_categories
from csptrain.cfg.dataset import read_dataset, read_lines
from csptrain.datasets.cvat import is_cvat
from csptrain.errors import DataError

#: Kind of labels -> what people call it.
KINDS = {"yolo": "YOLO txt", "voc": "VOC xml", "coco": "COCO json", "labelme": "LabelMe json", "cvat": "CVAT xml"}
_OF_ONE_IMAGE = {".txt": "yolo", ".xml": "voc", ".json": "labelme"}
# Folders beside that of the images which hold labels, as tools call them.
_BESIDE = frozenset({"label", "labels", "annotation", "annotations", "xml", "xmls", "json", "jsons", "txt"})
# Files of class names, best first.
_NAMES = (
    "classes.txt",
    "obj.names",
    "*.names",
    "predefined_classes.txt",
    "_darknet.labels",
    "*.data",
    "*.yaml",
    "*.yml",
)


@dataclass
class Labels:
    """The labels of one kind: ``files`` by image where each image has its own, else ``shared`` files of all images."""

    kind: str
    files: dict[str, Path] = field(default_factory=dict)
    shared: list[Path] = field(default_factory=list)

    def __str__(self) -> str:
        count = len(self.files) or len(self.shared)
        return f"{KINDS[self.kind]} ({count} file{'s' if count > 1 else ''})"


def find_labels(images: Sequence[str], root: Path, place: Path | None, kind: str | None) -> Labels:
    """The labels of the images below ``root``.

    They are looked for among the images, in folders beside ``root`` that are called so, and in the files beside it, or
    in ``place`` alone (a file or a folder). Of several files of an image's name its label is the one that lies nearest.

    Raises:
        DataError: none are found, or those of several kinds and ``kind`` does not say which to take.
    """
    found = _by_kind(images, _candidates(root, place))
    if kind is not None:
        found = {kind: found[kind]} if kind in found else {}
    if not found:
        what = "labels" if kind is None else f"labels of the kind {KINDS[kind]}"
        where = f"in {place}" if place is not None else f"among the images or beside {root}"
        legal = "a .txt, .xml or .json for each image, or a COCO json or CVAT xml for all"
        raise DataError(f"no {what} {where}", path=root, hint=f"--labels PATH says where they are; legal: {legal}")
    if len(found) > 1:
        listed = " and ".join(str(labels) for labels in found.values())
        raise DataError(f"has {listed}", path=root, hint=f"choose by --format {' or '.join(found)}")
    return next(iter(found.values()))


def _candidates(root: Path, place: Path | None) -> list[Path]:
    if place is not None:
        return _files_below(place) if place.is_dir() else [place]
    above = root.resolve().parent
    beside = sorted(path for path in above.iterdir() if path != root.resolve())
    found = _files_below(root)
    for path in beside:
        if path.is_dir() and path.name.lower() in _BESIDE:
            found += _files_below(path)
        elif path.suffix.lower() in (".json", ".xml") and path.is_file():
            found.append(path)
    return found


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _OF_ONE_IMAGE and path.is_file())


def _by_kind(images: Sequence[str], candidates: Iterable[Path]) -> dict[str, Labels]:
    stems = {Path(image).stem for image in images}
    own: dict[tuple[str, str], list[Path]] = defaultdict(list)
    found: dict[str, Labels] = {}
    for path in candidates:
        suffix = path.suffix.lower()
        if path.stem in stems:
            own[suffix, path.stem].append(path)
        elif (kind := _kind_of_shared(path, suffix)) is not None:
            found.setdefault(kind, Labels(kind)).shared.append(path)
    for suffix, kind in _OF_ONE_IMAGE.items():
        named = ((image, own.get((suffix, Path(image).stem))) for image in images)
        files = {image: _nearest(image, labels) for image, labels in named if labels}
        if files:
            found[kind] = Labels(kind, files)
    return found


def _kind_of_shared(path: Path, suffix: str) -> str | None:
    if suffix == ".xml":
        return "cvat" if is_cvat(path) else None
    if suffix != ".json":
        return None
    try:
        read_categories(path)
    except DataError:
        return None
    return "coco"


def _nearest(image: str, labels: Sequence[Path]) -> Path:
    """The label whose folders are most like the image's, counted from the top and from the bottom."""
    if len(labels) == 1:
        return labels[0]
    here = Path(image).resolve().parent.parts

    def alike(label: Path) -> int:
        there = label.resolve().parent.parts
        return len(os.path.commonprefix([here, there])) + len(os.path.commonprefix([here[::-1], there[::-1]]))

    return max(labels, key=alike)


def find_names(root: Path, labels: Labels) -> Path | None:
    """A file of class names beside the labels, among the images, or one folder higher; None where there is none.

    Where a folder has two that may be meant, neither is taken.
    """
    folders = sorted({file.parent for file in labels.files.values()} | {root})
    places = list(dict.fromkeys([*folders, *(folder.resolve().parent for folder in folders)]))
    taken = {file.resolve() for file in labels.files.values()}
    for pattern in _NAMES:
        for place in places:
            found = [path for path in place.glob(pattern) if path.resolve() not in taken and _has_names(path)]
            if len(found) == 1:
                return found[0]
    return None


def _has_names(path: Path) -> bool:
    try:
        return bool(read_names(path))
    except DataError:
        return False  # a yaml or data file of something else


def read_names(path: Path) -> tuple[str, ...]:
    """The class names of a file: one a line, or names= of a data file; raises DataError where it has none."""
    if path.suffix.lower() == ".data":
        data = read_dataset(path)
        names = data.names if data.has_names else ()
    elif path.suffix.lower() in (".yaml", ".yml"):
        names = _names_of_yaml(path)
    else:
        names = tuple(text for _, text in read_lines(path, "names"))
    if not names:
        raise DataError("names no class", path=path)
    return names


def _names_of_yaml(path: Path) -> tuple[str, ...]:
    """``names`` of another trainer's yaml, whose other keys do not matter."""
    import yaml

    try:
        top = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from None
    except yaml.YAMLError:
        raise DataError("is not valid yaml", path=path) from None
    names = top.get("names") if isinstance(top, dict) else None
    if isinstance(names, dict):
        names = [names.get(number) for number in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, (str, int)) for name in names):
        raise DataError("has no list of names", path=path)
    return tuple(str(name) for name in names)
