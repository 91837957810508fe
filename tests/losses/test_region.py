"""[region] in cases done by hand; Darknet's own numbers are golden cases g18 to g21."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from csptrain.losses.region import PRIOR_IMAGES, RegionSpec, region_activate, region_loss

PLAIN = RegionSpec(3, ((0.7, 0.9), (1.6, 1.3), (2.5, 2.2)), softmax=True, bias_match=True, rescore=True)


def random_raw(seed: int, images: int = 2) -> Tensor:
    return torch.randn(images, 24, 3, 4, generator=torch.Generator().manual_seed(seed))


def entries(delta: Tensor) -> Tensor:
    """Delta `[N, A, 8, H, W]`."""
    split: Tensor = delta.unflatten(1, (3, 8))
    return split


def test_activation_is_laid_out_by_cell_and_leaves_the_input_alone() -> None:
    raw = random_raw(1)
    kept = raw.clone()
    rows = region_activate(raw, PLAIN).view(2, 3, 4, 3, 8)
    maps = raw.unflatten(1, (3, 8))
    assert torch.equal(rows[1, 2, 3, 0, :4], maps[1, 0, :4, 2, 3])
    assert rows[1, 2, 3, 1, 4] == maps[1, 1, 4, 2, 3].sigmoid()
    torch.testing.assert_close(rows[..., 5:].sum(-1), torch.ones(2, 3, 4, 3))
    assert torch.equal(raw, kept)
    one_cell = raw[..., :1, :1].contiguous()
    kept = one_cell.clone()
    region_activate(one_cell, PLAIN)
    assert torch.equal(one_cell, kept)


def test_the_prior_ends_with_the_first_images() -> None:
    output, nothing = region_activate(random_raw(2), PLAIN), torch.zeros(2, 4, 5)
    early = entries(region_loss(output, nothing, PLAIN, 4, 3, PRIOR_IMAGES - 1).delta)
    late = entries(region_loss(output, nothing, PLAIN, 4, 3, PRIOR_IMAGES).delta)
    assert early[:, :, :4].abs().min() > 0
    assert late[:, :, :4].abs().max() == 0
    assert torch.equal(early[:, :, 4:], late[:, :, 4:])


def test_the_last_truth_of_a_cell_wins() -> None:
    output = region_activate(random_raw(3, 1), PLAIN)
    first = torch.tensor([0.30, 0.4, 0.3, 0.3, 0.0])
    last = torch.tensor([0.32, 0.4, 0.31, 0.3, 2.0])
    both = region_loss(output, torch.stack((first, last))[None], PLAIN, 4, 3, PRIOR_IMAGES)
    alone = region_loss(output, last[None, None], replace(PLAIN, thresh=1.0), 4, 3, PRIOR_IMAGES)
    assert both.numbers()["count"] == 2
    assert torch.equal(entries(both.delta)[:, :, :4], entries(alone.delta)[:, :, :4])
    assert torch.equal(entries(both.delta)[:, :, 5:], entries(alone.delta)[:, :, 5:])


def test_truths_that_do_not_count() -> None:
    output = region_activate(random_raw(4, 1), PLAIN)
    good = torch.tensor([[0.3, 0.3, 0.2, 0.3, 1.0]])
    foreign = torch.tensor([[0.5, 0.5, 0.4, 0.4, 3.0], [0.5, 0.5, 0.4, 0.4, -2.0]])
    end = torch.tensor([[0.0, 0.5, 0.4, 0.4, 1.0], [0.5, 0.2, 0.4, 0.4, 1.0]])
    plain = region_loss(output, good[None], PLAIN, 4, 3, PRIOR_IMAGES)
    mixed = region_loss(output, torch.cat((foreign, good, end))[None], PLAIN, 4, 3, PRIOR_IMAGES)
    assert plain.numbers()["count"] == 1
    assert torch.equal(plain.delta, mixed.delta)


@pytest.mark.parametrize("bias_match", [True, False])
def test_border_and_extreme_values_stay_finite(bias_match: bool) -> None:
    spec = replace(PLAIN, bias_match=bias_match)
    output = region_activate(random_raw(5) * 300, spec)
    truth = torch.tensor([[[1.0, 1.0, 0.3, 0.3, 0.0], [1 - 2**-24, 0.5, 0.0, 0.2, 1.0]]]).repeat(2, 1, 1)
    loss = region_loss(output, truth, spec, 4, 3, 1)
    assert loss.delta.isfinite().all()
    assert entries(loss.delta)[0, :, 5:].abs().sum((0, 1)).nonzero().tolist() == [[1, 3], [2, 3]]
