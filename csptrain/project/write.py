"""The folder of a project: links to the pictures, labels, lists, names, data file and cfg."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from csptrain.datasets.lists import Samples
from csptrain.datasets.made import new_folder, refuse_used

_IMAGES = "images"


@dataclass(frozen=True)
class Contents:
    """What goes into a project: its pictures with their boxes, the part of each, class names, cfg and read-me."""

    samples: Samples
    parts: tuple[str, ...]
    names: tuple[str, ...]
    cfg: str
    readme: str


def write_project(folder: Path, contents: Contents, root: Path, copy: bool) -> None:
    """Make the folder as a whole or not at all; the pictures below ``root`` are linked to, or copied.

    Paths in the data file and the lists begin with the folder's name: they hold from the folder above (Darknet knows no
    other way) and, for csptrain, from anywhere.

    Raises:
        DataError: the folder is in use, or cannot be written.
    """
    refuse_used(folder)
    name = folder.name
    with new_folder(folder) as fresh:
        (fresh / _IMAGES).mkdir(parents=True)
        stems = _stems(contents.samples.images, root)
        for index, (image, stem) in enumerate(zip(contents.samples.images, stems, strict=True)):
            picture = fresh / _IMAGES / f"{stem}{Path(image).suffix.lower()}"
            _place(Path(image), picture, copy)
            picture.with_suffix(".txt").write_text(_label(contents.samples, index), encoding="utf-8")
        for part, files in _lists(name, contents, stems).items():
            (fresh / f"{part}.txt").write_text("".join(f"{file}\n" for file in files), encoding="utf-8")
        (fresh / f"{name}.names").write_text("".join(f"{word}\n" for word in contents.names), encoding="utf-8")
        (fresh / f"{name}.data").write_text(_data(folder, contents), encoding="utf-8")
        (fresh / f"{name}.cfg").write_text(contents.cfg, encoding="utf-8", errors="surrogateescape")
        (fresh / "README.md").write_text(contents.readme, encoding="utf-8")


def _stems(images: Sequence[str], root: Path) -> list[str]:
    """A name for each image: its own, with the folders before it where images of several have the same."""
    short = [Path(image).stem for image in images]
    often = Counter(short)
    stems: list[str] = []
    taken: set[str] = set()
    for image, stem in zip(images, short, strict=True):
        if often[stem] > 1:
            stem = "_".join(Path(os.path.relpath(image, root)).with_suffix("").parts)
        wanted, number = stem, 2
        while stem in taken:  # a.jpg and a.png in one folder
            stem, number = f"{wanted}_{number}", number + 1
        taken.add(stem)
        stems.append(stem)
    return stems


def _place(image: Path, picture: Path, copy: bool) -> None:
    if not copy:
        try:
            picture.symlink_to(image.resolve())
        except (OSError, NotImplementedError):  # a file system, or a Windows, without links
            copy = True
    if copy:
        shutil.copyfile(image, picture)


def _label(samples: Samples, index: int) -> str:
    rows = samples.truth(index).tolist()
    return "".join(f"{int(label)} {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n" for x, y, w, h, label in rows)


def _lists(name: str, contents: Contents, stems: Sequence[str]) -> Mapping[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for image, stem, part in zip(contents.samples.images, stems, contents.parts, strict=True):
        lists.setdefault(part, []).append(f"{name}/{_IMAGES}/{stem}{Path(image).suffix.lower()}")
    return lists


def _data(folder: Path, contents: Contents) -> str:
    name = folder.name
    parts = [part for part in ("train", "valid", "test") if part in contents.parts]
    lines = [f"classes = {len(contents.names)}", *(f"{part} = {name}/{part}.txt" for part in parts)]
    lines += [f"names = {name}/{name}.names", f"backup = {folder / 'backup'}", f"results = {folder / 'results'}"]
    return "".join(f"{line}\n" for line in lines)
