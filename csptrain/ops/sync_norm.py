"""Batch normalization of a mini-batch whose images lie in several processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

AddUp = Callable[[Tensor], None]


def sync_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float, add_up: AddUp) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize ``x`` [N, C, ...] by the mean and biased variance of the images of all processes.

    Each process calls it with its own images, at the same place of the same order. The gradient of ``x`` is that of one
    process with all images; those of ``weight`` and ``bias`` [C] are of the own images, to be added up with all others.

    Args:
        add_up: puts the sum over all processes into a tensor.

    Returns:
        The normalized images in the type of ``x``, and the mean and unbiased variance [C], float32, without gradient.
    """
    output, mean, variance = _SyncNorm.apply(x, weight, bias, eps, add_up)  # type: ignore[no-untyped-call]
    return output, mean, variance


class _SyncNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, add_up: AddUp
    ) -> tuple[Tensor, Tensor, Tensor]:
        values = x.float()
        variance, mean = torch.var_mean(values, _all_but_channels(x), correction=0)
        count = mean.new_full((1,), values.numel() // len(mean), dtype=torch.float64)
        # Sums of squares lose their digits in float32.
        mean, variance = mean.double(), variance.double()
        sums = torch.cat((count, count * mean, count * (variance + mean * mean)))
        add_up(sums)
        count, (mean, squares) = sums[0], sums[1:].view(2, -1) / sums[0]
        variance = (squares - mean * mean).clamp_min(0)
        inverse = (variance + eps).rsqrt().float()
        unbiased = (variance * (count / (count - 1).clamp_min(1))).float()
        mean = mean.float()
        normalized = (values - _wide(mean, x)) * _wide(inverse, x)
        ctx.save_for_backward(normalized.to(x.dtype), weight, inverse, count)
        ctx.add_up = add_up
        ctx.mark_non_differentiable(mean, unbiased)
        output = normalized * _wide(weight.float(), x) + _wide(bias.float(), x)
        return output.to(x.dtype), mean, unbiased

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        normalized, weight, inverse, count = ctx.saved_tensors
        delta = grads[0].float()
        kept = normalized.float()
        axes = _all_but_channels(normalized)
        own = torch.stack((delta.sum(axes), (delta * kept).sum(axes)))
        shared = own.clone()
        ctx.add_up(shared)
        mean_delta, mean_product = shared / count.float()
        delta = delta - _wide(mean_delta, kept) - kept * _wide(mean_product, kept)
        x_grad = delta * _wide(inverse * weight.float(), kept)
        return x_grad.to(normalized.dtype), own[1].to(weight.dtype), own[0].to(weight.dtype), None, None


def _all_but_channels(x: Tensor) -> list[int]:
    return [axis for axis in range(x.dim()) if axis != 1]


def _wide(values: Tensor, x: Tensor) -> Tensor:
    """[C] to a shape that goes with [N, C, ...]."""
    return values.view(-1, *[1] * (x.dim() - 2))
