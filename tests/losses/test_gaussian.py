"""[Gaussian_yolo] against the sequential definition; Darknet's own numbers are golden cases f20, g16, g17, t11, b07."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from csptrain.losses.gaussian import GaussianSpec, gaussian_activate, gaussian_loss
from tests.losses.sequential_gaussian import SequentialGaussian

ANCHORS = ((5.0, 6.0), (9.0, 7.0), (8.0, 14.0), (16.0, 12.0), (14.0, 22.0))
SPECS: dict[str, dict[str, Any]] = {
    "likelihood": {"uc_normalizer": 0.7},
    "overlap": {"iou_loss": "giou", "max_delta": 2.0, "yolo_point": "left_top"},
    "right bottom": {"iou_loss": "diou", "yolo_point": "right_bottom", "iou_thresh": 0.3},
    "smooth": {"objectness_smooth": True, "ignore_thresh": 0.3, "truth_thresh": 0.4, "obj_normalizer": 0.6},
    "weights": {
        "counters_per_class": (9, 3, 1),
        "cls_normalizer": 0.5,
        "label_smooth_eps": 0.1,
        "iou_thresh": 0.2,
        "iou_thresh_kind": "ciou",
        "max_delta": 4.0,
    },
    "handed on": {"delta_normalizer": 0.25, "scale_x_y": 1.2, "truth_thresh": 0.5},
}


def spec(**options: Any) -> GaussianSpec:
    return GaussianSpec(classes=3, anchors=ANCHORS, mask=(0, 2, 3), **options)


def case(of: GaussianSpec, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    output = gaussian_activate(torch.randn(2, 36, 3, 4, generator=draw), of)
    truth = torch.zeros(2, 12, 5)
    for image, count in enumerate((12, 5)):
        places = torch.rand(count, 4, generator=draw)
        truth[image, :count, :2] = places[:, :2] * 0.5 + 0.2
        truth[image, :count, 2:4] = places[:, 2:] * 0.4 + 0.1
        truth[image, :count, 4] = torch.randint(3, (count,), generator=draw)
    return output, truth


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SPECS)
def test_rounds_equal_the_sequential_definition(name: str, seed: int) -> None:
    options = spec(**SPECS[name])
    output, truth = case(options, seed)
    slow = SequentialGaussian(output, truth, options, 32, 24)
    found = gaussian_loss(output, truth, options, 32, 24)
    wanted = slow.delta * options.delta_normalizer
    torch.testing.assert_close(found.delta, wanted.flatten(1, 2), rtol=2e-4, atol=2e-5)
    torch.testing.assert_close(found.cost, slow.delta.square().sum(), rtol=1e-4, atol=1e-4)
    numbers = found.numbers()
    parts = sum(numbers[part] for part in ("loss_box", "loss_uc", "loss_obj", "loss_cls"))
    assert parts == pytest.approx(numbers["cost"], rel=1e-5)


def test_activation() -> None:
    options = spec(scale_x_y=1.1)
    raw = torch.randn(1, 36, 2, 2)
    out, source = gaussian_activate(raw, options).unflatten(1, (3, 12)), raw.unflatten(1, (3, 12))
    torch.testing.assert_close(out[:, :, 0:3:2], source[:, :, 0:3:2].sigmoid() * 1.1 - 0.05)
    torch.testing.assert_close(out[:, :, 4:7:2], source[:, :, 4:7:2], rtol=0, atol=0)
    others = [1, 3, 5, *range(7, 12)]
    torch.testing.assert_close(out[:, :, others], source[:, :, others].sigmoid())


def test_an_empty_truth_leaves_only_background() -> None:
    options = spec()
    output, truth = case(options, 0)
    found = gaussian_loss(output, torch.zeros_like(truth), options, 32, 24)
    split = found.delta.unflatten(1, (3, 12))
    torch.testing.assert_close(split[:, :, 8], -output.unflatten(1, (3, 12))[:, :, 8])
    assert split[:, :, :8].abs().max() == 0 and split[:, :, 9:].abs().max() == 0
    assert found.numbers()["count"] == 0


def test_values_that_are_not_finite_do_not_spread() -> None:
    options = spec()
    output, truth = case(options, 1)
    output[0, 0] = float("nan")
    output[1, 4] = 1e30
    output[1, 1] = 0.0
    assert gaussian_loss(output, truth, options, 32, 24).delta.isfinite().all()
