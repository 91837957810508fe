"""[empty], alias [silence]: gives its input on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from csptrain.layers.base import Identity, Layer, Shape


@dataclass(frozen=True, kw_only=True)
class Empty(Layer):
    """[empty] has no options of its own."""

    kind = "empty"
    aliases = ("silence",)

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return Identity()
