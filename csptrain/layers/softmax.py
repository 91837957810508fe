"""[softmax] and [cost]: the heads of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import integer, number, opt, word
from csptrain.cfg.text import Reading
from csptrain.layers.base import Head, LossContext, Shape
from csptrain.layers.target import Blob, NoEquivalent, Target
from csptrain.losses.base import HeadLoss
from csptrain.losses.classify import distance_loss, softmax_loss


class SoftmaxModule(nn.Module):
    """Softmax over the whole input vector of an image, in contiguous groups."""

    def __init__(self, groups: int, temperature: float) -> None:
        super().__init__()
        self.groups = groups
        self.temperature = temperature

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        logits = x.float().reshape(len(x), self.groups, -1) / self.temperature
        return torch.softmax(logits, 2).reshape(x.shape)


class CostModule(nn.Module):
    """Nothing but a place for a cost: its output is zero when no truth is given."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> zeros of that shape."""
        return torch.zeros_like(x)


@dataclass(frozen=True, kw_only=True)
class Softmax(Head):
    """Options of [softmax]."""

    kind = "softmax"
    aliases = ("soft",)
    refused = {"tree": ""}
    inert = {"spatial": "one softmax over the whole map is computed, as Darknet's CPU path does"}

    groups: int = opt(1, integer)
    temperature: float = opt(1.0, number)
    noloss: int = opt(0, integer)

    def check(self, reading: Reading) -> None:
        self.positive(reading, groups=self.groups)
        if self.temperature == 0:
            raise self.error("temperature=0", "temperature", "legal: any other number")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        if inputs[0].outputs % self.groups:
            raise self.error(f"{inputs[0].outputs} inputs are no multiple of groups={self.groups}", "groups")
        return inputs[0]

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return SoftmaxModule(self.groups, self.temperature)

    def loss(self, inputs: Sequence[Tensor], output: Tensor, truth: Tensor, context: LossContext) -> HeadLoss:
        return softmax_loss(output, truth)

    @property
    def has_loss(self) -> bool:
        return not self.noloss

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        x = inputs[0]
        if x.shape.h * x.shape.w > 1:
            raise NoEquivalent("OpenCV's softmax of a map is one for each pixel, Darknet's is one for all")
        if self.groups > 1:
            raise NoEquivalent("OpenCV has no softmax in groups", "groups")
        if self.temperature != 1:
            x = target.scale(x, torch.full((x.shape.c,), 1 / self.temperature))
        return target.softmax(x)


@dataclass(frozen=True, kw_only=True)
class CostLayer(Head):
    """Options of [cost]."""

    kind = "cost"
    inert = {"ratio": "Darknet reads it and never uses it"}

    type: str = opt("sse", word("sse", "sse", "masked", "smooth"))
    scale: float = opt(1.0, number)

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return CostModule()

    def loss(self, inputs: Sequence[Tensor], output: Tensor, truth: Tensor, context: LossContext) -> HeadLoss:
        return distance_loss(inputs[0], truth, self.type, self.scale)

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> None:
        # A layer of the training only.
        return None
