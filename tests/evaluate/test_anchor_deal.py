"""The rules by which heads get their anchors."""

from __future__ import annotations

import numpy as np
import pytest

from csptrain.datasets.anchors import mean_best_iou
from csptrain.evaluate.anchor_deal import (
    Deal,
    class_weights,
    deal_by_size,
    deal_evenly,
    levels,
    limits,
    own_anchors,
)
from csptrain.evaluate.anchor_fit import HeadAnchors

STRIDES = [8.0, 16.0, 32.0]


def squares(*sides: float) -> np.ndarray:
    return np.array([[side, side] for side in sides], float)


def test_limits_are_those_of_darknets_manual() -> None:
    np.testing.assert_array_equal(limits(STRIDES), [30, 60])
    assert limits([32.0]).shape == (0,)


@pytest.mark.parametrize(
    ("count", "masks"),
    [(9, ((0, 1, 2), (3, 4, 5), (6, 7, 8))), (7, ((0, 1, 2), (3, 4), (5, 6))), (3, ((0,), (1,), (2,)))],
)
def test_even(count: int, masks: tuple[tuple[int, ...], ...]) -> None:
    assert deal_evenly(squares(*range(1, count + 1)), STRIDES).masks == masks


@pytest.mark.parametrize(
    ("sides", "masks"),
    [
        ((10, 29, 31, 59, 61, 200), ((0, 1), (2, 3), (4, 5))),
        ((10, 40, 41, 42, 43, 200), ((0,), (1, 2, 3, 4), (5,))),
        ((5, 6, 7, 8), ((0, 1), (2,), (3,))),  # all are small: the other heads get the largest
        ((100, 120, 140, 160), ((0,), (1,), (2, 3))),  # all are large: they get the smallest
        ((40, 42, 44), ((0,), (1,), (2,))),
    ],
)
def test_by_size(sides: tuple[float, ...], masks: tuple[tuple[int, ...], ...]) -> None:
    assert deal_by_size(squares(*sides), STRIDES).masks == masks


def test_heads_of_one_stride_share_their_anchors() -> None:
    old = squares(1, 2)
    heads = [HeadAnchors(3, 8.0, (8, 8), old, (0,)), HeadAnchors(4, 16.0, (4, 4), old, (1,))]
    heads.append(HeadAnchors(7, 16.0, (4, 4), old, (1,)))
    given = Deal(squares(5, 6, 7), ((0,), (1, 2))).give(heads)
    assert levels(heads) == [8, 16]
    assert [head.mask for head in given] == [(0,), (1, 2), (1, 2)]
    assert all(head.anchors[2, 0] == 7 for head in given) and [head.layer for head in given] == [3, 4, 7]


def cells() -> tuple[np.ndarray, np.ndarray]:
    """A crowd of one middle size, few small and few large boxes: [N, 2] and classes [N]."""
    generator = np.random.default_rng(5)
    parts = [
        generator.normal(middle, np.array(middle) / 8, (count, 2))
        for middle, count in (((40, 50), 1200), ((16, 20), 100), ((90, 110), 100))
    ]
    return np.concatenate(parts), np.repeat([0, 1, 2], [1200, 100, 100])


def test_a_class_of_four_times_as_many_boxes_counts_twice() -> None:
    weights = class_weights(np.array([0, 0, 0, 0, 2]))
    np.testing.assert_allclose(weights[:4].sum() / weights[4], 2)


def test_own_anchors_come_from_the_boxes_of_their_range() -> None:
    sizes, classes = cells()
    deal = own_anchors(sizes, classes, 9, STRIDES, 256, seed=0)
    assert len(deal.anchors) == 9 and [number for mask in deal.masks for number in mask] == list(range(9))
    sides = np.sqrt(deal.anchors.prod(1))
    for mask, low, high in zip(deal.masks, (0, 30, 60), (30, 60, 256), strict=True):
        assert all(low <= sides[number] < high for number in mask) and mask
    again = own_anchors(sizes, classes, 9, STRIDES, 256, seed=0)
    np.testing.assert_array_equal(deal.anchors, again.anchors)


def test_a_crowded_class_does_not_take_all_anchors() -> None:
    sizes, classes = cells()
    rare = classes > 0
    own = own_anchors(sizes, classes, 9, STRIDES, 256, seed=0)
    alike = own_anchors(sizes, np.zeros_like(classes), 9, STRIDES, 256, seed=0)
    assert mean_best_iou(sizes[rare], own.anchors) > mean_best_iou(sizes[rare], alike.anchors) + 0.01
    assert len(own.masks[1]) < len(alike.masks[1])


def test_a_level_without_boxes_keeps_one_anchor_in_its_range() -> None:
    sizes = np.random.default_rng(1).uniform(8, 20, (300, 2))
    deal = own_anchors(sizes, np.zeros(300, int), 6, STRIDES, 416, seed=0)
    assert [len(mask) for mask in deal.masks] == [4, 1, 1]
    np.testing.assert_allclose(deal.anchors[4:], [[(30 * 60) ** 0.5] * 2, [(60 * 416) ** 0.5] * 2])


def test_fewer_anchors_come_back_where_sizes_repeat() -> None:
    sizes = squares(*([10] * 20 + [12] * 5 + [100] * 5))
    deal = own_anchors(sizes, np.zeros(30, int), 9, STRIDES, 416, seed=0)
    assert [len(mask) for mask in deal.masks] == [2, 1, 1]
    np.testing.assert_allclose(deal.anchors[[0, 1, 3]], squares(10, 12, 100))


def test_many_boxes_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, classes = cells()
    whole = own_anchors(sizes, classes, 6, STRIDES, 256, seed=0)
    monkeypatch.setattr("csptrain.evaluate.anchor_deal.MOST_IN_A_TRY", 150)
    part = own_anchors(sizes, classes, 6, STRIDES, 256, seed=0)
    found, wanted = mean_best_iou(sizes, part.anchors), mean_best_iou(sizes, whole.anchors)
    assert found == pytest.approx(wanted, abs=0.03) and not np.array_equal(part.anchors, whole.anchors)
