"""The smallest things to train: a cfg of a few layers, and a handful of images that it can learn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

COLOURS = ((230, 40, 40), (40, 60, 230))
NAMES = ("red", "blue")


def convolutional(filters: int, activation: str) -> str:
    """A section that halves the size."""
    return f"[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize=3\nstride=2\npad=1\nactivation={activation}\n"


def cfg(
    *,
    batch: int = 4,
    subdivisions: int = 2,
    learning_rate: float = 0.01,
    burn_in: int = 3,
    max_batches: int = 12,
    net: str = "",
    middle: str = "",
    yolo: str = "",
) -> str:
    """A detector of 32x32 pixels, 2 classes and 4x4 cells; ``net``, ``middle`` and ``yolo`` are further lines."""
    return f"""[net]
batch={batch}
subdivisions={subdivisions}
width=32
height=32
channels=3
learning_rate={learning_rate}
momentum=0.9
decay=0.0005
burn_in={burn_in}
max_batches={max_batches}
policy=steps
steps={max_batches * 3 // 4}
scales=.1
{net}
{convolutional(8, "leaky")}
{convolutional(16, "mish")}{middle}
{convolutional(24, "leaky")}
[convolutional]
size=1
stride=1
pad=1
filters=14
activation=linear

[yolo]
mask=0,1
anchors=8,8, 16,16
classes=2
num=2
iou_loss=ciou
iou_normalizer=0.07
ignore_thresh=.7
{yolo}
"""


def write_images(folder: Path, count: int) -> list[Path]:
    """Write ``count`` images of 48x40 pixels with a red or blue box each, and their label files."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    paths = []
    for number in range(count):
        image = rng.integers(90, 130, (40, 48, 3)).astype(np.uint8)
        width, height = rng.integers(12, 24, 2)
        left, top = rng.integers(0, 48 - width), rng.integers(0, 40 - height)
        image[top : top + height, left : left + width] = COLOURS[number % 2]
        path = folder / f"{number:02d}.png"
        cv2.imwrite(str(path), image[:, :, ::-1])
        box = ((left + width / 2) / 48, (top + height / 2) / 40, width / 48, height / 40)
        path.with_suffix(".txt").write_text(f"{number % 2} " + " ".join(f"{value:.6f}" for value in box) + "\n")
        paths.append(path)
    return paths


def write_set(folder: Path, count: int = 6) -> Path:
    """Write images, list, names and ``tiny.data`` into ``folder``; the data file's path."""
    images = write_images(folder / "images", count)
    (folder / "list.txt").write_text("".join(f"{path}\n" for path in images))
    (folder / "tiny.names").write_text("".join(f"{name}\n" for name in NAMES))
    data = folder / "tiny.data"
    data.write_text(
        f"classes=2\ntrain={folder}/list.txt\nvalid={folder}/list.txt\nnames={folder}/tiny.names\n"
        f"backup={folder}/backup\nresults={folder}/results\n"
    )
    return data
