"""One iteration of Darknet's training: forward and backward of every sub-batch, then the update."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from csptrain.errors import CspError
from csptrain.losses.base import HeadLoss
from csptrain.network import Network
from csptrain.train.optim import DarknetSGD
from csptrain.train.schedule import rate


@dataclass(frozen=True)
class StepResult:
    """What an iteration came to: Darknet's printed loss, the rate used, and each head's mean statistics."""

    loss: float
    rate: float
    heads: dict[int, dict[str, float]]


class Trainer:
    """A network, its optimizer and where and how they compute."""

    def __init__(self, network: Network, device: torch.device, amp: torch.dtype | None = None) -> None:
        self.network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device = device
        self.amp = amp
        self.optimizer = DarknetSGD(network)

    def step(self, iteration: int, images: Tensor, truth: Tensor) -> StepResult:
        """Train on one full batch.

        Args:
            iteration: its number, from 1.
            images: uint8 [batch, H, W, C] RGB.
            truth: float32 [batch, T, 5].

        Raises:
            CspError: the loss is not finite; the weights are still those before the step.
        """
        net = self.network.graph.net
        self.network.train()
        total = torch.zeros((), device=self.device)
        heads: dict[int, list[HeadLoss]] = {}
        for first in range(0, net.effective_batch, net.mini_batch):
            rows = slice(first, first + net.mini_batch)
            x = images[rows].to(self.device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
            self.network.seen += len(x)
            with torch.autocast(self.device.type, self.amp or torch.bfloat16, enabled=self.amp is not None):
                loss = self.network.loss(x, truth[rows].to(self.device, non_blocking=True), iteration)
            (loss.surrogate / net.effective_batch).backward()
            total += loss.cost
            for index, head in loss.heads.items():
                heads.setdefault(index, []).append(head)
        value = total.item() / net.effective_batch
        if not abs(value) < float("inf"):
            raise CspError(
                f"the loss of iteration {iteration} is {value}",
                hint="lower learning_rate or lengthen burn_in; --resume goes on from the last state",
            )
        current = rate(net, iteration)
        self.optimizer.step(iteration, current)
        return StepResult(value, current, {index: _mean(losses) for index, losses in heads.items()})


def _mean(losses: list[HeadLoss]) -> dict[str, float]:
    numbers = [loss.numbers() for loss in losses]
    return {key: sum(number[key] for number in numbers) / len(numbers) for key in numbers[0]}
