"""LabelMe's shapes become the boxes around them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain.datasets.labelme import read_labelme
from csptrain.datasets.marked import marked_samples
from csptrain.errors import DataError


def write(folder: Path, shapes: object, **more: object) -> Path:
    path = folder / "a.json"
    path.write_text(json.dumps({"shapes": shapes, "imageWidth": 100, "imageHeight": 50, **more}))
    return path


def shape(kind: str | None, *points: tuple[float, float], label: str = "cup") -> dict[str, object]:
    return {"label": label, "points": points, **({} if kind is None else {"shape_type": kind})}


@pytest.mark.parametrize(
    ("one", "edges"),
    [
        (shape("rectangle", (30, 40), (10, 5)), (10, 5, 30, 40)),
        (shape("polygon", (1, 2), (7, 3), (4, 9)), (1, 2, 7, 9)),
        (shape(None, (1, 2), (7, 3), (4, 9)), (1, 2, 7, 9)),
        (shape("circle", (20, 20), (23, 24)), (15, 15, 25, 25)),
    ],
)
def test_a_shape_is_the_box_around_it(one: dict[str, object], edges: tuple[float, ...], tmp_path: Path) -> None:
    found = read_labelme(write(tmp_path, [one]), "")
    assert (found.size, found.marks[0].name, found.marks[0].edges) == ((100, 50), "cup", edges)


def test_points_and_lines_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, [shape("point", (1, 1)), shape("line", (0, 0), (9, 9)), shape("rectangle", (0, 0), (9, 9))])
    found = read_labelme(path, "")
    assert len(found.marks) == 1
    samples = marked_samples(tmp_path, ["a.png"], [found], ["cup"])
    assert [finding.message for finding in samples.findings] == [
        "shape 1 'cup' is a point, not a box: left out",
        "shape 2 'cup' is a line, not a box: left out",
    ]


def test_boxes_are_cut_at_the_edge_and_dropped_outside(tmp_path: Path) -> None:
    path = write(tmp_path, [shape("rectangle", (-20, 10), (20, 60)), shape("rectangle", (200, 0), (210, 9))])
    samples = marked_samples(tmp_path, ["a.png"], [read_labelme(path, "")], ["cup"])
    np.testing.assert_allclose(samples.rows, [[0.1, 0.6, 0.2, 0.8, 0]], atol=1e-6)
    assert "no area in its image" in samples.findings[0].message


def test_the_picture_is_asked_for_a_missing_size(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    cv2.imwrite(str(image), np.zeros((7, 9, 3), np.uint8))
    path = write(tmp_path, [], imageWidth=None)
    assert read_labelme(path, str(image)).size == (9, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"a\.json:1: is not valid JSON"),
        ("[]", "is no LabelMe file"),
        ('{"shapes": 3}', "has no list of shapes"),
        ('{"shapes": [{"label": "cup"}]}', "shape 1 has no label or no points"),
        ('{"shapes": [{"label": "cup", "points": [[1]]}]}', r"shape 1 'cup': \[1\] is no point"),
        ('{"shapes": [{"label": "cup", "points": [[1, NaN]]}]}', "is no point"),
        ('{"shapes": [{"label": "c", "points": [[1, 2]], "shape_type": "rectangle"}]}', "1 points are no rectangle"),
    ],
)
def test_a_broken_file_is_told(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_labelme(path, "")
