"""Darknet's recall, counted by hand."""

from __future__ import annotations

import numpy as np

from csptrain.evaluate.recall import RecallResult


def box(x: float, width: float = 0.25) -> list[float]:
    return [x, 0.5, width, 0.25]


def test_counts_and_line() -> None:
    boxes = np.array([box(0.25), box(0.25, 0.125), box(0.9)], np.float32)
    truth = np.array([[*box(0.25), 1], [*box(0.625), 0]], np.float32)
    result = RecallResult().with_image(boxes, truth)
    assert (result.proposals, result.total, result.correct) == (3, 2, 1)
    assert result.iou == 0.5
    assert result.line() == "    0     1     2\tRPs/Img: 3.00\tIOU: 50.00%\tRecall:50.00%"
    half = np.array([box(0.25, 0.125)], np.float32)
    result = result.with_image(half, truth[:1])  # an overlap of exactly one half is not enough
    assert (result.images, result.correct, result.total) == (2, 1, 3)
    assert result.with_image(half, truth[:1], 0.49).correct == 2
    assert result.line() == "    1     1     3\tRPs/Img: 2.00\tIOU: 50.00%\tRecall:33.33%"


def test_images_without_boxes_or_objects() -> None:
    none = np.zeros((0, 4), np.float32)
    result = RecallResult().with_image(none, np.zeros((0, 5), np.float32))
    assert (result.recall, result.iou, result.images) == (0, 0, 1)
    assert result.with_image(none, np.array([[*box(0.25), 0]], np.float32)).as_dict() == {
        "images": 2, "objects": 1, "found": 0, "recall": 0, "iou": 0, "proposals_per_image": 0,
    }  # fmt: skip
