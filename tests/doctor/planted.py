"""A data set without a fault, and the ways to spoil it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

NAMES = ("red", "blue")
WIDTH, HEIGHT = 64, 48
Box = tuple[int, float, float, float, float]


class DataSet:
    """A folder with images/, labels/, train.txt, valid.txt, names and x.data; pictures are noise, each another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("images", "labels"):
            (folder / name).mkdir(parents=True)
        self.train = [self.add(f"train{number}") for number in range(12)]
        self.valid = [self.add(f"valid{number}") for number in range(4)]
        (folder / "x.names").write_text("\n".join(NAMES))
        self.data = folder / "x.data"
        self.write_data()
        self.write_lists()

    def add(self, name: str, suffix: str = ".png") -> str:
        """An image with a box of either class; its path as a list has it."""
        number = sum(name.encode()) * 31 + len(name)
        image = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        path = self.folder / f"images/{name}{suffix}"
        cv2.imwrite(str(path), image)
        self.label(name, [(0, 0.3, 0.3, 0.25, 0.3), (1, 0.7, 0.6, 0.3, 0.4)])
        return str(path)

    def image(self, name: str) -> Path:
        """The PNG of a name."""
        return self.folder / f"images/{name}.png"

    def label_file(self, name: str) -> Path:
        """The label file of a name."""
        return self.folder / f"labels/{name}.txt"

    def label(self, name: str, boxes: Iterable[Box]) -> None:
        """Write the boxes of an image."""
        self.label_file(name).write_text("".join(f"{' '.join(map(str, box))}\n" for box in boxes))

    def append(self, name: str, line: str) -> None:
        """Add a line to the label file of an image; it becomes line 3."""
        with self.label_file(name).open("a") as stream:
            stream.write(line + "\n")

    def write_data(self, classes: int = len(NAMES), valid: str = "valid.txt") -> None:
        """Write x.data."""
        self.data.write_text(
            f"classes={classes}\ntrain={self.folder}/train.txt\nvalid={self.folder}/{valid}\n"
            f"names={self.folder}/x.names\n"
        )

    def write_lists(self, train: Sequence[str] = (), valid: Sequence[str] = ()) -> None:
        """Write the lists, with further lines."""
        for name, lines in (("train", [*self.train, *train]), ("valid", [*self.valid, *valid])):
            (self.folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))


def exif(orientation: int) -> bytes:
    """An APP1 segment of a JPEG that says how it is to be turned."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
