"""CVAT's xml of images: shapes become the boxes around them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from csptrain.datasets.cvat import is_cvat, read_cvat
from csptrain.errors import DataError

META = "<meta><task><labels><label><name>dog</name></label><label><name>cup</name></label></labels></task></meta>"


def write(folder: Path, shapes: str, meta: str = META) -> Path:
    path = folder / "annotations.xml"
    image = f'<image id="0" name="sub/a.jpg" width="100" height="50">\n{shapes}</image>'
    path.write_text(f'<?xml version="1.0"?>\n<annotations><version>1.1</version>{meta}{image}</annotations>')
    return path


@pytest.mark.parametrize(
    ("shape", "edges"),
    [
        ('<box label="cup" xtl="1.5" ytl="2" xbr="30" ybr="40" occluded="0"/>', (1.5, 2, 30, 40)),
        ('<box label="cup" xtl="10" ytl="10" xbr="30" ybr="20" rotation="90.0"/>', (15, 5, 25, 25)),
        ('<polygon label="cup" points="1,2;7.5,3;4,9"/>', (1, 2, 7.5, 9)),
        ('<ellipse label="cup" cx="20" cy="20" rx="5" ry="8"/>', (15, 12, 25, 28)),
        ('<mask label="cup" left="3" top="4" width="10" height="6" rle="1,2"/>', (3, 4, 13, 10)),
    ],
)
def test_a_shape_is_the_box_around_it(shape: str, edges: tuple[float, ...], tmp_path: Path) -> None:
    path = write(tmp_path, shape)
    names, images = read_cvat(path)
    assert names == ("dog", "cup")
    (mark,) = images["sub/a.jpg"].marks
    assert mark.edges == pytest.approx(edges)
    assert (images["sub/a.jpg"].size, mark.name, mark.line) == ((100, 50), "cup", 3)
    assert is_cvat(path)


def test_classes_without_a_list_are_those_of_the_shapes(tmp_path: Path) -> None:
    shapes = "".join(f'<box label="{name}" xtl="1" ytl="2" xbr="3" ybr="4"/>' for name in ("b", "a", "b"))
    assert read_cvat(write(tmp_path, shapes, meta=""))[0] == ("a", "b")


def test_attributes_are_no_shapes_and_points_no_boxes(tmp_path: Path) -> None:
    box = '<box label="cup" xtl="1" ytl="2" xbr="3" ybr="4"><attribute name="box">1</attribute></box>'
    image = read_cvat(write(tmp_path, f'{box}<points label="dog" points="1,2"/>'))[1]["sub/a.jpg"]
    assert len(image.marks) == 1
    assert image.passed_over == ("line 3: 'dog' is a points, not a box: left out",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation/>", "begins with <annotation>"),
        ("<annotations>", "is not valid XML"),
        ("<annotations/>", "lists no image"),
        ('<annotations><track id="0"/></annotations>', "in CVAT's format for video .*CVAT for images"),
        ('<annotations><image name="a"/></annotations>', "lacks its name, width or height"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "declares an entity"),
        ("<annotations>" + "<a>" * 200, "is nested too deeply"),
    ],
)
def test_a_broken_file_is_told(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_cvat(path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<box label="cup" xtl="1" ytl="2" xbr="3"/>', r"annotations\.xml:3: ybr='' is no number"),
        ('<box label="cup" xtl="nan" ytl="2" xbr="3" ybr="4"/>', "xtl='nan' is no number"),
        ('<polygon label="cup" points="1,2;3"/>', "are no polygon"),
    ],
)
def test_a_broken_shape_is_told_with_its_line(shape: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_cvat(write(tmp_path, shape))


def test_other_files_are_not_cvats(tmp_path: Path) -> None:
    for text in ("", "no xml", "<annotation><object/></annotation>"):
        (tmp_path / "x.xml").write_text(text)
        assert not is_cvat(tmp_path / "x.xml")
    assert not is_cvat(tmp_path / "gone.xml")


def test_a_file_that_is_none_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.xml")
    with pytest.raises(DataError, match="is no file"):
        read_cvat(tmp_path / "x.xml")
