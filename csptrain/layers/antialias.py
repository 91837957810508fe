"""The blur of `antialiasing=`: a layer of stride 1 and a fixed depthwise filter that takes the stride over."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from csptrain.layers.base import Layer, Shape
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, NoEquivalent, Target


@dataclass(frozen=True)
class Blur:
    """The filter: [1 2 1] x [1 2 1] / 16 with a padding of 1, or with ``box`` 2x2 ones / 4 without padding.

    Source: Darknet behaviour, golden cases f16 and f17 (inference).
    """

    stride: tuple[int, int]
    box: bool

    @property
    def size(self) -> int:
        """Side of the filter."""
        return 2 if self.box else 3

    @property
    def padding(self) -> int:
        """Pixels on every side."""
        return 0 if self.box else 1

    @property
    def kernel(self) -> Tensor:
        """The filter itself: [size, size]."""
        side = torch.ones(2) / 2 if self.box else torch.tensor((0.25, 0.5, 0.25))
        return side[:, None] * side

    def __call__(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H', W']."""
        if not self.box:
            # [1 2 1] is [1 1] applied twice, in each direction.
            x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 2, 1)
        return F.avg_pool2d(x, 2, self.stride)

    def shape(self, layer: Layer, image: Shape) -> Shape:
        """The output's shape; raises CfgError at ``layer`` where the filter does not fit."""
        h, w = (
            layer.window(length, 2 * self.padding, self.size, stride)
            for length, stride in zip((image.h, image.w), self.stride, strict=True)
        )
        return Shape(image.c, h, w)

    def lower(self, target: Target, x: Blob) -> Blob:
        """The filter as a depthwise convolution; raises NoEquivalent for a stride that differs by direction."""
        down, right = self.stride
        if down != right:
            raise NoEquivalent(f"stride_y={down} and stride_x={right} differ", "stride_x")
        return target.window(x, self.kernel, down, self.padding)

    def to_onnx(self, target: OnnxTarget, x: Value) -> Value:
        """The filter as a depthwise convolution."""
        channels = x.shape.c
        weight = self.kernel.expand(channels, 1, self.size, self.size)
        return target.convolution(x, weight, strides=self.stride, padding=self.padding, groups=channels)
