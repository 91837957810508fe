"""Lists, the label path rule, and label lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csptrain.datasets.lists import Finding, label_candidates, read_images, read_label, read_samples
from csptrain.errors import DataError


def make(folder: Path, images: dict[str, str | None]) -> Path:
    """A list of empty image files, each with the label text given for it, or none."""
    for name, label in images.items():
        (folder / name).touch()
        if label is not None:
            (folder / name).with_suffix(".txt").write_text(label)
    (folder / "list.txt").write_text("# images\n" + "".join(f"{name}\r\n" for name in images))
    return folder / "list.txt"


@pytest.mark.parametrize(
    ("image", "first"),
    [
        ("/d/images/train2017/1.jpg", "/d/labels/train2017/1.txt"),
        ("VOC2007/JPEGImages/1.JPG", "VOC2007/labels/1.txt"),
        ("images/1.png", "labels/1.txt"),
        ("data/obj/a.b.jpg", "data/obj/a.b.txt"),
    ],
)
def test_label_rule(image: str, first: str) -> None:
    candidates = label_candidates(image)
    assert candidates[0] == first
    assert candidates[-1] == image[: image.rindex(".")] + ".txt"


def test_reads_list_and_labels(tmp_path: Path) -> None:
    source = make(tmp_path, {"a.jpg": "1 .5 .25 .2 .1\n0 0.1 0.2 0.3 0.4\n", "b.jpg": "", "c.jpg": None})
    samples = read_samples(source, 2)
    assert len(samples) == 3
    assert samples.unlabelled == 1
    np.testing.assert_array_equal(
        samples.truth(0), np.array([[0.5, 0.25, 0.2, 0.1, 1], [0.1, 0.2, 0.3, 0.4, 0]], np.float32)
    )
    assert samples.truth(1).shape == samples.truth(2).shape == (0, 5)


def test_labels_are_found_in_the_labels_folder(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "images/a.jpg").touch()
    (tmp_path / "labels/a.txt").write_text("0 .5 .5 .5 .5")
    assert read_samples(tmp_path / "images", 1).rows.shape == (1, 5)


def test_no_label_at_all_names_the_rule(tmp_path: Path) -> None:
    source = make(tmp_path, {"a.jpg": None})
    with pytest.raises(DataError, match=r"a\.txt"):
        read_samples(source, 1)
    assert read_samples(source, 1, need_labels=False).unlabelled == 1


def test_missing_image_names_the_line(tmp_path: Path) -> None:
    source = make(tmp_path, {"a.jpg": ""})
    source.write_text("a.jpg\n\nb.jpg\n")
    with pytest.raises(DataError, match=r"list\.txt:3: the image b\.jpg does not exist"):
        read_images(source)


def test_empty_list(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(DataError, match="names no image"):
        read_images(tmp_path / "list.txt")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        read_images(tmp_path / "folder")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("3 .5 .5 .1 .1", r"class 3 is not one of 0\.\.2"),
        ("-1 .5 .5 .1 .1", "class -1 is not"),
        ("1.0 .5 .5 .1 .1", "class 1.0 is not"),
        ("0 .5 .5 .1", "4 values where 5"),
        ("0 .5 .5 .1 .1 .2 .2 .3 .3", "polygons"),
        ("0 .5 nan .1 .1", "not finite"),
        ("0 .5 0,5 .1 .1", "is not class x y w h"),
    ],
)
def test_bad_label_line(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"0 .5 .5 .1 .1\n{line}\n")
    with pytest.raises(DataError, match=words) as caught:
        read_label(path, 3, [])
    assert (caught.value.path, caught.value.line) == (str(path), 2)


def test_boxes_that_are_corrected(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("0 1.5 .5 .1 .1\n0 .5 .5 0 .1\n0 .5 .5 1.2 .1\n0 1 0 .1 .1\n")
    findings: list[Finding] = []
    rows = read_label(path, 1, findings)
    np.testing.assert_array_equal(rows, np.array([[0.5, 0.5, 1, 0.1, 0], [1, 0, 0.1, 0.1, 0]], np.float32))
    assert [finding.line for finding in findings] == [1, 2, 3]
    assert str(findings[0]).startswith(f"{path}:1: left out, its centre")
