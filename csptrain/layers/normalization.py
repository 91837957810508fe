"""[normalization], alias [lrn]: local response normalization across channels (AlexNet)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import integer, number, opt
from csptrain.cfg.text import Reading
from csptrain.layers.base import Layer, Shape
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, NoEquivalent, Target


class NormalizationModule(nn.Module):
    """x * (kappa + alpha * the sum of squares of neighbouring channels) ^ -beta.

    Source: Darknet behaviour. The sum of channel 0 takes channels 0 .. size/2 - 1; every further one adds the channel
    size/2 behind it and drops the one (size-1)/2 + 1 before it. So channel size/2 is never added, but dropped later.
    The gradient takes the sum as a constant.
    """

    def __init__(self, layer: Normalization) -> None:
        super().__init__()
        self.alpha, self.beta, self.kappa = layer.alpha, layer.beta, layer.kappa
        self.ahead = layer.size // 2
        self.behind = (layer.size - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        with torch.no_grad():
            squares = x.square()
            sums = squares[:, : self.ahead].sum(1, keepdim=True).repeat(1, x.shape[1], 1, 1)
            for channel in range(1, x.shape[1]):
                change = torch.zeros_like(squares[:, 0])
                if channel + self.ahead < x.shape[1]:
                    change += squares[:, channel + self.ahead]
                if channel > self.behind:
                    change -= squares[:, channel - self.behind - 1]
                sums[:, channel] = sums[:, channel - 1] + change
            share = (self.kappa + self.alpha * sums).pow(-self.beta)
        return x * share


@dataclass(frozen=True, kw_only=True)
class Normalization(Layer):
    """Options of [normalization]."""

    kind = "normalization"
    aliases = ("lrn",)

    size: int = opt(5, integer)
    alpha: float = opt(0.0001, number)
    beta: float = opt(0.75, number)
    kappa: float = opt(1.0, number)

    def check(self, reading: Reading) -> None:
        self.positive(reading, size=self.size)

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return NormalizationModule(self)

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"{self.size} channels"

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        raise NoEquivalent("OpenCV's response normalization sums other channels")

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        x = inputs[0]
        place = torch.arange(x.shape.c)
        # Which squares the running sum of each channel holds: -1 for those that are dropped without having been added.
        ahead = self.size // 2
        added = (place[None] < ahead) | ((place[None] > ahead) & (place[None] <= place[:, None] + ahead))
        dropped = place[None] < place[:, None] - (self.size - 1) // 2
        weight = (added.float() - dropped.float())[:, :, None, None] * self.alpha
        sums = target.convolution(target.multiply(x, x), weight, torch.full((x.shape.c,), self.kappa))
        power = target.emit("Pow", [sums, -self.beta], sums.dims)
        return target.multiply(x, power)
