"""What the tables are tried on: crops of boxes as a set for classifiers."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain.cfg.dataset import read_dataset
from csptrain.datasets.class_list import class_labels, read_class_list
from csptrain.errors import DataError
from csptrain.paper.smoke import ensure_crops

COLOURS = {"red": (230, 40, 40), "blue": (40, 60, 230)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "boxes"
    (folder / "images").mkdir(parents=True)
    lines = []
    for number in range(4):
        image = np.full((60, 80, 3), 128, np.uint8)
        image[10:30, 10:30] = COLOURS["red"]
        image[30:50, 40:70] = COLOURS["blue"]
        cv2.imwrite(str(folder / f"images/{number}.png"), image[..., ::-1])
        labels = "0 0.25 0.3333333 0.25 0.3333333\n1 0.6875 0.6666667 0.375 0.3333333\n0 0.9 0.9 0.05 0.05\n"
        (folder / f"images/{number}.txt").write_text(labels)
        lines.append(f"images/{number}.png\n")
    (folder / "list.txt").write_text("".join(lines))
    (folder / "set.names").write_text("red\nblue\n")
    (folder / "set.data").write_text("classes=2\ntrain=list.txt\nvalid=list.txt\nnames=set.names\n")
    return folder / "set.data"


def test_every_box_is_a_crop_in_the_folder_of_its_class(source: Path, tmp_path: Path) -> None:
    data = read_dataset(ensure_crops(source, tmp_path / "crops"))
    for split in (data.train, data.valid):
        assert split is not None
        listed = read_class_list(split, class_labels(data))
        # The third box of each image is too small to show anything.
        assert np.bincount(listed.classes).tolist() == [4, 4]
        for image, label in zip(listed.images, listed.classes, strict=True):
            pixels = cv2.imread(image)
            assert pixels is not None and pixels.shape == (96, 96, 3)
            middle = pixels[48, 48, ::-1]
            assert tuple(middle) == tuple(COLOURS.values())[label]


def test_crops_are_cut_once(source: Path, tmp_path: Path) -> None:
    file = ensure_crops(source, tmp_path / "crops")
    before = file.stat().st_ino
    assert ensure_crops(source, tmp_path / "crops").stat().st_ino == before
    source.write_text(source.read_text() + "# other\n")
    later = source.stat().st_mtime + 10
    os.utime(source, (later, later))
    assert ensure_crops(source, tmp_path / "crops").stat().st_ino != before


def test_a_folder_in_use_is_left_alone(source: Path, tmp_path: Path) -> None:
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops/mine").write_text("")
    with pytest.raises(DataError, match="the folder is in use"):
        ensure_crops(source, tmp_path / "crops")
    assert (tmp_path / "crops/mine").exists()
