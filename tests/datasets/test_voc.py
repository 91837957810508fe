"""VOC's annotations: boxes in its pixels, difficult objects, lists and folders, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csptrain.cfg.dataset import read_dataset
from csptrain.datasets.lists import Samples
from csptrain.datasets.sources import read_split, read_split_images
from csptrain.datasets.voc import read_annotation
from csptrain.errors import DataError

NAMES = ("cat", "dog")


def thing(name: str, edges: tuple[float, float, float, float], difficult: int = 0, extra: str = "") -> str:
    left, top, right, bottom = edges
    return (
        f"<object><name>{name}</name><pose>Left</pose><difficult>{difficult}</difficult>{extra}\n"
        f"<bndbox><xmax>{right}</xmax><xmin>{left}</xmin><ymin>{top}</ymin><ymax>{bottom}</ymax></bndbox></object>\n"
    )


PART = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
SIZE = "<size><width>100</width><height>50</height><depth>3</depth></size>\n"


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """A VOC folder with three images, the second with objects, and a data file beside it."""
    root = tmp_path / "VOC2007"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for stem in ("000001", "000002", "000003"):
        (root / f"JPEGImages/{stem}.jpg").touch()
        (root / f"Annotations/{stem}.xml").write_text(f"<annotation>{SIZE}</annotation>")
    things = thing("dog", (11, 6, 31, 16), extra=PART) + thing("cat", (1, 1, 100, 50), difficult=1)
    (root / "Annotations/000002.xml").write_text(f"<annotation>\n{SIZE}{things}</annotation>")
    (root / "ImageSets/Main/test.txt").write_text("000002\n000001\n")
    (root / "ImageSets/Main/dog_test.txt").write_text("000002  1\n000001 -1\n")
    (tmp_path / "x.names").write_text("cat\ndog\n")
    return root


def read(voc: Path, valid: str, **more: str) -> Samples:
    path = voc.parent / "x.data"
    keys = {"names": "x.names", "valid": valid, **more}
    path.write_text("".join(f"{key}={value}\n" for key, value in keys.items()))
    return read_split(read_dataset(path), "valid")


@pytest.mark.parametrize("source", ["VOC2007/ImageSets/Main/test.txt", "VOC2007/ImageSets/Main/dog_test.txt"])
def test_a_list_of_voc(voc: Path, source: str) -> None:
    samples = read(voc, source)
    assert [Path(image).name for image in samples.images] == ["000002.jpg", "000001.jpg"]
    np.testing.assert_allclose(samples.truth(0), [[0.20, 0.2, 0.2, 0.2, 1]], rtol=1e-6)
    np.testing.assert_allclose(samples.difficult(0), [[0.495, 0.49, 0.99, 0.98, 0]], rtol=1e-6)
    assert samples.truth(1).shape == samples.difficult(1).shape == (0, 5)
    objects = samples.objects
    assert objects is not None
    assert objects.boxes.tolist() == [[10, 5, 20, 10], [0, 0, 99, 49]]
    assert objects.difficult.tolist() == [False, True]
    assert samples.unlabelled == 0


def test_a_folder_of_voc_and_one_of_its_images(voc: Path) -> None:
    assert [Path(image).stem for image in read(voc, "VOC2007").images] == ["000001", "000002", "000003"]
    assert len(read(voc, "VOC2007").rows) == len(read(voc, "VOC2007/JPEGImages").rows) == 1
    listed = voc.parent / "some.txt"
    listed.write_text("VOC2007/JPEGImages/000002.jpg\nVOC2007/JPEGImages/000003.jpg\n")
    (voc / "Annotations/000003.xml").unlink()
    samples = read(voc, "some.txt")
    assert (len(samples.rows), len(samples.hard_rows), samples.unlabelled) == (1, 1, 1)


def test_label_files_go_before_annotations(voc: Path) -> None:
    (voc / "labels").mkdir()
    (voc / "labels/000001.txt").write_text("0 .5 .5 .5 .5\n")
    samples = read(voc, "VOC2007/JPEGImages")
    assert samples.objects is None and samples.rows[:, 4].tolist() == [0]


def test_images_elsewhere_and_without_truths(voc: Path) -> None:
    (voc / "JPEGImages").rename(voc.parent / "pictures")
    samples = read(voc, "VOC2007/ImageSets/Main/test.txt", images="pictures")
    assert Path(samples.images[0]) == voc.parent / "pictures/000002.jpg" and len(samples.rows) == 1
    (voc / "Annotations/000002.xml").unlink()
    assert len(read_split_images(read_dataset(voc.parent / "x.data"), "valid")) == 2


def test_difficult_objects_of_darknets_lists(tmp_path: Path) -> None:
    for folder in ("a", "hard"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a/1.jpg").touch()
    (tmp_path / "a/1.txt").write_text("0 .5 .5 .2 .2\n")
    (tmp_path / "hard/1.txt").write_text("1 .25 .5 .2 .2\n")
    (tmp_path / "v.txt").write_text("a/1.jpg\n")
    (tmp_path / "h.txt").write_text("hard/1.jpg\n")
    (tmp_path / "x.data").write_text("classes=2\ntrain=v.txt\nvalid=v.txt\ndifficult=h.txt\n")
    data = read_dataset(tmp_path / "x.data")
    np.testing.assert_allclose(read_split(data, "valid").difficult(0), [[0.25, 0.5, 0.2, 0.2, 1]])
    assert len(read_split(data, "train").hard_rows) == 0
    (tmp_path / "h.txt").write_text("hard/1.jpg\nhard/2.jpg\n")
    with pytest.raises(DataError, match=r"h\.txt: lists 2 images, .*v\.txt 1"):
        read_split(data, "valid")


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("<name>dog</name>", "<name>cow</name>", 3, "'cow' is none of the classes.*cat, dog"),
        ("<xmin>11</xmin>", "", 4, "an object has no xmin"),
        ("<xmin>11</xmin>", "<xmin>eleven</xmin>", 4, "xmin 'eleven' is no number"),
        ("<width>100</width>", "<width>0</width>", 2, "has no width"),
        ("</annotation>", "", 7, "is not valid XML"),
        ("<annotation>", '<!DOCTYPE a [<!ENTITY b "c">]><annotation>', None, "declares an entity"),
    ],
)
def test_an_annotation_that_cannot_be_used(voc: Path, old: str, new: str, line: int | None, words: str) -> None:
    path = voc / "Annotations/000002.xml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=words) as caught:
        read_annotation(path, NAMES)
    assert (caught.value.path, caught.value.line) == (str(path), line)


def test_an_image_that_is_missing(voc: Path) -> None:
    (voc / "JPEGImages/000001.jpg").unlink()
    with pytest.raises(DataError, match=r"test\.txt:2: the image 000001 is not in .*JPEGImages"):
        read(voc, "VOC2007/ImageSets/Main/test.txt")
    for file in (voc / "Annotations").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="no image has an annotation"):
        read(voc, "VOC2007/ImageSets/Main/dog_test.txt", images=str(_pictures(voc)))


def _pictures(voc: Path) -> Path:
    (voc / "JPEGImages/000001.jpg").touch()
    return voc / "JPEGImages"
