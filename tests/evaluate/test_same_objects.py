"""Objects of two programs: who belongs to whom, and who is alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csptrain.evaluate.same_objects import SameObjects, same_objects, worst
from csptrain.graph import Graph, load
from csptrain.ops.decode import Detections
from tests import tiny

SIZE = (200, 100)
TOLERANCE = 1e-3

Row = tuple[float, float, float, float, float, float]
ONE: Row = (0.5, 0.5, 0.2, 0.2, 0.9, 0.0)
OTHER: Row = (0.2, 0.3, 0.1, 0.1, 0.0, 0.6)


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    path = tmp_path / "net.cfg"
    path.write_text(tiny.cfg())
    return load(path)


def found(*rows: Row) -> Detections:
    table = np.asarray(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4:].max(1, initial=0.0), table[:, 4:])


def compared(graph: Graph, ours: Detections, theirs: Detections) -> SameObjects:
    return same_objects(graph, ours, theirs, SIZE, 0.25, 0.45, TOLERANCE)


def test_equal_sides_in_any_order(graph: Graph) -> None:
    same = compared(graph, found(ONE, OTHER), found(OTHER, ONE))
    assert same == SameObjects(ours=2, theirs=2)
    assert same.agree(0.0)


def test_differences_in_pixels_of_the_side_and_of_large_boxes(graph: Graph) -> None:
    same = compared(graph, found(ONE), found((0.505, 0.5, 0.2, 0.2, 0.9, 0.0)))
    assert (same.pixels, same.box) == pytest.approx((1.0, 0.005), rel=1e-4)
    assert same.agree(0.006) and not same.agree(0.004)
    large = compared(graph, found((0.5, 0.5, 4.0, 1.0, 0.9, 0.0)), found((0.5, 0.5, 4.02, 1.0, 0.9, 0.0)))
    assert (large.pixels, large.box) == pytest.approx((4.0, 0.005), rel=1e-3)


def test_scores_differ(graph: Graph) -> None:
    same = compared(graph, found(ONE), found((*ONE[:4], 0.898, 0.0)))
    assert same.score == pytest.approx(0.002, rel=1e-3)
    assert not same.agree(TOLERANCE)


def test_another_class_or_place_is_alone_on_both_sides(graph: Graph) -> None:
    for row in ((*ONE[:4], 0.0, 0.9), (0.8, 0.5, 0.2, 0.2, 0.9, 0.0)):
        same = compared(graph, found(ONE), found(row))
        assert (same.ours_alone, same.theirs_alone, same.undecided) == (1, 1, 0)
        assert not same.agree(1.0)


def test_nobody_has_two_partners(graph: Graph) -> None:
    same = compared(graph, found(ONE), found(ONE, (0.51, 0.5, 0.2, 0.2, 0.9, 0.0)))
    assert (same.ours, same.theirs, same.ours_alone, same.theirs_alone) == (1, 2, 0, 1)
    assert same.pixels == 0.0


def test_a_score_at_the_threshold_may_be_missing_on_either_side(graph: Graph) -> None:
    above, below = (*ONE[:4], 0.2505, 0.0), (*ONE[:4], 0.2495, 0.0)
    same = compared(graph, found(above, OTHER), found(OTHER))
    assert same.undecided == 1 and same.agree(TOLERANCE)
    same = compared(graph, found(below, OTHER), found(above, OTHER))
    assert same.undecided == 1 and same.agree(TOLERANCE)
    assert compared(graph, found((*ONE[:4], 0.2515, 0.0), OTHER), found(OTHER)).ours_alone == 1
    assert compared(graph, found(OTHER), found(above, OTHER)).theirs_alone == 1


def test_an_overlap_at_the_limit_may_be_suppressed_on_either_side(graph: Graph) -> None:
    # Two boxes of equal size that overlap by the share s of their width: IoU = s / (2 - s).
    for iou, decided in ((0.4502, False), (0.4498, False), (0.46, True), (0.44, True)):
        weaker = (0.5 + 0.2 * (1 - 2 * iou / (1 + iou)), *ONE[1:4], 0.8, 0.0)
        ours, kept = found(ONE, weaker), iou <= 0.45
        same = compared(graph, ours, found(ONE) if kept else found(ONE, weaker))
        assert (same.ours, same.undecided) == (2 if kept else 1, 0 if decided else 1)
        assert same.agree(TOLERANCE) is not decided


def test_nothing_on_both_sides_is_no_agreement(graph: Graph) -> None:
    assert not compared(graph, found(), found()).agree(1.0)


def test_several_pictures_as_one() -> None:
    one = SameObjects(3, 2, pixels=0.5, box=0.1, score=0.2, ours_alone=1)
    two = SameObjects(1, 1, pixels=0.1, box=0.3, score=0.0, undecided=2)
    assert worst([one, two]) == SameObjects(4, 3, 0.5, 0.3, 0.2, 1, 0, 2)
    assert worst([]) == SameObjects()
