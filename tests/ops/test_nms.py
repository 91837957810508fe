"""Suppression against a plain loop and its own shortcuts; Darknet's results are golden cases nms_*."""

from __future__ import annotations

import time

import numpy as np
import pytest

from csptrain.ops import overlap
from csptrain.ops.decode import Detections
from csptrain.ops.nms import NmsKind, nms_obj, nms_sort
from csptrain.ops.overlap import Overlap, keep_first

KINDS: dict[str, NmsKind] = {
    "sort": "default",
    "greedy": "greedynms",
    "diou": "diounms",
    "corners": "cornersnms",
}


def rows(found: Detections) -> np.ndarray:
    return np.concatenate([found.boxes, found.objectness[:, None], found.prob], axis=1)


def random_detections(count: int, classes: int, share: float, clusters: int = 0, seed: int = 0) -> Detections:
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.random((count, 2)), 0.02 + 0.3 * rng.random((count, 2))], axis=1)
    if clusters:
        boxes = boxes[rng.integers(0, clusters, count)] * (1 + 0.1 * rng.standard_normal((count, 4)))
    prob = rng.random((count, classes)) * (rng.random((count, classes)) < share)
    return Detections(boxes.astype(np.float32), np.ones(count, np.float32), prob.astype(np.float32))


def iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    low = np.maximum(box[:2] - box[2:] / 2, others[:, :2] - others[:, 2:] / 2)
    high = np.minimum(box[:2] + box[2:] / 2, others[:, :2] + others[:, 2:] / 2)
    shared = np.maximum(high - low, 0).prod(axis=1)
    return shared / (box[2] * box[3] + others[:, 2] * others[:, 3] - shared)


def plain_loop(found: Detections, thresh: float) -> np.ndarray:
    boxes = found.boxes.astype(np.float64)
    result = np.zeros_like(found.prob)
    for k in range(found.prob.shape[1]):
        left = np.flatnonzero(found.prob[:, k])
        left = left[np.argsort(-found.prob[left, k], kind="stable")]
        while left.size:
            result[left[0], k] = found.prob[left[0], k]
            left = left[1:][iou(boxes[left[0]], boxes[left[1:]]) <= thresh]
    return result


def by_box(found: Detections) -> np.ndarray:
    return rows(found)[np.lexsort(found.boxes.T)]


@pytest.mark.parametrize(
    ("count", "classes", "share", "clusters"),
    [
        (300, 20, 0.05, 0),
        (300, 20, 1.0, 0),
        (1200, 6, 1.0, 2),
        (900, 3, 0.5, 1),
        (900, 1, 1.0, 3),
    ],
    ids=["sparse", "dense", "two clusters", "one cluster", "one class"],
)
def test_equals_the_plain_loop(count: int, classes: int, share: float, clusters: int) -> None:
    found = random_detections(count, classes, share, clusters)
    before = found.prob.copy()
    got = nms_sort(found, 0.45)
    expected = Detections(found.boxes, found.objectness, plain_loop(found, 0.45))
    np.testing.assert_array_equal(by_box(got), by_box(expected))
    np.testing.assert_array_equal(found.prob, before)


def test_thinning_equals_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    found = random_detections(1500, 4, 1.0, clusters=40)
    swept = {kind: nms_sort(found, 0.3, kind).prob for kind in KINDS.values()}
    single = nms_obj(found, 0.3).prob
    monkeypatch.setattr(overlap, "_PAIRS", 10)
    assert Overlap.of(found.boxes, 0.3, None).pairs(np.arange(1500), np.zeros(1500, np.intp)) is None
    for kind, prob in swept.items():
        np.testing.assert_array_equal(nms_sort(found, 0.3, kind).prob, prob)
    np.testing.assert_array_equal(nms_obj(found, 0.3).prob, single)


def test_ties_follow_the_order_of_the_classes_before() -> None:
    boxes = np.tile(np.asarray([[0.5, 0.5, 0.2, 0.2]], np.float32), (3, 1)) + np.float32(1e-3) * np.eye(
        3, 4, dtype=np.float32
    )
    prob = np.asarray([[0.1, 0.5, 0.3], [0.0, 0.5, 0.3], [0.4, 0.5, 0.3]], np.float32)
    got = nms_sort(Detections(boxes, np.ones(3, np.float32), prob), 0.45)
    # Class 0 puts row 2 first, and the stable sorts of the later classes leave it there.
    np.testing.assert_array_equal(got.boxes, boxes[[2, 0, 1]])
    np.testing.assert_array_equal(got.prob, np.asarray([[0.4, 0.5, 0.3], [0, 0, 0], [0, 0, 0]], np.float32))


def test_a_row_without_objectness_is_left_alone() -> None:
    boxes = np.tile(np.asarray([[0.5, 0.5, 0.2, 0.2]], np.float32), (3, 1))
    found = Detections(boxes, np.asarray([0, 1, 1], np.float32), np.asarray([[0.9], [0.5], [0.6]], np.float32))
    got = nms_sort(found, 0.45)
    assert got.prob.ravel().tolist() == pytest.approx([0.6, 0.0, 0.9])
    assert got.objectness.tolist() == [1, 1, 0]


@pytest.mark.parametrize("count", [0, 1])
def test_none_or_one(count: int) -> None:
    found = random_detections(count, 3, 1.0)
    assert len(nms_sort(found, 0.45)) == count
    np.testing.assert_array_equal(nms_obj(found, 0.45).prob, found.prob)


def test_boxes_beyond_all_bounds_do_not_spoil_the_others() -> None:
    found = random_detections(50, 2, 1.0)
    wild = found.boxes.copy()
    wild[:2, 2:] = np.inf
    wild[2, 0] = np.nan
    got = nms_sort(Detections(wild, found.objectness, found.prob), 0.45)
    rest = found.take(np.arange(3, 50))
    expected = nms_sort(rest, 0.45)
    fine = np.isfinite(got.boxes).all(axis=1)
    np.testing.assert_array_equal(rows(got)[fine], rows(expected))


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="greedy_nms"):
        nms_sort(random_detections(3, 1, 1.0), 0.45, "greedy_nms")  # type: ignore[arg-type]


def test_keep_first_goes_through_a_chain() -> None:
    chain = np.arange(9)
    assert keep_first(10, chain, chain + 1).tolist() == [True, False] * 5


def test_ten_thousand_boxes_of_eighty_classes() -> None:
    found = random_detections(10_000, 80, 1.0)
    start = time.perf_counter()
    nms_sort(found, 0.45)
    # Takes 0.4 s; a loop over boxes takes 15 s and more.
    assert time.perf_counter() - start < 5
