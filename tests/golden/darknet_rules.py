"""Darknet's own rule wherever csptrain knowingly computes another gradient, put into a network before it runs.

With them the cases of ``DIFFERENT`` agree: what sets csptrain apart there is these rules and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from csptrain.layers.batchnorm import EPSILON, BatchNorm
from csptrain.layers.convolutional import ConvolutionModule
from csptrain.layers.dense import ConnectedModule
from csptrain.layers.pooling import LocalAveragePoolModule
from csptrain.network import Network
from csptrain.ops.activation import activation


@dataclass(frozen=True)
class Difference:
    """A rule that is not followed: what Darknet does, what csptrain does, and why it stays so."""

    darknet: str
    csptrain: str
    why: str


#: Case -> the one rule by which it differs.
DIFFERENT = {
    "gl03_localavg": Difference(
        "[local_avgpool] hands each pixel the plain mean of the gradients of the windows around it",
        "the derivative: each window's gradient over its number of pixels, summed",
        "Darknet's is no derivative (too large by size² where windows do not overlap), its CPU program has another. "
        "The one public cfg with this layer, yolov4-tiny_contrastive, has it before a route with `onlyforward=1`, "
        "through which no gradient comes: no weights were trained by the rule",
    ),
    "gl09_acts": Difference(
        "gelu takes its derivative at the output value",
        "the derivative at the input",
        "a slip; the eleven other activations of the case agree. None of the 95 public cfgs uses gelu, so no known "
        "weights were trained by it",
    ),
    "gl10_acts_b": Difference(
        "normalize_channels multiplies a gradient by the positive outputs, its softmax kinds by out·(1 − out)",
        "the derivatives, in which the channels of a pixel pull on each other",
        "an approximation that Darknet's CPU and GPU programs make differently. None of the 95 public cfgs uses these "
        "activations, and no weights of one are known",
    ),
    "gl11_bn_act_conn": Difference(
        "[connected] normalizes with the unbiased variance and goes back by the CPU program's rule",
        "batch normalization as in [convolutional]",
        "the case emulates the GPU's batch normalization for convolutions alone. Darknet's GPU program, which trained "
        "the published weights, runs the same cuDNN normalization for [connected] (from reading): that is followed",
    ),
    "gl17_share": Difference(
        "of two layers that share batch normalization the later one overwrites the statistics of the earlier one "
        "before its backward pass",
        "each layer's own statistics",
        "a defect, one buffer for two values. One of the 95 public cfgs shares layers, resnet152_trident, and no "
        "weights of it are known",
    ),
}


def put_in(network: Network) -> None:
    """Change a network to Darknet's rule in all of these places."""
    for module in network.layers:
        if isinstance(module, ConvolutionModule):
            gradient = _GRADIENTS.get(module.activation)
            if gradient is not None:
                function = activation(module.activation)
                module.activation = "linear"
                module.register_forward_hook(partial(_activate, function, gradient))
            if module.borrows and module.norm is not None:
                module.norm.__class__ = SharedNorm
        elif isinstance(module, ConnectedModule) and module.norm is not None:
            module.norm.__class__ = CpuNorm
        elif isinstance(module, LocalAveragePoolModule):
            module.__class__ = NeighbourPool


Gradient = Callable[[Tensor, Tensor], Tensor]  # delta and output -> delta of the input


def _gelu_at_output(delta: Tensor, out: Tensor) -> Tensor:
    x = out.detach().requires_grad_()
    with torch.enable_grad():
        y = activation("gelu")(x)
    (slope,) = torch.autograd.grad(y, x, torch.ones_like(y))
    return delta * slope


_GRADIENTS: dict[str, Gradient] = {
    "gelu": _gelu_at_output,
    "normalize_channels": lambda delta, out: torch.where(out > 0, delta * out, delta),
    "normalize_channels_softmax": lambda delta, out: delta * out * (1 - out),
    "normalize_channels_softmax_maxval": lambda delta, out: delta * out * (1 - out),
}


class _WithGradient(torch.autograd.Function):
    """A function whose gradient another one states from delta and output."""

    @staticmethod
    def forward(context: Any, x: Tensor, function: Callable[[Tensor], Tensor], gradient: Gradient) -> Tensor:
        out = function(x)
        context.save_for_backward(out)
        context.gradient = gradient
        return out

    @staticmethod
    def backward(context: Any, delta: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (out,) = context.saved_tensors
        return context.gradient(delta, out), None, None


def _activate(
    function: Callable[[Tensor], Tensor], gradient: Gradient, module: ConvolutionModule, _: object, x: Tensor
) -> Tensor:
    out: Tensor = _WithGradient.apply(x, function, gradient)  # type: ignore[no-untyped-call]
    return out


class NeighbourPool(LocalAveragePoolModule):
    """[local_avgpool] whose gradient is the mean over the windows that may touch a pixel, as on Darknet's GPU path."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H', W']."""
        out: Tensor = _WithGradient.apply(  # type: ignore[no-untyped-call]
            x, super().forward, lambda delta, _: self._spread(delta, x.shape[2], x.shape[3])
        )
        return out

    def _spread(self, delta: Tensor, height: int, width: int) -> Tensor:
        before, size = self.window.padding // 2, self.window.size
        places, reaches = [], []
        for side, stride in zip((height, width), self.window.stride, strict=True):
            places.append((torch.arange(side) + before) // stride)
            reaches.append((size - 1) // stride)
        (rows, columns), (up, left) = places, reaches
        # Room for every window that a pixel may be asked about; those that do not exist count for nothing.
        room = (left, int(columns[-1]) + left + 1, up, int(rows[-1]) + up + 1)
        sums = []
        for what in (delta, torch.ones_like(delta)):
            around = F.pad(what, room)
            parts = [
                around[:, :, rows + row][:, :, :, columns + column]
                for row in range(2 * up + 1)
                for column in range(2 * left + 1)
            ]
            sums.append(torch.stack(parts).sum(0))
        return sums[0] / sums[1].clamp(min=1)


class _Normalize(torch.autograd.Function):
    """Batch normalization over all but the channels, with a gradient that the module states."""

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, bias: Tensor, norm: StatedNorm) -> Tensor:
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=norm.unbiased, keepdim=True)
        norm.latest = mean, var
        context.save_for_backward(x, weight, mean, var)
        context.norm = norm
        return (x - mean) / torch.sqrt(var + EPSILON) * weight.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)

    @staticmethod
    def backward(context: Any, delta: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # type: ignore[override]
        x, weight, mean, var = context.saved_tensors
        if isinstance(context.norm, SharedNorm):
            mean, var = context.norm.latest
        root = torch.sqrt(var + EPSILON)
        normal = (x - mean) / root
        scales, biases = (delta * normal).sum((0, 2, 3)), delta.sum((0, 2, 3))
        count = x.numel() / x.shape[1]
        inner = delta * weight.view(1, -1, 1, 1)
        by_mean = -inner.sum((0, 2, 3), keepdim=True) / root
        by_var = -0.5 * (inner * (x - mean)).sum((0, 2, 3), keepdim=True) / root**3
        outer = inner / (root if isinstance(context.norm, SharedNorm) else torch.sqrt(var) + EPSILON)
        return outer + by_var * 2 * (x - mean) / count + by_mean / count, scales, biases, None


class StatedNorm(BatchNorm):
    """Trains with the gradient of `_Normalize`; ``latest`` are the mean and the variance that it saw last."""

    unbiased: bool
    latest: tuple[Tensor, Tensor]

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        if not self.training:
            return super().forward(x)
        out: Tensor = _Normalize.apply(x, self.weight, self.bias, self)  # type: ignore[no-untyped-call]
        return out


class SharedNorm(StatedNorm):
    """One place for the statistics of two layers: what the later one saw is what both go back with."""

    unbiased = False


class CpuNorm(StatedNorm):
    """The CPU program's: unbiased variance, backward as if it were the biased one."""

    unbiased = True
