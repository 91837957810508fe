"""Box similarities at their edges; Darknet's own values, gradients included, are golden case iou_pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from csptrain.errors import CspError
from csptrain.ops import boxes

CASE = Path(__file__).parents[1] / "golden_cases" / "iou_pairs" / "golden.npz"


def golden() -> tuple[Tensor, Tensor, Tensor]:
    """Predictions `[60, 4]`, truths `[60, 4]` and Darknet's values `[60, 21]`."""
    with np.load(CASE) as arrays:
        pairs = torch.from_numpy(arrays["pairs"]).float()
        values = torch.from_numpy(arrays["values"]).float()
    return pairs[:, :4], pairs[:, 4:], values


def test_a_table_of_all_pairs_is_a_broadcast() -> None:
    predicted, truth, _ = golden()
    table = boxes.iou(predicted[:, None], truth[None])
    assert table.shape == (60, 60)
    assert torch.equal(table.diagonal(), boxes.iou(predicted, truth))


def test_diou_exponent() -> None:
    predicted, truth, values = golden()
    torch.testing.assert_close(boxes.diou(predicted, truth, 0.6), values[:, 4], rtol=0, atol=1e-6)
    assert (boxes.diou(predicted, truth, 1.0) - values[:, 2]).abs().max() > 0.01


def test_degenerate_boxes_overlap_nothing() -> None:
    point = torch.tensor([0.5, 0.5, 0.0, 0.0])
    line = torch.tensor([0.5, 0.5, 0.4, 0.0])
    endless = torch.tensor([0.5, 0.5, float("inf"), 0.0])
    box = torch.tensor([0.5, 0.5, 0.4, 0.4])
    for a in (point, line, endless):
        assert boxes.iou(a, box) == 0
    for a in (point, line):
        assert boxes.iou(a, a) == 0
    assert boxes.giou(point, point) == 0
    assert boxes.diou(point, point) == 0
    assert float(boxes.iou(box, box)) == pytest.approx(1, abs=1e-6)


def test_inputs_are_left_alone() -> None:
    predicted, truth, _ = golden()
    before = predicted.clone(), truth.clone()
    for kind in boxes.SIMILARITIES:
        boxes.similarity(predicted, truth, kind)
        boxes.box_gradient(predicted, truth, kind)
    assert torch.equal(predicted, before[0]) and torch.equal(truth, before[1])


def test_an_unknown_kind_is_named() -> None:
    predicted, truth, _ = golden()
    for function in (boxes.similarity, boxes.box_gradient):
        with pytest.raises(CspError, match=r"'eiou' \(one of iou, giou, diou, ciou\)"):
            function(predicted, truth, "eiou")
