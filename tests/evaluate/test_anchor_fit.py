"""Which head trains which box, and how well anchors fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csptrain import graph
from csptrain.cfg import text
from csptrain.datasets.lists import Samples
from csptrain.errors import CfgError
from csptrain.evaluate.anchor_fit import HeadAnchors, head_anchors, measure

ROOT = Path(__file__).resolve().parents[2]
PLANE = (64, 64)
ANCHORS = np.array([[4.0, 4.0], [8.0, 8.0], [32.0, 32.0]])


def samples(*images: list[tuple[float, float, float, float, int]]) -> Samples:
    rows = np.array([row for image in images for row in image], np.float32).reshape(-1, 5)
    starts = np.cumsum([0, *(len(image) for image in images)], dtype=np.int64)
    return Samples(Path("train.txt"), tuple(f"{number}.jpg" for number in range(len(images))), rows, starts)


def heads(fine: tuple[int, ...], coarse: tuple[int, ...]) -> tuple[HeadAnchors, ...]:
    return HeadAnchors(9, 8.0, (8, 8), ANCHORS, fine), HeadAnchors(5, 16.0, (4, 4), ANCHORS, coarse)


def test_the_head_whose_mask_holds_the_best_anchor_trains_a_box() -> None:
    boxes = samples([(0.5, 0.5, 1 / 16, 1 / 16, 0), (0.2, 0.2, 1 / 8, 1 / 8, 1)], [(0.5, 0.5, 0.5, 0.25, 1)])
    fit = measure(boxes, PLANE, heads((0, 1), (2,)))
    np.testing.assert_allclose(fit.best, [1, 1, 0.5])
    np.testing.assert_array_equal(fit.trained, [[True, True, False], [False, False, True]])
    assert (fit.boxes_per_head, fit.without_head, fit.overwritten) == ([2, 1], 0, 0)
    # Darknet's comparisons are strict: an overlap of one half is none.
    assert (fit.recall, fit.mean_iou) == pytest.approx((2 / 3, 2.5 / 3))
    assert fit.of_class(1) == (0.75, 0.5) and fit.class_mean == pytest.approx(0.875)


def test_a_box_whose_best_anchor_is_in_no_mask_is_nobodys() -> None:
    boxes = samples([(0.5, 0.5, 1 / 16, 1 / 16, 0)])
    fit = measure(boxes, PLANE, heads((1,), (2,)))
    assert (fit.without_head, fit.boxes_per_head, fit.recall) == (1, [0, 0], 0)
    np.testing.assert_allclose(fit.best, [16 / 64])  # the best that a mask has


def test_boxes_of_one_anchor_in_one_cell_are_counted_as_lost() -> None:
    here = (0.51, 0.51, 0.5, 0.5, 0)
    same, next_cell, other_anchor = (0.7, 0.7, 0.48, 0.5, 1), (0.8, 0.6, 0.5, 0.5, 0), (0.51, 0.51, 1 / 8, 1 / 8, 0)
    assert measure(samples([here, same]), PLANE, heads((0, 1), (2,))).overwritten == 1
    assert measure(samples([here], [same]), PLANE, heads((0, 1), (2,))).overwritten == 0  # another image
    assert measure(samples([here, next_cell, other_anchor]), PLANE, heads((0, 1), (2,))).overwritten == 0


def test_a_centre_on_the_border_is_in_the_last_cell() -> None:
    boxes = samples([(1.0, 1.0, 0.5, 0.5, 0), (0.99, 0.99, 0.5, 0.5, 0)])
    assert measure(boxes, PLANE, heads((0, 1), (2,))).overwritten == 1


def test_heads_of_a_cfg_finest_first() -> None:
    plane, found = head_anchors(graph.load(ROOT / "cfg/yolov4-tiny.cfg"))
    assert plane == (416, 416)
    assert [(head.stride, head.cells, head.mask) for head in found] == [
        (16, (26, 26), (1, 2, 3)),
        (32, (13, 13), (3, 4, 5)),
    ]
    np.testing.assert_array_equal(found[0].anchors[0], (10, 14))


REGION = """[net]
width=64
height=32
channels=3
[convolutional]
filters=14
size=1
stride=32
[region]
classes=2
num=2
anchors=1,2, 3,4
"""


def test_anchors_of_region_are_in_cells() -> None:
    plane, (head,) = head_anchors(graph.plan(text.parse(REGION, "region.cfg")))
    assert (plane, head.stride, head.cells, head.mask) == ((2, 1), 1, (2, 1), (0, 1))


def test_a_classifier_has_no_anchors() -> None:
    with pytest.raises(CfgError, match="has no head with anchors"):
        head_anchors(graph.load(ROOT / "cfg/csppeleenet.cfg"))
