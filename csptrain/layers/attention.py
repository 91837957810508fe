"""[scale_channels] (squeeze-excitation) and [sam] (spatial attention): the previous layer times an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import integer, integers, opt, word
from csptrain.layers.base import Layer, Shape
from csptrain.layers.onnx_activation import activate
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, Target
from csptrain.ops.activation import ACTIVATIONS, activation


class ProductModule(nn.Module):
    """activation(a * b) with broadcasting over the unit axes of ``a``, whose gradient is multiplied by ``share``."""

    def __init__(self, name: str, share: float = 1.0) -> None:
        super().__init__()
        self.activation = activation(name)
        self.share = share

    def forward(self, scale: Tensor, x: Tensor) -> Tensor:
        """[N, C or 1, H or 1, W or 1] and [N, C, H, W] -> [N, C, H, W]."""
        if self.share != 1 and scale.requires_grad:
            scale = scale.detach() + (scale - scale.detach()) * self.share
        return self.activation(scale * x)


@dataclass(frozen=True, kw_only=True)
class Sam(Layer):
    """Options of [sam]."""

    kind = "sam"

    from_: tuple[int, ...] = opt((), integers, key="from")
    activation: str = opt("linear", word("relu", *ACTIVATIONS))

    def sources(self) -> tuple[int, ...]:
        if self.index == 0:
            raise self.error("there is no layer before it")
        if len(self.from_) > 1:
            raise self.error("from= names more than one layer", "from")
        return (self.index - 1, *self.resolve(self.from_, "from"))

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        if inputs[0] != inputs[1]:
            raise self.error(f"from= is {inputs[1]} and the layer before is {inputs[0]}: they must be equal", "from")
        return inputs[1]

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return ProductModule(self.activation)

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"from {self.sources()[1]}"

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        return target.multiply(inputs[0], inputs[1], self.activation)

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        scale, image = inputs
        return activate(target, target.multiply(image, scale), self.activation)


@dataclass(frozen=True, kw_only=True)
class ScaleChannels(Sam):
    """Options of [scale_channels].

    Source: Darknet behaviour of the GPU path (golden gl08): with scale_wh=1 the gradient of the scale map is divided by
    its number of pixels.
    """

    kind = "scale_channels"

    scale_wh: int = opt(0, integer)

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        scale, image = inputs
        wanted = Shape(1, image.h, image.w) if self.scale_wh else Shape(image.c, 1, 1)
        if scale != wanted:
            raise self.error(f"the layer before is {scale}, scaling {image} needs {wanted}", "from")
        return image

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return ProductModule(self.activation, 1 / (output.h * output.w) if self.scale_wh else 1.0)

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        scale, image = inputs
        if not self.scale_wh:
            return target.scale_channels(scale, image, self.activation)
        spread = target.convolution(scale, torch.ones(image.shape.c, 1, 1, 1))
        return target.multiply(spread, image, self.activation)

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        scale, image = inputs
        if self.scale_wh:
            # The new engine of OpenCV 5.0 takes one channel times several for a map of six axes.
            scale = target.convolution(scale, torch.ones(image.shape.c, 1, 1, 1))
        return activate(target, target.multiply(image, scale), self.activation)
