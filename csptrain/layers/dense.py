"""[connected] and [dropout]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from csptrain.cfg.fields import integer, number, opt, word
from csptrain.cfg.text import Reading
from csptrain.layers.base import MAX_CHANNELS, WHOLE, Cost, Layer, Shape, Stored, View
from csptrain.layers.batchnorm import BatchNorm
from csptrain.layers.onnx_activation import activate
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, Target
from csptrain.ops.activation import ACTIVATIONS, activation


class ConnectedModule(nn.Module):
    """Every output sees every input; [N, C, H, W] -> [N, output, 1, 1]."""

    def __init__(self, layer: Connected, image: Shape) -> None:
        super().__init__()
        self.activation = activation(layer.activation)
        self.weight = nn.Parameter(torch.empty(layer.output, image.outputs))
        self.norm = BatchNorm(layer.output) if layer.batch_normalize else None
        self.bias = None if layer.batch_normalize else nn.Parameter(torch.zeros(layer.output))

    def initialize(self, generator: torch.Generator) -> None:
        """Draw Darknet's start: uniform in +-sqrt(2 / inputs), biases 0."""
        reach = sqrt(2.0 / self.weight.shape[1])
        with torch.no_grad():
            self.weight.uniform_(-reach, reach, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, output, 1, 1]."""
        y = F.linear(x.flatten(1), self.weight, self.bias)[:, :, None, None]
        if self.norm is not None:
            y = self.norm(y)
        return self.activation(y)


@dataclass(frozen=True, kw_only=True)
class Connected(Layer):
    """Options of [connected]."""

    kind = "connected"
    aliases = ("conn",)

    output: int = opt(1, integer)
    activation: str = opt("logistic", word("relu", *ACTIVATIONS))
    batch_normalize: int = opt(0, integer)

    def check(self, reading: Reading) -> None:
        self.positive(reading, output=self.output)
        if self.output > MAX_CHANNELS:
            raise self.error(f"output={self.output} is more than {MAX_CHANNELS}", "output")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return Shape(self.output, 1, 1)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return ConnectedModule(self, inputs[0])

    def stored(self, module: nn.Module) -> list[Stored]:
        assert isinstance(module, ConnectedModule)
        weights = Stored("weights", module.weight)
        if module.norm is None:
            assert module.bias is not None
            return [Stored("biases", module.bias), weights]
        biases, *rest = module.norm.stored()
        return [biases, weights, *rest]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> Cost:
        operations = 2 * inputs[0].outputs * self.output
        return Cost(operations=operations, paper=0.0)

    def view(self) -> View:
        return WHOLE

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"{inputs[0].outputs:6d} -> {self.output}"

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        assert isinstance(module, ConnectedModule)
        weight: Tensor = module.weight
        bias: Tensor | None = module.bias
        if module.norm is not None:
            weight, bias = module.norm.fold(weight)
        assert bias is not None
        return target.connected(inputs[0], weight, bias, self.activation)

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        assert isinstance(module, ConnectedModule)
        weight: Tensor = module.weight
        bias: Tensor | None = module.bias
        if module.norm is not None:
            weight, bias = module.norm.fold(weight)
        # One window of a convolution: no importer has to flatten and unflatten.
        y = target.convolution(inputs[0], weight.reshape(len(weight), *inputs[0].dims), bias)
        return activate(target, y, self.activation)


class DropoutModule(nn.Module):
    """Zeroes values with a probability and scales the rest by 1/(1-p) in training; the identity otherwise."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        return F.dropout(x, self.probability, self.training)


@dataclass(frozen=True, kw_only=True)
class Dropout(Layer):
    """Options of [dropout].

    Differs: Darknet changes the previous layer's output in place, so that a route to that layer also sees the dropped
    values; here such a route sees the whole ones.
    """

    kind = "dropout"
    untrained = frozenset({"dropblock"})
    inert = {
        "dropblock_size_rel": "it belongs to dropblock=1",
        "dropblock_size_abs": "it belongs to dropblock=1",
    }

    probability: float = opt(0.5, number)

    def check(self, reading: Reading) -> None:
        if not 0 <= self.probability < 1:
            raise self.error(f"probability={self.probability:g}", "probability", "legal: 0 up to but without 1")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return DropoutModule(self.probability)

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"p = {self.probability:.2f}"

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        return inputs[0]

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        return inputs[0]
