"""What a detection head's loss returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class HeadLoss:
    """Cost and gradient of one head for one mini-batch.

    cost: scalar float32, what Darknet reports as the layer's cost, summed over the mini-batch.
    delta: float32 `[N, C, H, W]`, the NEGATIVE gradient with respect to the raw output of the layer before
    the head, summed over the mini-batch, normalizers included: `raw.backward(-delta)` trains.
    stats: scalar float32 tensors for the log, on the device of the cost, so that collecting them does not
    wait for the device; `numbers()` reads them all at once.
    means: those statistics that are means over the `count` truths of the mini-batch.
    """

    cost: Tensor
    delta: Tensor
    stats: dict[str, Tensor]
    means: frozenset[str] = frozenset()

    def numbers(self) -> dict[str, float]:
        """The statistics and the cost (under "cost") as Python numbers, in one transfer."""
        scalars = {"cost": self.cost, **self.stats}
        values: list[float] = torch.stack([value.float() for value in scalars.values()]).tolist()
        return dict(zip(scalars, values, strict=True))


def merge(parts: Sequence[tuple[int, Mapping[str, float]]], means: frozenset[str]) -> dict[str, float]:
    """The numbers of a mini-batch from those of its parts, each with its number of images.

    Sums add up; ``means`` weigh by the truths of each part, the mean objectness of all predictions by its images. Where
    the boxes' loss is a mean, the cost is that of the merged one.
    """
    images = sum(count for count, _ in parts)
    truths = sum(numbers.get("count", 0.0) for _, numbers in parts)
    merged = {}
    for key in parts[0][1]:
        if key in means:
            merged[key] = sum(numbers[key] * numbers["count"] for _, numbers in parts) / max(truths, 1.0)
        elif key == "no_obj":
            merged[key] = sum(numbers[key] * count for count, numbers in parts) / images
        else:
            merged[key] = sum(numbers[key] for _, numbers in parts)
    if "loss_box" in means:
        merged["cost"] += merged["loss_box"] - sum(numbers["loss_box"] for _, numbers in parts)
    return merged
