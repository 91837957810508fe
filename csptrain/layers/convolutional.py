"""[convolutional]: grouped, dilated, rectangular-stride convolution with batch normalization and activation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from csptrain.cfg.fields import integer, opt, word
from csptrain.cfg.text import Reading
from csptrain.layers.base import MAX_CHANNELS, Cost, Shape, Stored
from csptrain.layers.batchnorm import BatchNorm
from csptrain.layers.strided import Strided
from csptrain.layers.target import Blob, NoEquivalent, Target
from csptrain.ops.activation import ACTIVATIONS, activation


class ConvolutionModule(nn.Module):
    """Convolution, then batch normalization or bias, then activation; [N, C, H, W] in and out."""

    def __init__(self, layer: Convolutional, channels: int) -> None:
        super().__init__()
        size, groups = layer.size, layer.groups
        self.stride = layer.strides
        self.padding = layer.padding_pixels * layer.dilation_used
        self.dilation = layer.dilation_used
        self.groups = groups
        self.activation = layer.activation
        self.weight = nn.Parameter(torch.empty(layer.filters, channels // groups, size, size))
        self.norm = BatchNorm(layer.filters) if layer.batch_normalize else None
        self.bias = None if layer.batch_normalize else nn.Parameter(torch.zeros(layer.filters))

    def initialize(self, generator: torch.Generator) -> None:
        """Draw Darknet's start: uniform in +-sqrt(2 / fan_in), biases 0, scales 1."""
        reach = sqrt(2.0 / self.weight[0].numel())
        with torch.no_grad():
            self.weight.uniform_(-reach, reach, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, filters, H', W']."""
        y = F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        if self.norm is not None:
            y = self.norm(y)
        # Mish and swish keep their input for the gradient; the others may work in place.
        return activation(self.activation, in_place=True)(y)


@dataclass(frozen=True, kw_only=True)
class Convolutional(Strided):
    """Options of [convolutional]."""

    kind = "convolutional"
    aliases = ("conv",)
    inert = {
        "grad_centr": "gradient centralization exists on Darknet's GPU path only and is not computed here",
    }
    refused = {
        key: "0"
        for key in (
            "xnor cbn antialiasing assisted_excitation binary bin_output sway rotate stretch stretch_sway flipped dot "
            "angle reverse coordconv"
        ).split()
    } | {"share_index": "-1000000000"}

    filters: int = opt(1, integer)
    groups: int = opt(1, integer)
    size: int = opt(1, integer)
    dilation: int = opt(1, integer)
    pad: int = opt(0, integer)
    padding: int = opt(0, integer)
    activation: str = opt("logistic", word("relu", *ACTIVATIONS))
    batch_normalize: int = opt(0, integer)

    @property
    def padding_pixels(self) -> int:
        """Padding of each side before dilation: pad=1 means size/2 and wins over padding."""
        return self.size // 2 if self.pad else self.padding

    @property
    def dilation_used(self) -> int:
        """Darknet ignores dilation of a 1x1 kernel."""
        return 1 if self.size == 1 else self.dilation

    def check(self, reading: Reading) -> None:
        self.positive(
            reading,
            filters=self.filters,
            groups=self.groups,
            size=self.size,
            stride=self.stride,
            dilation=self.dilation,
        )
        if self.padding < 0:
            raise self.error(f"padding={self.padding} is negative", "padding")
        if self.filters > MAX_CHANNELS:
            raise self.error(f"filters={self.filters} is more than {MAX_CHANNELS}", "filters")
        if self.filters % self.groups:
            raise self.error(f"filters={self.filters} is no multiple of groups={self.groups}", "filters")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        image = inputs[0]
        if image.c % self.groups:
            raise self.error(f"{image.c} input channels are no multiple of groups={self.groups}", "groups")
        down, right = self.strides
        padding = 2 * self.padding_pixels
        h = self.window(image.h, padding, self.size, down)
        w = self.window(image.w, padding, self.size, right)
        reach = self.dilation_used * (self.size - 1) + 1
        for length, stride, planned in ((image.h, down, h), (image.w, right, w)):
            inside = length + padding * self.dilation_used - reach
            if inside < 0 or inside // stride + 1 != planned:
                raise self.error(
                    f"dilation={self.dilation} with size={self.size} and this padding is not defined: Darknet plans a "
                    f"map of {planned}",
                    "dilation",
                    "use an odd size with pad=1",
                )
        return Shape(self.filters, h, w)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return ConvolutionModule(self, inputs[0].c)

    def stored(self, module: nn.Module) -> list[Stored]:
        assert isinstance(module, ConvolutionModule)
        weights = Stored("weights", module.weight)
        if module.norm is None:
            assert module.bias is not None
            return [Stored("biases", module.bias), weights]
        return [*module.norm.stored(), weights]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> Cost:
        dense = 2 * inputs[0].c * self.size * self.size * output.outputs
        # `darknet ops` does not know groups.
        return Cost(darknet=dense // self.groups, operations=dense, paper=dense // self.groups)

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        groups = f"/{self.groups:4d} " if self.groups > 1 else "      "
        dilation = f"({self.dilation})" if self.dilation > 1 else "   "
        return f"{self.filters:5d}{groups}{self.size:2d} x{self.size:2d}/{self.stride_text:>2s}{dilation}"

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        assert isinstance(module, ConvolutionModule)
        down, right = self.strides
        if down != right:
            raise NoEquivalent(f"stride_y={down} and stride_x={right} differ", "stride_x")
        weight: Tensor = module.weight
        bias: Tensor | None = module.bias
        if module.norm is not None:
            weight, bias = module.norm.fold(weight)
        if self.dilation_used > 1:
            # The same taps in a larger kernel that is zero between them.
            step, reach = self.dilation_used, self.dilation_used * (self.size - 1) + 1
            spread = weight.new_zeros(*weight.shape[:2], reach, reach)
            spread[:, :, ::step, ::step] = weight
            weight = spread
        return target.convolution(
            inputs[0],
            weight,
            bias,
            stride=down,
            padding=module.padding,
            groups=self.groups,
            activation=self.activation,
        )
