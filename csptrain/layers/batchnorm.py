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
from csptrain.ops.sync_norm import AddUp, sync_norm

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
        #: Adds a tensor up over the processes that a mini-batch is divided among; None where it is whole.
        self.add_up: AddUp | None = None

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape, each channel scaled."""
        momentum = self._next_momentum() if self.training else MOMENTUM
        if self.training and self.add_up is not None:
            output, mean, variance = sync_norm(x, self.weight, self.bias, EPSILON, self.add_up)
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance, momentum)
            return output
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, momentum, EPSILON
        )

    @property
    def repeatable(self) -> bool:
        """Whether `again` gives what the last pass gave."""
        return self.training and self.add_up is None

    def again(self, x: Tensor) -> Tensor:
        """What a training pass gave for the same ``x``; the rolling statistics stay."""
        mean, variance = torch.zeros_like(self.running_mean), torch.ones_like(self.running_var)
        return F.batch_norm(x, mean, variance, self.weight, self.bias, True, MOMENTUM, EPSILON)

    def pass_over(self) -> None:
        """Count a mini-batch whose statistics another process adds: the rolling ones fade as if it were seen here."""
        kept = 1 - self._next_momentum()
        self.running_mean.mul_(kept)
        self.running_var.mul_(kept)

    def _next_momentum(self) -> float:
        self.batches += 1
        return max(MOMENTUM, min(1.0, REACH / (self.batches + REACH - 1)))

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
