"""Detections on pictures: what is drawn where."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain.errors import DataError
from csptrain.ops.decode import Detections
from csptrain.report.compare import compare_detections
from csptrain.report.draw import class_colour, confident, draw_detections, save_png

BOXES = np.array([[0.3, 0.5, 0.2, 0.4], [0.7, 0.5, 0.3, 0.3], [0.1, 0.1, 0.1, 0.1]], np.float32)
PROB = np.array([[0.9, 0.0], [0.3, 0.6], [0.1, 0.2]], np.float32)
IMAGE = np.full((600, 800, 3), 40, np.uint8)


def detections(boxes: np.ndarray = BOXES, prob: np.ndarray = PROB) -> Detections:
    return Detections(boxes.copy(), prob.max(1), prob.copy())


def test_confident_are_pairs_of_box_and_class_the_best_last() -> None:
    boxes, labels, scores = confident(detections(), 0.25)
    np.testing.assert_array_equal(labels, [0, 1, 0])
    np.testing.assert_allclose(scores, [0.3, 0.6, 0.9])
    np.testing.assert_array_equal(boxes, BOXES[[1, 1, 0]])


def test_a_box_is_drawn_in_its_colour_where_it_is() -> None:
    drawn = draw_detections(IMAGE, BOXES[:1], [4], np.array([0.5], np.float32), ("a",) * 5)
    assert drawn.shape == IMAGE.shape and (IMAGE == 40).all()
    colour = np.array(class_colour(4))
    for y, x in ((300, 160), (300, 320), (420, 240)):
        near = drawn[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3)
        assert (np.abs(near.astype(int) - colour).max(1) < 8).any(), (y, x)
    assert (drawn[250:350, 200:280] == 40).all()


def test_boxes_beyond_the_image_and_not_finite_ones_are_drawn_without_complaint() -> None:
    wild = np.array([[0.5, 0.5, 3, 3], [np.nan, 0.5, np.inf, 0.2]], np.float32)
    assert draw_detections(IMAGE, wild, [0, 9], np.ones(2, np.float32), ("a",)).shape == IMAGE.shape


def test_small_images_come_back_larger_so_that_text_can_be_read() -> None:
    assert draw_detections(np.zeros((96, 128, 3), np.uint8), BOXES, [0, 1, 0], PROB[:, 0]).shape == (480, 640, 3)
    for rows, columns, drawn in ((1, 400, (12, 4800, 3)), (1, 9000, (1, 9000, 3))):  # a picture has its limits
        assert draw_detections(np.zeros((rows, columns, 3), np.uint8), BOXES, [0, 1, 0], PROB[:, 0]).shape == drawn


def test_colours_of_neighbours_differ() -> None:
    colours = np.array([class_colour(label) for label in range(20)], int)
    assert (np.abs(colours[1:] - colours[:-1]).max(1) > 60).all()


def test_the_picture_of_both(tmp_path: Path) -> None:
    path = tmp_path / "both.png"
    picture = compare_detections(IMAGE, detections(), detections(BOXES[:0], PROB[:0]), ("a", "b"), path=path)
    saved = cv2.imread(str(path))[:, :, ::-1]
    np.testing.assert_array_equal(saved, picture)
    left, right = picture[-600:, :800], picture[-600:, -800:]
    assert (left != 40).any() and (right == 40).all()
    assert [file.name for file in tmp_path.iterdir()] == ["both.png"]


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        save_png(IMAGE, tmp_path / "file" / "a.png")
