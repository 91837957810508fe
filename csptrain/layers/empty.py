"""[empty], alias [silence]: gives its input on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from csptrain.layers.base import Identity, Layer, Shape
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, Target


@dataclass(frozen=True, kw_only=True)
class Empty(Layer):
    """[empty] has no options of its own."""

    kind = "empty"
    aliases = ("silence",)

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return Identity()

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        return inputs[0]

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        return inputs[0]
