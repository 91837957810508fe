"""What a detection head's loss returns."""

from __future__ import annotations

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
    """

    cost: Tensor
    delta: Tensor
    stats: dict[str, Tensor]

    def numbers(self) -> dict[str, float]:
        """The statistics and the cost (under "cost") as Python numbers, in one transfer."""
        scalars = {"cost": self.cost, **self.stats}
        values: list[float] = torch.stack([value.float() for value in scalars.values()]).tolist()
        return dict(zip(scalars, values, strict=True))
