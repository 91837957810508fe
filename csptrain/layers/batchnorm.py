"""[batchnorm], and the batch normalization that convolutional and connected share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from csptrain.layers.base import Layer, Shape, Stored
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, Target

EPSILON = 1e-5
MOMENTUM = 0.01
REACH = 10  # a tenth of the batches seen


class BatchNorm(nn.Module):
    """Batch normalization as cuDNN's path of Darknet trains it: biased variance, rolling momentum 0.01, eps 1e-5.

    Differs: a fresh layer's rolling statistics reach back over a tenth of the batches it has seen, until that is the
    hundred batches of momentum 0.01. Darknet starts them at 0 and reaches back over a hundred at once, from which a
    short training never recovers; after loading weights (or 1,000 batches) the two rules are the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.batches = 0

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape, each channel scaled."""
        momentum = MOMENTUM
        if self.training:
            self.batches += 1
            momentum = max(MOMENTUM, min(1.0, REACH / (self.batches + REACH - 1)))
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, momentum, EPSILON
        )

    def settle(self) -> None:
        """Say that the rolling statistics are real (they were loaded)."""
        self.batches = round(REACH / MOMENTUM)

    def affine(self) -> tuple[Tensor, Tensor]:
        """What it is at inference: factors and offsets [C], float64."""
        factors = self.weight.double() / (self.running_var.double() + EPSILON).sqrt()
        return factors, self.bias.double() - self.running_mean.double() * factors

    def fold(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Weight [C, ...] and bias [C] of a linear layer that includes this normalization, float64."""
        factors, offsets = self.affine()
        return weight.double() * factors.reshape(-1, *[1] * (weight.dim() - 1)), offsets

    def get_extra_state(self) -> dict[str, int]:
        """What the state dict needs beyond tensors."""
        return {"batches": self.batches}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Take back what ``get_extra_state`` gave."""
        self.batches = state["batches"]

    def stored(self) -> list[Stored]:
        """Darknet's order: biases, scales, rolling mean, rolling variance."""
        return [
            Stored("biases", self.bias),
            Stored("scales", self.weight),
            Stored("rolling_mean", self.running_mean),
            Stored("rolling_variance", self.running_var),
        ]


@dataclass(frozen=True, kw_only=True)
class StandaloneBatchNorm(Layer):
    """[batchnorm] has no options of its own."""

    kind = "batchnorm"

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return BatchNorm(inputs[0].c)

    def stored(self, module: nn.Module) -> list[Stored]:
        assert isinstance(module, BatchNorm)
        return module.stored()

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        assert isinstance(module, BatchNorm)
        return target.scale(inputs[0], *module.affine())

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        assert isinstance(module, BatchNorm)
        return target.scale(inputs[0], *module.affine())
