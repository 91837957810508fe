"""[local]: a convolution whose every output pixel has weights and biases of its own (YOLOv1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from csptrain.cfg.fields import integer, opt, word
from csptrain.cfg.text import Reading
from csptrain.layers.base import Layer, Shape, Stored, View
from csptrain.layers.onnx_activation import activate
from csptrain.layers.onnx_target import OnnxTarget, Value, as_array
from csptrain.layers.target import Blob, NoEquivalent, Target
from csptrain.ops.activation import ACTIVATIONS, activation


class LocalModule(nn.Module):
    """Locally connected layer; ``weight`` [H' * W', filters, C * size * size], ``bias`` [filters, H', W']."""

    def __init__(self, layer: Local, image: Shape, output: Shape) -> None:
        super().__init__()
        self.size = layer.size
        self.stride = layer.stride
        self.padding = layer.pad
        self.activation = activation(layer.activation)
        patch = image.c * layer.size * layer.size
        self.weight = nn.Parameter(torch.empty(output.h * output.w, layer.filters, patch))
        self.bias = nn.Parameter(torch.zeros(output.c, output.h, output.w))

    def initialize(self, generator: torch.Generator) -> None:
        """Draw Darknet's start: uniform in +-sqrt(2 / fan_in), biases 0."""
        reach = sqrt(2.0 / self.weight.shape[2])
        with torch.no_grad():
            self.weight.uniform_(-reach, reach, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, filters, H', W']."""
        patches = F.unfold(x, self.size, padding=self.padding, stride=self.stride)
        y = torch.einsum("npl,lfp->nfl", patches, self.weight)
        return self.activation(y.unflatten(2, self.bias.shape[1:]) + self.bias)


@dataclass(frozen=True, kw_only=True)
class Local(Layer):
    """Options of [local].

    Source: Darknet behaviour: `pad` is the padding itself in pixels, while the map is planned as if it were size/2;
    the two agree for size=3 with pad=1 and for size=1 or any size without pad. Others are refused.
    """

    kind = "local"

    filters: int = opt(1, integer)
    size: int = opt(1, integer)
    stride: int = opt(1, integer)
    pad: int = opt(0, integer)
    activation: str = opt("logistic", word("relu", *ACTIVATIONS))

    def check(self, reading: Reading) -> None:
        self.positive(reading, filters=self.filters, size=self.size, stride=self.stride)
        if self.pad < 0:
            raise self.error(f"pad={self.pad} is negative", "pad")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        image = inputs[0]
        sides = []
        for length in (image.h, image.w):
            real = self.window(length, 2 * self.pad, self.size, self.stride)
            planned = (length - (1 if self.pad else self.size)) // self.stride + 1
            if real != planned:
                raise self.error(
                    f"pad={self.pad} with size={self.size} is not defined: Darknet plans a map of {planned} and "
                    f"computes one of {real}",
                    "pad",
                    "use size=3 with pad=1, or no pad",
                )
            sides.append(real)
        return Shape(self.filters, sides[0], sides[1])

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return LocalModule(self, inputs[0], output)

    def stored(self, module: nn.Module) -> list[Stored]:
        assert isinstance(module, LocalModule)
        return [Stored("biases", module.bias), Stored("weights", module.weight)]

    def view(self) -> View:
        return View(self.size, self.size, self.stride, self.stride)

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"{self.filters:5d}      {self.size:2d} x{self.size:2d}/{self.stride:2d}   "

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        raise NoEquivalent("OpenCV has no layer with weights for each place")

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        assert isinstance(module, LocalModule)
        x, (filters, h, w) = inputs[0], module.bias.shape
        taps = self.size * self.size
        # Every pixel of a patch as a channel, by a convolution that picks it; then one product of matrices a place.
        pick = torch.eye(taps).reshape(taps, 1, self.size, self.size).repeat(x.shape.c, 1, 1, 1)
        patches = target.convolution(x, pick, strides=(self.stride, self.stride), padding=self.pad, groups=x.shape.c)
        columns = target.transpose(target.reshape(patches, patches.shape.c, h * w, 1), 2, 1, 3)
        product = target.emit("MatMul", [as_array(module.weight[None]), columns], (h * w, filters, 1))
        y = target.reshape(target.transpose(product, 2, 1, 3), filters, h, w)
        return activate(target, target.add(y, as_array(module.bias[None])), self.activation)
