"""[yolo] against the sequential definition; Darknet's own numbers are golden cases g01 to g15."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from csptrain.errors import CspError
from csptrain.losses.yolo import YoloSpec, yolo_activate, yolo_loss
from tests.losses.sequential import Sequential

ANCHORS = ((12.0, 10.0), (14.0, 30.0), (40.0, 25.0), (22.0, 21.0))
PLAIN = YoloSpec(3, ANCHORS, (0, 2, 3))
VARIATIONS = {
    "mse": PLAIN,
    "truth_thresh": replace(PLAIN, truth_thresh=0.4, ignore_thresh=0.2, iou_thresh=0.3),
    "smooth": replace(PLAIN, truth_thresh=0.4, ignore_thresh=0.2, iou_thresh=0.3, objectness_smooth=True),
    "ciou": replace(PLAIN, iou_loss="ciou", iou_thresh=0.2, max_delta=0.5, delta_normalizer=0.3),
    "giou": replace(PLAIN, iou_loss="giou", iou_thresh=0.2, iou_thresh_kind="diou", truth_thresh=0.45),
    "counters": replace(
        PLAIN, counters_per_class=(90.0, 20.0, 6.0), label_smooth_eps=0.1, cls_normalizer=0.5, max_delta=9.0
    ),
    "focal": replace(PLAIN, focal_loss=True, iou_thresh=0.2, iou_loss="diou"),
    "new_coords": replace(PLAIN, new_coords=True, scale_x_y=2.0, iou_loss="iou", obj_normalizer=0.4),
}


def crowd(images: int, count: int, classes: int, seed: int) -> Tensor:
    """Truths `[N, count, 5]` drawn around two places, so that cells are shared; some repeat their class."""
    draw = torch.Generator().manual_seed(seed)
    truth = torch.rand(images, count, 5, generator=draw)
    near = torch.rand(images, count, generator=draw) < 0.6
    truth[..., :2] = torch.where(near[..., None], 0.4 + 0.04 * truth[..., :2], truth[..., :2] * 0.98 + 0.01)
    truth[..., 2:4] = 0.1 + 0.5 * truth[..., 2:4]
    truth[..., 4] = (truth[..., 4] * classes).floor()
    return truth


def random_output(spec: YoloSpec, images: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    raw = torch.randn(images, len(spec.mask) * (5 + spec.classes), 3, 4, generator=draw)
    return yolo_activate(raw.sigmoid() if spec.new_coords else raw, spec)


@pytest.mark.parametrize("name", VARIATIONS)
@pytest.mark.parametrize("seed", [1, 2])
def test_rounds_equal_the_sequential_definition(name: str, seed: int) -> None:
    spec = VARIATIONS[name]
    output, truth = random_output(spec, 3, seed), crowd(3, 12, spec.classes, seed)
    truth[1, 5:] = 0
    truth[2, 3, 4] = spec.classes
    reference = Sequential(output, truth, spec, 64, 48)
    loss = yolo_loss(output, truth, spec, 64, 48)
    torch.testing.assert_close(loss.delta, reference.delta.flatten(1, 2), rtol=1e-5, atol=1e-5)
    numbers = loss.numbers()
    assert numbers["cost"] == pytest.approx(reference.cost(), rel=1e-5)
    assert (numbers["rewritten"], numbers["total"]) == (reference.rewritten, reference.total)
    assert reference.rewritten > 0, "the case must contain shared cells"


def test_an_empty_truth_leaves_only_background() -> None:
    output = random_output(PLAIN, 2, 3)
    for rows in (0, 4):
        loss = yolo_loss(output, torch.zeros(2, rows, 5), PLAIN, 64, 48)
        delta = loss.delta.unflatten(1, (3, 8))
        objectness = output.unflatten(1, (3, 8))[:, :, 4]
        torch.testing.assert_close(delta[:, :, 4], -objectness)
        assert delta[:, :, :4].abs().max() == 0 and delta[:, :, 5:].abs().max() == 0
        assert loss.numbers()["count"] == 0
        assert loss.numbers()["cost"] == pytest.approx(float(objectness.square().sum()), rel=1e-6)


def test_the_list_ends_at_the_first_zero_x_and_skips_foreign_classes() -> None:
    output = random_output(PLAIN, 1, 4)
    good = torch.tensor([[0.3, 0.3, 0.2, 0.3, 1.0], [0.7, 0.6, 0.6, 0.5, 2.0]])
    foreign = torch.tensor([[0.5, 0.5, 0.4, 0.4, 3.0], [0.5, 0.5, 0.4, 0.4, -1.0]])
    end = torch.tensor([[0.0, 0.5, 0.4, 0.4, 1.0], [0.5, 0.2, 0.4, 0.4, 1.0]])
    plain = yolo_loss(output, good[None], PLAIN, 64, 48)
    mixed = yolo_loss(output, torch.cat((good[:1], foreign, good[1:], end))[None], PLAIN, 64, 48)
    assert torch.equal(plain.delta, mixed.delta)
    limited = yolo_loss(output, good[None], replace(PLAIN, max=1), 64, 48)
    assert torch.equal(limited.delta, yolo_loss(output, good[None, :1], PLAIN, 64, 48).delta)
    assert not torch.equal(plain.delta, limited.delta)


@pytest.mark.parametrize("x", [1 - 2**-24, 1.0])
def test_a_centre_at_the_right_border_falls_into_the_last_column(x: float) -> None:
    output = random_output(PLAIN, 1, 5)
    loss = yolo_loss(output, torch.tensor([[[x, 0.999, 0.3, 0.3, 0.0]]]), PLAIN, 64, 48)
    touched = loss.delta.unflatten(1, (3, 8))[0, :, :4].abs().sum((0, 1)).nonzero().tolist()
    assert touched == [[2, 3]]


@pytest.mark.parametrize("kind", ["mse", "iou", "giou", "diou", "ciou"])
def test_extreme_values_stay_finite(kind: str) -> None:
    spec = replace(PLAIN, iou_loss=kind, iou_thresh=0.1, truth_thresh=0.5)
    raw = random_output(PLAIN, 2, 6) * 400
    truth = crowd(2, 6, 3, 6)
    truth[0, 0, 2:4] = 0
    loss = yolo_loss(yolo_activate(raw, spec), truth, spec, 64, 48)
    assert loss.delta.isfinite().all()


def test_inputs_are_left_alone_and_half_precision_is_computed_in_float() -> None:
    raw = torch.randn(2, 24, 3, 4, generator=torch.Generator().manual_seed(7))
    kept, truth = raw.clone(), crowd(2, 5, 3, 7)
    output = yolo_activate(raw, replace(PLAIN, scale_x_y=1.2))
    shown = output.clone()
    loss = yolo_loss(output, truth, PLAIN, 64, 48)
    assert torch.equal(raw, kept) and torch.equal(output, shown)
    half = yolo_loss(output.bfloat16(), truth, PLAIN, 64, 48)
    assert half.delta.dtype == torch.float32
    torch.testing.assert_close(
        half.delta, yolo_loss(output.bfloat16().float(), truth, PLAIN, 64, 48).delta, rtol=0, atol=0
    )
    last = yolo_loss(output.contiguous(memory_format=torch.channels_last), truth, PLAIN, 64, 48)
    assert last.delta.shape == raw.shape
    torch.testing.assert_close(last.delta, loss.delta)


def test_an_unknown_similarity_is_named() -> None:
    with pytest.raises(CspError, match="ciuo"):
        yolo_loss(random_output(PLAIN, 1, 1), crowd(1, 2, 3, 1), replace(PLAIN, iou_loss="ciuo"), 64, 48)
