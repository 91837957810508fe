"""[route]: concatenation of channels, or of one group of each source (the partial split of CSPNet)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from csptrain.cfg.fields import integer, integers, opt
from csptrain.cfg.text import Reading
from csptrain.layers.base import Layer, Shape
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.recompute import concatenate, note
from csptrain.layers.target import Blob, Target


class RouteModule(nn.Module):
    """Slice group_id of each source, concatenated along channels."""

    def __init__(self, slices: Sequence[tuple[int, int] | None]) -> None:
        super().__init__()
        self.slices = tuple(slices)

    def forward(self, *inputs: Tensor) -> Tensor:
        """[N, C_i, H, W] each -> [N, sum of taken channels, H, W]."""
        parts = [x if cut is None else _cut(x, *cut) for x, cut in zip(inputs, self.slices, strict=True)]
        if len(parts) == 1:
            return parts[0]
        output = concatenate(*parts)
        note(output, concatenate, *parts)
        return output


def _cut(x: Tensor, first: int, count: int) -> Tensor:
    part = x.narrow(1, first, count)
    note(part, lambda x: x.narrow(1, first, count), x)
    return part


@dataclass(frozen=True, kw_only=True)
class Route(Layer):
    """Options of [route]."""

    kind = "route"

    layers: tuple[int, ...] = opt((), integers)
    groups: int = opt(1, integer)
    group_id: int = opt(0, integer)

    def check(self, reading: Reading) -> None:
        self.positive(reading, groups=self.groups)
        if not 0 <= self.group_id < self.groups:
            raise self.error(f"group_id={self.group_id}", "group_id", f"legal: 0..{self.groups - 1}")

    def sources(self) -> tuple[int, ...]:
        return self.resolve(self.layers, "layers")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        first = inputs[0]
        for shape, source in zip(inputs, self.sources(), strict=True):
            if shape.c % self.groups:
                raise self.error(
                    f"{shape.c} channels of layer {source} are no multiple of groups={self.groups}", "groups"
                )
            if (shape.h, shape.w) != (first.h, first.w):
                raise self.error(
                    f"layer {source} is {shape} and layer {self.sources()[0]} is {first}: the maps differ in size",
                    "layers",
                    "bring them to one size with [upsample] or [maxpool]",
                )
        return Shape(sum(shape.c // self.groups for shape in inputs), first.h, first.w)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        if self.groups == 1:
            return RouteModule([None] * len(inputs))
        widths = [shape.c // self.groups for shape in inputs]
        return RouteModule([(width * self.group_id, width) for width in widths])

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        part = f"  {self.group_id}/{self.groups}" if self.groups > 1 else ""
        return " ".join(str(source) for source in self.sources()) + part

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        # OpenCV splits what several sources give together, Darknet each of them.
        parts = [x if self.groups == 1 else target.part(x, self.group_id, self.groups) for x in inputs]
        return parts[0] if len(parts) == 1 else target.concatenate(parts)

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        parts = []
        for x in inputs:
            width = x.shape.c // self.groups
            parts.append(target.cut(x, 1, self.group_id * width, (self.group_id + 1) * width))
        return target.concatenate(parts)
