"""What single options of [yolo] do to one cell, by hand; golden cases g10 (focal) and g11 (counters, smoothing) too."""

from __future__ import annotations

from dataclasses import replace
from math import log

import pytest
import torch
from torch import Tensor

from csptrain.losses.yolo import YoloSpec, yolo_loss

# One cell of a 32x32 network. The first anchor predicts a box of 0.5 x 0.5 there, the second of 0.4 x 0.4, as the truth
# is: its IoU with the first prediction is 0.64, and the second is the one that answers for it.
ANCHORS = ((16.0, 16.0), (12.8, 12.8))
OBJECT = 0.3
LIKELY, UNLIKELY = (0.6, 0.2, 0.1), (0.2, 0.2, 0.1)
LABEL = 1
OVERLAP = 0.64
SPEC = YoloSpec(3, ANCHORS, (0, 1), ignore_thresh=0.5)
COUNTERS = (90.0, 30.0, 6.0)


def deltas(spec: YoloSpec, classes: tuple[float, ...] = LIKELY, times: int = 1) -> tuple[Tensor, Tensor]:
    """Objectness and class deltas of both predictions: [2] and [2, 3]; the truth is there ``times`` times."""
    entries = torch.tensor((0.5, 0.5, 0.0, 0.0, OBJECT, *classes))
    truth = torch.tensor([[0.5, 0.5, 0.4, 0.4, float(LABEL)]]).repeat(1, times, 1)
    delta = yolo_loss(entries.repeat(2).view(1, 16, 1, 1), truth, spec, 32, 32).delta.view(2, 8)
    return delta[:, 4], delta[:, 5:]


def test_without_options() -> None:
    objectness, classes = deltas(SPEC)
    torch.testing.assert_close(objectness, torch.tensor([0.0, 1 - OBJECT]))
    torch.testing.assert_close(classes, torch.tensor([[0.0, 0, 0], [-0.6, 1 - 0.2, -0.1]]))


def test_objectness_smooth_aims_at_the_overlap() -> None:
    objectness, _ = deltas(replace(SPEC, objectness_smooth=True, obj_normalizer=0.5))
    torch.testing.assert_close(objectness, 0.5 * torch.tensor([OVERLAP - OBJECT, 1 - OBJECT]))


def test_objectness_smooth_leaves_the_object_of_an_unlikely_class_background() -> None:
    # Darknet sets an object's objectness only where the first pass left exactly 0.
    objectness, classes = deltas(replace(SPEC, objectness_smooth=True), UNLIKELY)
    torch.testing.assert_close(objectness, torch.tensor([-OBJECT, -OBJECT]))
    torch.testing.assert_close(classes[1], torch.tensor([-0.2, 0.8, -0.1]))


def test_objectness_smooth_above_truth_thresh_aims_at_the_square() -> None:
    spec = replace(SPEC, truth_thresh=0.6, objectness_smooth=True)
    objectness, classes = deltas(spec)
    assert objectness[0] == pytest.approx(OVERLAP**2 - OBJECT, abs=1e-5)
    torch.testing.assert_close(classes[0], torch.tensor([-0.6, OVERLAP**2 - 0.2, -0.1]))
    plain, _ = deltas(replace(spec, objectness_smooth=False))
    assert plain[0] == pytest.approx(1 - OBJECT)


def test_label_smoothing_moves_both_targets_by_half() -> None:
    _, classes = deltas(replace(SPEC, label_smooth_eps=0.1))
    torch.testing.assert_close(classes[1], torch.tensor([0.05 - 0.6, 0.95 - 0.2, 0.05 - 0.1]))
    _, again = deltas(replace(SPEC, label_smooth_eps=0.1), times=2)
    torch.testing.assert_close(again, classes)


def test_counters_weigh_boxes_objectness_and_the_own_class_of_rare_classes() -> None:
    spec = replace(SPEC, counters_per_class=COUNTERS, cls_normalizer=0.5)
    objectness, classes = deltas(spec)
    assert objectness[1] == pytest.approx(3 * (1 - OBJECT))
    torch.testing.assert_close(classes[1], torch.tensor([-0.6, 3 * 0.5 * 0.8, -0.1]))
    _, again = deltas(spec, times=2)
    assert again[1, LABEL] == pytest.approx(3 * 0.8), "a second truth sets it without cls_normalizer"
    limited, _ = deltas(replace(spec, max_delta=2.0))
    assert limited[1] == pytest.approx(2 * (1 - OBJECT))
    boxes = [yolo_boxes(replace(SPEC, counters_per_class=counters)) for counters in (None, COUNTERS)]
    torch.testing.assert_close(boxes[1], 3 * boxes[0])
    assert boxes[0].abs().max() > 0


def yolo_boxes(spec: YoloSpec) -> Tensor:
    """Box delta [4] of the second prediction for a truth that is larger than it."""
    entries = torch.tensor((0.5, 0.5, 0.0, 0.0, OBJECT, *LIKELY)).repeat(2).view(1, 16, 1, 1)
    truth = torch.tensor([[[0.51, 0.5, 0.42, 0.41, float(LABEL)]]])
    return yolo_loss(entries, truth, spec, 32, 32).delta.view(2, 8)[1, :4]


def test_cls_normalizer_acts_with_counters_only() -> None:
    for one, other in zip(deltas(SPEC), deltas(replace(SPEC, cls_normalizer=0.1)), strict=True):
        assert torch.equal(one, other)


def test_focal_loss_scales_all_classes_and_knows_no_smoothing() -> None:
    slope = -(1 - 0.2) * (2 * 0.2 * log(0.2) + 0.2 - 1)
    wanted = 0.5 * slope * torch.tensor([-0.6, 0.8, -0.1])
    for spec in (SPEC, replace(SPEC, label_smooth_eps=0.2), replace(SPEC, counters_per_class=COUNTERS)):
        _, classes = deltas(replace(spec, focal_loss=True))
        torch.testing.assert_close(classes[1], wanted)
    _, again = deltas(replace(SPEC, focal_loss=True), times=2)
    assert again[1, LABEL] == pytest.approx(0.8), "a second truth of the class sets it without the focal factor"
