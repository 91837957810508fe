"""The picture of box sizes and anchors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from csptrain.datasets.lists import Samples
from csptrain.evaluate.anchor_fit import HeadAnchors
from csptrain.report.anchor_cloud import MOST_DOTS, Group, cloud_of_anchors, cloud_of_heads, colour_of, draw_cloud
from csptrain.report.picture import Box, Line, Picture, Words, paint

SIZES = np.random.default_rng(0).uniform(10, 100, (50, 2))
ANCHORS = np.array([[20.0, 30.0], [80.0, 70.0]])


def words(picture: Picture) -> list[str]:
    return [item.text for item in picture.items if isinstance(item, Words)]


def marks(picture: Picture, colour: str) -> list[Box]:
    return [item for item in picture.items if isinstance(item, Box) and item.fill == colour and item.stroke]


def test_every_anchor_has_a_mark_a_number_and_a_line_in_the_legend() -> None:
    picture = cloud_of_anchors("title", SIZES, ANCHORS)
    told = words(picture)
    assert "title" in told and {"20,30", "80,70"} <= set(told)
    shares = [text for text in told if "boxes (" in text]
    assert len(shares) == 2 and sum(int(text.split(": ")[1].split()[0]) for text in shares) == 50
    for number in range(2):
        assert len(marks(picture, colour_of(number))) == 2  # the anchor and the legend
    assert paint(picture, 1).shape == (round(picture.height), round(picture.width), 3)


def test_a_larger_box_lies_further_right_and_higher() -> None:
    small, large = (cloud_of_anchors("", SIZES, ANCHORS[[number]]) for number in (0, 1))
    low, high = (marks(picture, colour_of(0))[0] for picture in (small, large))
    assert high.x > low.x and high.y < low.y


def test_borders_are_lines_of_equal_area() -> None:
    group = Group("all", "#ff0000", SIZES, ANCHORS)
    without, with_one = draw_cloud("", [group]), draw_cloud("", [group], [30.0])
    lines = [item for item in with_one.items if isinstance(item, Line)]
    assert len(lines) == len([item for item in without.items if isinstance(item, Line)]) + 1
    ((x, y), (end_x, end_y)) = next(line.points for line in lines if line.points[0][0] != line.points[1][0] and
                                    line.points[0][1] != line.points[1][1] and len(line.points) == 2)  # fmt: skip
    # Both axes have the same logarithmic scale, so that equal areas lie on a falling diagonal.
    np.testing.assert_allclose(end_y - y, end_x - x)


def test_dots_stay_few() -> None:
    many = np.random.default_rng(0).uniform(10, 100, (50_000, 2))
    picture = draw_cloud(
        "", [Group("a", "#ff0000", many[:20_000], ANCHORS), Group("b", "#00ff00", many[20_000:], ANCHORS)]
    )
    dots = [item for item in picture.items if isinstance(item, Box) and item.stroke is None and item.fill != "#ffffff"]
    assert 0.9 * MOST_DOTS < len(dots) <= MOST_DOTS + 2


def test_heads_and_the_boxes_that_none_trains() -> None:
    rows = np.array([[0.5, 0.5, 0.1, 0.1, 0], [0.5, 0.5, 0.5, 0.5, 0], [0.5, 0.5, 0.9, 0.9, 0]], np.float32)
    boxes = Samples(Path("train.txt"), ("a.jpg",), rows, np.array([0, 3], np.int64))
    anchors = np.array([[6.4, 6.4], [32.0, 32.0], [60.0, 60.0]])
    heads = (HeadAnchors(7, 8.0, (8, 8), anchors, (0,)), HeadAnchors(4, 16.0, (4, 4), anchors, (2,)))
    told = words(cloud_of_heads("", boxes, (64, 64), heads))
    assert "layer 7, stride 8: 1 boxes (33.3 %)" in told and "layer 4, stride 16: 1 boxes (33.3 %)" in told
    assert "no head: 1 boxes (33.3 %)" in told and "32,32" not in told
