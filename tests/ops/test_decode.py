"""Decoding of [yolo] and [region] outputs; Darknet's own boxes are golden cases b01 to b09."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from csptrain.ops.decode import Detections, correct_boxes, decode_region, decode_yolo
from csptrain.ops.nms import nms_sort


def rows(found: Detections) -> np.ndarray:
    return np.concatenate([found.boxes, found.objectness[:, None], found.prob], axis=1)


def yolo_output(batch: int, anchors: int, classes: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.rand((batch, anchors * (5 + classes), height, width), generator=generator)


def test_yolo_follows_the_plain_loop() -> None:
    anchors, mask, classes = [(10.0, 14.0), (20.0, 12.0), (30.0, 30.0)], [2, 0], 3
    output = yolo_output(2, 2, classes, 3, 4)
    found = decode_yolo(output, anchors, mask, classes, 64, 48, 0.5)
    for image, got in zip(output.view(2, 2, 8, 3, 4).double().numpy(), found, strict=True):
        expected = []
        for row in range(3):
            for column in range(4):
                for n in range(2):
                    x, y, w, h, objectness, *prob = image[n, :, row, column]
                    if objectness > 0.5:
                        shape = anchors[mask[n]]
                        box = [
                            (column + x) / 4,
                            (row + y) / 3,
                            np.exp(w) * shape[0] / 64,
                            np.exp(h) * shape[1] / 48,
                        ]
                        expected.append([*box, objectness, *[p * objectness * (p * objectness > 0.5) for p in prob]])
        np.testing.assert_allclose(rows(got), expected, rtol=1e-6)
        assert 0 < len(got) < 24


def test_thresholds_are_strict() -> None:
    output = torch.full((1, 6, 1, 1), 0.5)
    assert len(decode_yolo(output, [(1, 1)], [0], 1, 8, 8, 0.5)[0]) == 0
    output[0, 4] = 1.0
    assert decode_yolo(output, [(1, 1)], [0], 1, 8, 8, 0.5)[0].prob.tolist() == [[0.0]]
    assert decode_yolo(output, [(1, 1)], [0], 1, 8, 8, 0.49)[0].prob.tolist() == [[0.5]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [92.0, 1000.0])  # beyond float32, and beyond float64
def test_no_candidates_and_overflowing_sizes(value: float) -> None:
    output = torch.zeros((2, 7, 2, 2))
    output[1, 2:5] = value
    empty, full = decode_yolo(output, [(1, 1)], [0], 2, 8, 8, 0.25)
    assert empty.boxes.shape == (0, 4) and empty.prob.shape == (0, 2)
    assert np.isinf(full.boxes[:, 2:]).all() and np.isfinite(full.boxes[:, :2]).all()
    assert len(nms_sort(full, 0.45)) == 4


def test_decoding_does_not_change_the_output() -> None:
    output = yolo_output(1, 1, 2, 3, 3)
    before = output.clone()
    decode_yolo(output, [(8, 8)], [0], 2, 24, 24, 0.5)
    flat = output.flatten(1)
    decode_region(flat, [(1, 1)], 2, 3, 3, 0.5, classfix=-1)
    assert torch.equal(output, before)


def test_region_classfix_ignores_weak_objectness() -> None:
    output = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.4, 1.0]])
    assert decode_region(output, [(1, 1)], 1, 1, 1, 0.1)[0].prob[0, 0] == pytest.approx(0.4)
    assert decode_region(output, [(1, 1)], 1, 1, 1, 0.1, classfix=-1)[0].prob[0, 0] == 0


def test_letterbox_is_undone_with_the_real_offset() -> None:
    # 100x40 in 64x64 is 64x25, placed at row 19; Darknet maps back with 19.5.
    boxes = np.asarray([[0.5, 19.5 / 64, 1.0, 25 / 64], [0.5, 44.5 / 64, 0.5, 0.0]], np.float32)
    relative = correct_boxes(boxes, 100, 40, 64, 64, letter_box=True)
    np.testing.assert_allclose(relative, [[0.5, 0, 1, 1], [0.5, 1, 0.5, 0]], atol=1e-6)
    pixels = correct_boxes(boxes, 100, 40, 64, 64, letter_box=True, relative=False)
    np.testing.assert_allclose(pixels, relative * [100, 40, 100, 40], rtol=1e-6)
    np.testing.assert_array_equal(correct_boxes(boxes, 100, 40, 64, 64, letter_box=False), boxes)


def test_a_strip_that_a_letterbox_leaves_no_pixel_of_has_boxes_all_the_same() -> None:
    boxes = np.asarray([[0.5, 0.5, 0.1, 0.2]], np.float32)
    mapped = correct_boxes(boxes, 1, 200, 64, 64, letter_box=True)
    np.testing.assert_allclose(mapped, [[0.5, 0.5, 6.4, 0.2]], rtol=1e-6)
