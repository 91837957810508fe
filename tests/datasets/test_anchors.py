"""Anchors: Darknet's k-means beyond the golden cases, random starts, and the texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csptrain.datasets.anchors import (
    anchors_text,
    as_written,
    box_sizes,
    counters_text,
    find_clusters,
    kmeans,
    mean_best_iou,
    shape_iou,
)
from csptrain.datasets.lists import Samples

GENERATOR = np.random.default_rng(7)
CLOUDS = np.concatenate(
    [GENERATOR.normal(middle, np.array(middle) / 12, (200, 2)) for middle in ((20, 30), (90, 40), (200, 220))]
)


def samples(rows: list[list[float]]) -> Samples:
    return Samples(Path("train.txt"), ("a.jpg",), np.array(rows, np.float32), np.array([0, len(rows)], np.int64))


def test_iou_of_shapes_is_that_of_boxes_in_one_corner() -> None:
    sizes, anchors = np.array([[4.0, 2.0], [1.0, 1.0]]), np.array([[2.0, 4.0], [4.0, 2.0], [8.0, 2.0]])
    np.testing.assert_allclose(shape_iou(sizes, anchors), [[4 / 12, 1, 0.5], [1 / 8, 1 / 8, 1 / 16]])


def test_clouds_are_told_apart_whatever_the_start() -> None:
    for seed in range(5):
        found = find_clusters(CLOUDS, 3, seed)
        np.testing.assert_allclose(found.centres, [(20, 30), (90, 40), (200, 220)], rtol=0.03)
        assert [int((found.labels == number).sum()) for number in range(3)] == [200, 200, 200]
    assert (np.diff(found.centres.prod(1)) > 0).all()


def test_a_seed_gives_the_same_anchors_again() -> None:
    first, again, other = (find_clusters(CLOUDS, 7, seed).centres for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert first.shape == other.shape and not np.array_equal(first, other)


def test_more_tries_are_no_worse_than_one() -> None:
    alone = [
        mean_best_iou(CLOUDS, kmeans(CLOUDS, CLOUDS[np.random.default_rng(seed).choice(600, 7)]).centres)
        for seed in range(20)
    ]
    assert mean_best_iou(CLOUDS, find_clusters(CLOUDS, 7).centres) > np.mean(alone)


def test_one_cluster_is_the_mean_and_an_empty_one_stays() -> None:
    np.testing.assert_allclose(find_clusters(CLOUDS, 1).centres[0], CLOUDS.mean(0))
    points = np.array([[10.0, 10.0], [12.0, 12.0]])
    found = kmeans(points, np.array([[10.0, 10.0], [500.0, 500.0]]))
    np.testing.assert_array_equal(found.centres, [[11, 11], [500, 500]])
    np.testing.assert_array_equal(found.labels, [0, 0])


def test_a_point_that_weighs_more_draws_the_centre() -> None:
    points, weights = np.array([[10.0, 10.0], [20.0, 20.0]]), np.array([3.0, 1.0])
    np.testing.assert_allclose(kmeans(points, points[:1], weights).centres, [[12.5, 12.5]])
    many = np.repeat(points, [3, 1], axis=0)
    np.testing.assert_allclose(kmeans(many, points[:1]).centres, [[12.5, 12.5]])


def test_many_boxes_are_sampled_for_the_tries_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csptrain.datasets.anchors.MOST_IN_A_TRY", 60)
    found = find_clusters(CLOUDS, 3)
    assert len(found.labels) == 600
    for number, middle in enumerate(((20, 30), (90, 40), (200, 220))):
        np.testing.assert_allclose(found.centres[number], CLOUDS[found.labels == number].mean(0))
        np.testing.assert_allclose(found.centres[number], middle, rtol=0.03)


def test_points_that_repeat_do_not_stop_the_start() -> None:
    points = np.repeat(np.array([[5.0, 5.0], [9.0, 3.0]]), 50, axis=0)
    found = find_clusters(points, 2)
    np.testing.assert_allclose(sorted(map(tuple, found.centres)), [(5, 5), (9, 3)])


def test_texts() -> None:
    anchors = np.array([[9.6, 13.2], [115.5, 9.4]])
    assert anchors_text(anchors, 416) == " 10, 13, 116,  9"
    assert anchors_text(anchors, 13) == "9.6000,13.2000, 115.5000,9.4000"
    boxes = samples([[0.5, 0.5, 0.1, 0.2, 2], [0.5, 0.5, 0.3, 0.4, 0], [0.5, 0.5, 0.5, 0.6, 2]])
    assert counters_text(boxes, 4) == "counters_per_class = 1, 0, 2, 0"
    np.testing.assert_allclose(box_sizes(boxes, 100, 200)[0], (10, 40), rtol=1e-6)


def test_a_cfg_gets_whole_pixels_of_at_least_one() -> None:
    np.testing.assert_array_equal(as_written(np.array([[0.2, 7.6]]), 416), [[1, 8]])
    np.testing.assert_array_equal(as_written(np.array([[0.20006, 7.6]]), 13), [[0.2001, 7.6]])
