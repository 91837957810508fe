"""Costs of [softmax] and [cost]: tensors in, cost and delta out.

Source: Darknet behaviour. The delta of softmax is truth - p whatever the temperature; its cost sums -log p over every
entry whose truth is not zero, unweighted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from csptrain.losses.base import HeadLoss

SECRET = -1234.0


def softmax_loss(probability: Tensor, truth: Tensor) -> HeadLoss:
    """Cross-entropy of [N, K, ...] probabilities against [N, K] targets."""
    flat = probability.flatten(1)
    entries = -(flat + 1e-6).log() if flat.dtype is torch.float16 else -flat.clamp(min=1e-45).log()
    cost = torch.where(truth != 0, entries, torch.zeros_like(entries)).sum()
    return HeadLoss(cost, (truth - flat).view_as(probability), {})


def distance_loss(values: Tensor, truth: Tensor, kind: str, scale: float) -> HeadLoss:
    """Cost of [N, ...] values against [N, outputs] targets.

    ``kind`` is sse (squares), smooth (clipped delta; d^2 or 2|d|-1) or masked (sse, where a target of -1234 asks for
    nothing). The delta is multiplied by ``scale``, the cost is not.
    """
    flat = values.flatten(1)
    delta = truth - flat
    if kind == "masked":
        delta = torch.where(truth == SECRET, torch.zeros_like(delta), delta)
    cost = delta * delta
    if kind == "smooth":
        size = delta.abs()
        cost = torch.where(size < 1, cost, 2 * size - 1)
        delta = delta.clamp(-1, 1)
    return HeadLoss(cost.sum(), (delta * scale).view_as(values), {})
