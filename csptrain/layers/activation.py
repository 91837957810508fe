"""[activation]: a function of every value, as a layer of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from csptrain.cfg.fields import opt, word
from csptrain.layers.base import Layer, Shape
from csptrain.layers.onnx_activation import activate
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, Target
from csptrain.ops.activation import ACTIVATIONS, activation


class ActivationModule(nn.Module):
    """activation(x); [N, C, H, W] -> the same shape."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.activation = activation(name)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        return self.activation(x)


@dataclass(frozen=True, kw_only=True)
class ActivationLayer(Layer):
    """Options of [activation].

    Differs: Darknet's backward overwrites what other readers of the previous layer sent there; here gradients add.
    """

    kind = "activation"

    activation: str = opt("linear", word("relu", *ACTIVATIONS))

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return ActivationModule(self.activation)

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return self.activation

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        return target.activate(inputs[0], self.activation)

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        return activate(target, inputs[0], self.activation)
