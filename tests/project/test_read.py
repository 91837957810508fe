"""Whatever the labels are written in, the boxes are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csptrain.datasets.lists import read_images
from csptrain.errors import DataError
from csptrain.project.find import find_labels, find_names, read_names
from csptrain.project.read import Labelled, read_labelled
from tests.project import labelled
from tests.project.labelled import BOXES, HEIGHT, NAMES, WIDTH


def read(root: Path, place: Path | None = None, kind: str | None = None) -> Labelled:
    images = read_images(root)
    labels = find_labels(images, root, place, kind)
    file = find_names(root, labels) if labels.kind == "yolo" else None
    return read_labelled(images, root, labels, None if file is None else read_names(file))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    labelled.write_pictures(tmp_path / "images")
    return tmp_path / "images"


@pytest.mark.parametrize("kind", labelled.WRITERS)
def test_every_kind_gives_the_same_boxes_and_names(kind: str, root: Path) -> None:
    labelled.WRITERS[kind](root)
    found = read(root)
    assert found.names == NAMES
    assert [Path(image).stem for image in found.samples.images] == list(BOXES)
    for index, boxes in enumerate(BOXES.values()):
        expected = [
            (
                (left + right) / 2 / WIDTH,
                (top + bottom) / 2 / HEIGHT,
                (right - left) / WIDTH,
                (bottom - top) / HEIGHT,
                k,
            )
            for k, left, top, right, bottom in boxes
        ]
        np.testing.assert_allclose(sorted(found.samples.truth(index).tolist()), sorted(expected), atol=1e-6)


def test_two_kinds_ask_for_a_choice(root: Path) -> None:
    labelled.yolo(root)
    labelled.labelme(root)
    with pytest.raises(DataError, match=r"YOLO txt \(5 files\) and LabelMe json \(5 files\).*--format yolo or labelme"):
        read(root)
    assert read(root, kind="labelme").names == NAMES
    with pytest.raises(DataError, match="no labels of the kind CVAT xml"):
        read(root, kind="cvat")


def test_no_labels_say_where_they_were_looked_for(root: Path) -> None:
    with pytest.raises(DataError, match="no labels among the images or beside .*--labels PATH"):
        read(root)


def test_a_place_is_looked_at_alone(root: Path, tmp_path: Path) -> None:
    labelled.coco(root)
    (tmp_path / "instances.json").rename(tmp_path / "elsewhere.js.json")
    elsewhere = tmp_path / "far" / "away"
    elsewhere.mkdir(parents=True)
    (tmp_path / "elsewhere.js.json").rename(elsewhere / "set.json")
    with pytest.raises(DataError, match="no labels"):
        read(root)
    assert len(read(root, elsewhere).samples.rows) == 7
    assert len(read(root, elsewhere / "set.json").samples.rows) == 7


def test_images_of_one_name_take_the_label_that_lies_nearest(tmp_path: Path) -> None:
    for layout in (("images/{}", "labels/{}"), ("{}/images", "{}/labels")):
        root = tmp_path / layout[0][0]
        for number, part in enumerate(("train", "val")):
            folder, labels = (root / place.format(part) for place in layout)
            labelled.write_pictures(folder)
            labels.mkdir(parents=True)
            (labels / "a.txt").write_text(f"{number} .5 .5 .1 .1\n")
        where = root / "images" if layout[0].startswith("images") else root
        found = read(where)
        assert [int(row[4]) for row in found.samples.rows] == [0, 1]
        assert ["train" in image for image in found.samples.images] == [True, False]
        assert len(found.unlabelled) == 8


def test_labels_without_names_are_numbers(root: Path) -> None:
    labelled.yolo(root)
    (root / "classes.txt").unlink()
    found = read(root)
    assert (found.names, found.classes) == (None, 3)


def test_names_that_are_too_few_point_at_the_label(root: Path) -> None:
    labelled.yolo(root)
    (root / "classes.txt").write_text("ball\ncup\n")
    with pytest.raises(DataError, match=r"c\.txt:1: class 2 is not one of 0\.\.1"):
        read(root)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("obj.names", "ball\ncup\ndog\n"),
        ("x.names", "ball\ncup\ndog\n"),
        ("data.yaml", "train: ../a\nroboflow:\n  version: 1\nnames: [ball, cup, dog]\n"),
        ("data.yaml", "names:\n  0: ball\n  1: cup\n  2: dog\n"),
        ("x.data", "classes=3\nnames=x.names\n"),
    ],
)
def test_names_are_found_above_the_images(file: str, text: str, root: Path) -> None:
    labelled.yolo(root)
    (root / "classes.txt").unlink()
    (root.parent / file).write_text(text)
    if file == "x.data":
        (root.parent / "x.names").write_text("ball\ncup\ndog\n")
    assert read(root).names == NAMES


def test_two_files_of_names_are_none(root: Path) -> None:
    labelled.yolo(root)
    (root / "classes.txt").unlink()
    for name in ("x.names", "y.names"):
        (root.parent / name).write_text("ball\ncup\ndog\n")
    assert read(root).names is None


def test_names_given_must_hold_all_classes(root: Path) -> None:
    labelled.voc(root)
    images = read_images(root)
    labels = find_labels(images, root, None, None)
    assert read_labelled(images, root, labels, ("dog", "cup", "ball")).samples.truth(3)[0, 4] == 2
    with pytest.raises(DataError, match=r"'dog' is none of the classes \(classes: ball, cup\)"):
        read_labelled(images, root, labels, ("ball", "cup"))


def test_a_set_of_other_images_is_told(root: Path) -> None:
    labelled.cvat(root)
    file = root.parent / "annotations.xml"
    file.write_text(file.read_text().replace(".png", ".jpg"))
    with pytest.raises(DataError, match=r"none of its 5 images is below .*the first is a\.jpg"):
        read(root)


def test_labels_without_a_box_are_told(root: Path) -> None:
    (root / "a.txt").write_text("")
    with pytest.raises(DataError, match="no label holds a box"):
        read(root)
