"""Agreement of two runtimes: what counts as the same object."""

from __future__ import annotations

import numpy as np

from csptrain.evaluate.agreement import agreement, total
from csptrain.ops.decode import Detections

SIZE = (200, 100)


def _found(*rows: tuple[float, float, float, float, float, float]) -> Detections:
    table = np.asarray(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4:].max(1, initial=0.0), table[:, 4:])


ONE = (0.5, 0.5, 0.2, 0.2, 0.9, 0.0)
OTHER = (0.2, 0.3, 0.1, 0.1, 0.0, 0.6)


def test_equal_sides_agree_in_any_order() -> None:
    result = agreement(_found(ONE, OTHER), _found(OTHER, ONE), SIZE, 0.25)
    assert result.equal
    assert (result.objects, result.pixels, result.score, result.alone) == (2, 0.0, 0.0, 0)


def test_distance_is_in_pixels_of_the_image() -> None:
    moved = (0.505, 0.5, 0.2, 0.2, 0.9, 0.0)
    result = agreement(_found(ONE), _found(moved), SIZE, 0.25)
    assert abs(result.pixels - 1.0) < 1e-4
    assert not result.equal


def test_scores_differ() -> None:
    result = agreement(_found(ONE), _found((*ONE[:4], 0.898, 0.0)), SIZE, 0.25)
    assert abs(result.score - 0.002) < 1e-6
    assert not result.equal


def test_an_object_of_another_class_or_place_stands_alone_on_both_sides() -> None:
    assert agreement(_found(ONE), _found((*ONE[:4], 0.0, 0.9)), SIZE, 0.25).alone == 2
    assert agreement(_found(ONE), _found((0.8, 0.5, 0.2, 0.2, 0.9, 0.0)), SIZE, 0.25).alone == 2
    assert agreement(_found(ONE), _found(), SIZE, 0.25).alone == 1


def test_a_score_at_the_threshold_may_be_missing() -> None:
    assert agreement(_found((*ONE[:4], 0.2504, 0.0)), _found((*ONE[:4], 0.2498, 0.0)), SIZE, 0.25).equal
    assert agreement(_found((*ONE[:4], 0.2504, 0.0)), _found(), SIZE, 0.25).equal
    assert not agreement(_found((*ONE[:4], 0.26, 0.0)), _found(), SIZE, 0.25).equal


def test_total_keeps_the_worst() -> None:
    parts = [agreement(_found(ONE), _found(ONE), SIZE, 0.25), agreement(_found(ONE), _found(), SIZE, 0.25)]
    assert (total(parts).objects, total(parts).alone) == (2, 1)
