"""[softmax] and [cost]: the heads of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import integer, number, opt, word
from csptrain.cfg.text import Reading
from csptrain.layers.base import Head, LossContext, Shape
from csptrain.layers.hierarchy import HierarchyHead, HierarchyModule
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, NoEquivalent, Target
from csptrain.losses.base import HeadLoss
from csptrain.losses.classify import distance_loss, softmax_loss


class SoftmaxModule(HierarchyModule):
    """Softmax over the whole input vector of an image, in contiguous groups or among the siblings of a tree."""

    def __init__(self, groups: int, temperature: float) -> None:
        super().__init__()
        self.groups = groups
        self.temperature = temperature

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        return self.probabilities(x.float().flatten(1), self._in_groups).reshape(x.shape)

    def _in_groups(self, logits: Tensor) -> Tensor:
        return torch.softmax(logits.unflatten(1, (self.groups, -1)) / self.temperature, 2)


class SpatialSoftmaxModule(nn.Module):
    """Softmax over the channels of each pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        return torch.softmax(x.float(), 1)


class CostModule(nn.Module):
    """Nothing but a place for a cost: its output is zero when no truth is given."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> zeros of that shape."""
        return torch.zeros_like(x)


@dataclass(frozen=True, kw_only=True)
class Softmax(HierarchyHead):
    """Options of [softmax]; spatial=1 acts as on Darknet's GPU path, without groups and temperature."""

    kind = "softmax"
    aliases = ("soft",)

    groups: int = opt(1, integer)
    temperature: float = opt(1.0, number)
    spatial: int = opt(0, integer)
    noloss: int = opt(0, integer)

    def check(self, reading: Reading) -> None:
        self.positive(reading, groups=self.groups)
        if self.temperature == 0:
            raise self.error("temperature=0", "temperature", "legal: any other number")
        if self.spatial and (self.groups > 1 or self.temperature != 1 or self.tree):
            raise self.error("spatial=1 with groups=, temperature= or tree= is not supported", "spatial")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        if inputs[0].outputs % self.groups:
            raise self.error(f"{inputs[0].outputs} inputs are no multiple of groups={self.groups}", "groups")
        return inputs[0]

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return SpatialSoftmaxModule() if self.spatial else SoftmaxModule(self.groups, self.temperature)

    def complete(self, module: nn.Module, modules: Sequence[nn.Module], inputs: Sequence[Shape]) -> None:
        if isinstance(module, SoftmaxModule):
            module.tree = self.hierarchy(inputs[0].outputs)

    def loss(self, inputs: Sequence[Tensor], output: Tensor, truth: Tensor, context: LossContext) -> HeadLoss:
        return softmax_loss(output, truth)

    @property
    def has_loss(self) -> bool:
        return not self.noloss

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        x = inputs[0]
        if self.tree:
            raise NoEquivalent("OpenCV has no softmax among the siblings of a tree", "tree")
        if self.groups > 1:
            raise NoEquivalent("OpenCV has no softmax in groups", "groups")
        if not self.spatial:
            # OpenCV's softmax of a map is one for each pixel, Darknet's is one for all.
            x = target.flattened(x)
        if self.temperature != 1:
            x = target.scale(x, torch.full((x.shape.c,), 1 / self.temperature))
        return target.softmax(x)

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        x = inputs[0]
        if self.tree:
            raise NoEquivalent("the softmax among the siblings of a tree is not written to ONNX", "tree")
        if self.spatial:
            return target.softmax(x, 1)
        rows = target.reshape(x, self.groups, x.shape.outputs // self.groups)
        if self.temperature != 1:
            rows = target.divide(rows, self.temperature)
        return target.reshape(target.softmax(rows, 2), *x.dims)


@dataclass(frozen=True, kw_only=True)
class CostLayer(Head):
    """Options of [cost]."""

    kind = "cost"
    inert = {"ratio": "Darknet reads it and never uses it"}

    type: str = opt("sse", word("sse", "sse", "masked", "smooth"))
    scale: float = opt(1.0, number)

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return CostModule()

    def loss(self, inputs: Sequence[Tensor], output: Tensor, truth: Tensor, context: LossContext) -> HeadLoss:
        return distance_loss(inputs[0], truth, self.type, self.scale)

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> None:
        # A layer of the training only.
        return None

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        return target.multiply(inputs[0], 0.0)
