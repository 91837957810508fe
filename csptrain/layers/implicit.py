"""[implicit]: learnt values that depend on no input (YOLOR)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import integer, number, opt
from csptrain.cfg.text import Reading
from csptrain.layers.base import Layer, Shape, Stored
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, NoEquivalent, Target


class ImplicitModule(nn.Module):
    """The same values [filters, atoms, 1] for every image."""

    def __init__(self, layer: Implicit) -> None:
        super().__init__()
        self.mean = layer.mean
        self.std = layer.std
        self.weight = nn.Parameter(torch.empty(layer.filters, layer.atoms, 1))

    def initialize(self, generator: torch.Generator) -> None:
        """Draw Darknet's start: uniform in mean +- std."""
        with torch.no_grad():
            self.weight.uniform_(self.mean - self.std, self.mean + self.std, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """[N, ...], of which only N counts -> [N, filters, atoms, 1]."""
        return self.weight.expand(len(x), -1, -1, -1)


@dataclass(frozen=True, kw_only=True)
class Implicit(Layer):
    """Options of [implicit]. Differs: Darknet never updates its values, here they are trained."""

    kind = "implicit"

    filters: int = opt(128, integer)
    atoms: int = opt(1, integer)
    mean: float = opt(0.0, number)
    std: float = opt(0.2, number)

    def check(self, reading: Reading) -> None:
        self.positive(reading, filters=self.filters, atoms=self.atoms)
        if self.std < 0:
            raise self.error(f"std={self.std:g} is negative", "std")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return Shape(self.filters, self.atoms, 1)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return ImplicitModule(self)

    def stored(self, module: nn.Module) -> list[Stored]:
        assert isinstance(module, ImplicitModule)
        return [Stored("weights", module.weight)]

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"{self.filters:5d} x {self.atoms}"

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        assert isinstance(module, ImplicitModule)
        if self.atoms > 1:
            raise NoEquivalent(f"atoms={self.atoms} makes a map of one column", "atoms")
        # A convolution that looks at nothing and adds its biases.
        pixel = target.avgpool(inputs[0])
        return target.convolution(pixel, torch.zeros(self.filters, pixel.shape.c, 1, 1), module.weight.flatten())

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        assert isinstance(module, ImplicitModule)
        return target.learnt(inputs[0], module.weight)
