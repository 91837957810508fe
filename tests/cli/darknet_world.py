"""A folder in which a command line of the field finds every file that it names, as small as can be."""

from __future__ import annotations

import shlex
from pathlib import Path

import cv2
import numpy as np

from csptrain.formats.darknet import load, save_weights
from tests import tiny, tiny_classes
from tests.live.film import write_film

_VIDEOS = (".mp4", ".avi", ".webm", ".mkv")
_PICTURES = (".jpg", ".png")


def furnish(line: str) -> tuple[list[str], str]:
    """Make the files of a line in the working directory; its words after the program, and what it reads as input."""
    command, _, rest = line.partition("<")
    words = shlex.split(command.partition(">")[0])[1:]
    listed = rest.partition(">")[0].strip()
    classifies = words[0] in ("classifier", "classify")
    for word in [*words, *([listed] if listed else [])]:
        path = Path(word)
        if path.is_absolute() or "://" in word or path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, word, classifies)
    if words[0] == "detect":
        _write_data(Path("cfg/coco.data"), classifies=False)
    elif words[0] == "classify":
        _write_data(Path("cfg/imagenet1k.data"), classifies=True)
    if not listed:
        return words, ""
    tiny.write_images(Path("new"), 2)
    for label in Path("new").glob("*.txt"):
        label.unlink()
    return words, "new/00.png\nnew/01.png\n"


def _write(path: Path, word: str, classifies: bool) -> None:
    """The file or folder that a word names."""
    if path.suffix == ".data":
        _write_data(path, classifies)
    elif path.suffix == ".cfg":
        path.write_text(tiny_classes.cfg() if classifies else tiny.cfg(max_batches=40))
    elif path.suffix == ".names":
        path.write_text("".join(f"{name}\n" for name in tiny.NAMES))
    elif path.suffix == ".txt":
        pictures = tiny.write_images(path.parent / f"{path.stem}-pictures", 2)
        path.write_text("".join(f"{picture.absolute()}\n" for picture in pictures))
    elif word.endswith("/") or "*" in path.name:
        tiny.write_images(path if word.endswith("/") else path.parent, 6)
    elif path.suffix in (".weights", ".backup") or ".conv." in path.name:
        _write_weights(path, classifies)
    elif path.suffix in _PICTURES:
        cv2.imwrite(str(path), np.full((40, 48, 3), 128, np.uint8))
    elif path.suffix in _VIDEOS:
        write_film(path if path.suffix == ".avi" else path.with_suffix(".avi"), 3).replace(path)


def _write_data(path: Path, classifies: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if classifies:
        if not Path("classes").exists():
            tiny_classes.write_folders(Path("classes"), each=2)
        names = [*tiny_classes.COLOURS, *(f"other{number}" for number in range(7))]
        Path("labels.txt").write_text("".join(f"{name}\n" for name in names))
        path.write_text(
            "classes=10\ntrain=classes\nvalid=classes\ntest=classes\nlabels=labels.txt\nnames=labels.txt\n"
            "backup=backup\ntop=2\n"
        )
        return
    if not Path("set").exists():
        tiny.write_set(Path("set").absolute(), count=4)
    test = Path("set/list.txt").absolute()
    path.write_text(Path("set/tiny.data").read_text() + f"test={test}\n")


def _write_weights(path: Path, classifies: bool) -> None:
    source = Path("source.cfg")
    source.write_text(tiny_classes.cfg() if classifies else tiny.cfg())
    network = load(source)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_weights(network, path)  # of *.conv.N too: the tiny network has fewer than N layers
