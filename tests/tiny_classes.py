"""The smallest classifier to train, and a handful of images by class that it can learn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tests.tiny import convolutional

COLOURS = {"red": (230, 40, 40), "blue": (40, 60, 230), "green": (40, 200, 60)}


def cfg(*, batch: int = 4, learning_rate: float = 0.05, max_batches: int = 12, net: str = "") -> str:
    """A classifier of 24x24 pixels and 10 classes; ``net`` is further lines of [net]."""
    return f"""[net]
batch={batch}
subdivisions=2
width=24
height=24
channels=3
min_crop=24
max_crop=32
angle=7
hue=.02
saturation=.75
exposure=.75
aspect=.75
momentum=0.9
decay=0.0005
learning_rate={learning_rate}
burn_in=3
max_batches={max_batches}
policy=poly
power=4
{net}
{convolutional(8, "leaky")}
{convolutional(16, "leaky")}
[avgpool]

[convolutional]
filters=10
size=1
stride=1
pad=1
activation=linear

[softmax]
groups=1
"""


def write_folders(folder: Path, each: int = 4) -> None:
    """``folder/<class>/NN.png``: ``each`` images of about 40x30 pixels for each class, of its colour on grey."""
    rng = np.random.default_rng(2)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            height, width = rng.integers(28, 44, 2)
            image = rng.integers(90, 130, (height, width, 3)).astype(np.uint8)
            image[height // 4 : -height // 4, width // 4 : -width // 4] = colour
            cv2.imwrite(str(folder / name / f"{number:02d}.png"), image[:, :, ::-1])


def write_set(folder: Path, valid: int = 2) -> Path:
    """Write ``train`` and ``val`` by class, names, ``classes.data`` and ``classes.cfg``; the data file's path.

    ``val`` has ``valid`` images for each class.
    """
    write_folders(folder / "train")
    write_folders(folder / "val", valid)
    (folder / "classes.names").write_text("".join(f"{name}\n" for name in COLOURS))
    (folder / "classes.cfg").write_text(cfg())
    data = folder / "classes.data"
    data.write_text(
        f"classes=3\ntrain={folder}/train\nvalid={folder}/val\nnames={folder}/classes.names\ntop=2\n"
        f"backup={folder}/backup\nresults={folder}/results\n"
    )
    return data
