"""[upsample], [reorg] and [reorg3d]: the same values in another raster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from csptrain.cfg.fields import integer, number, opt
from csptrain.cfg.text import Reading
from csptrain.layers.base import Layer, Shape, View
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.recompute import note
from csptrain.layers.target import Blob, NoEquivalent, Target


class UpsampleModule(nn.Module):
    """Nearest neighbour times ``scale``; a negative stride sums blocks instead."""

    def __init__(self, stride: int, scale: float) -> None:
        super().__init__()
        self.stride = stride
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H*stride, W*stride], or divided by -stride."""
        if self.stride < 0:
            side = -self.stride
            return F.avg_pool2d(x, side) * (self.scale * side * side)
        y = self._repeat(x)
        note(y, self._repeat, x)
        return y if self.scale == 1 else y * self.scale

    def _repeat(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=self.stride, mode="nearest")


def space_to_depth(x: Tensor, stride: int) -> Tensor:
    """[N, C, H, W] -> [N, s*s*C, H/s, W/s]: channel (dy*s+dx)*C + c at (j, i) is channel c at (j*s+dy, i*s+dx)."""
    n, c, h, w = x.shape
    s = stride
    return x.reshape(n, c, h // s, s, w // s, s).permute(0, 3, 5, 1, 2, 4).reshape(n, c * s * s, h // s, w // s)


def depth_to_space(x: Tensor, stride: int) -> Tensor:
    """[N, s*s*C, H, W] -> [N, C, H*s, W*s], the inverse of ``space_to_depth``."""
    n, c, h, w = x.shape
    s = stride
    return x.reshape(n, s, s, c // (s * s), h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // (s * s), h * s, w * s)


class ReorgModule(nn.Module):
    """[reorg3d], or with ``flat`` YOLOv2's [reorg], which re-reads the flat vector as other shapes."""

    def __init__(self, layer: Reorg3d) -> None:
        super().__init__()
        self.stride = layer.stride
        self.reverse = bool(layer.reverse)
        self.flat = layer.kind == "reorg"

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C*s*s, H/s, W/s], or the other way with reverse=1."""
        n, c, h, w = x.shape
        s = self.stride
        if self.flat != self.reverse:
            # The flat vector is first taken for a map with s times the sides.
            x = x.reshape(n, c // (s * s), h * s, w * s)
        y = depth_to_space(x, s) if self.reverse else space_to_depth(x, s)
        return y.reshape(n, -1, h * s, w * s) if self.reverse else y.reshape(n, -1, h // s, w // s)


@dataclass(frozen=True, kw_only=True)
class Upsample(Layer):
    """Options of [upsample]."""

    kind = "upsample"

    stride: int = opt(2, integer)
    scale: float = opt(1.0, number)

    def check(self, reading: Reading) -> None:
        if self.stride == 0 or abs(self.stride) > 64:
            raise self.error(f"stride={self.stride}", "stride", "legal: 1..64, or -1..-64 to sum blocks")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        image, s = inputs[0], self.stride
        if s > 0:
            return Shape(image.c, image.h * s, image.w * s)
        if image.h < -s or image.w < -s:
            raise self.error(f"stride={s} on a map of {image}", "stride")
        return Shape(image.c, image.h // -s, image.w // -s)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return UpsampleModule(self.stride, self.scale)

    def view(self) -> View:
        if self.stride < 0:
            return View(-self.stride, -self.stride, -self.stride, -self.stride)
        return View(down=1 / self.stride, right=1 / self.stride)

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"{'':16s}{self.stride:2d}x"

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        x = inputs[0]
        if self.stride < 0:
            return target.window(x, torch.full((-self.stride, -self.stride), self.scale), -self.stride)
        if self.scale != 1:
            x = target.scale(x, torch.full((x.shape.c,), self.scale))
        return target.upsample(x, self.stride)

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        x = inputs[0]
        if self.stride > 0:
            y = target.upsample(x, self.stride)
            return y if self.scale == 1 else target.multiply(y, self.scale)
        side = -self.stride
        mean = target.pool("AveragePool", x, side, (side, side), (0, 0, 0, 0))
        return target.multiply(mean, self.scale * side * side)


@dataclass(frozen=True, kw_only=True)
class Reorg3d(Layer):
    """Options of [reorg3d]."""

    kind = "reorg3d"

    stride: int = opt(1, integer)
    reverse: int = opt(0, integer)

    def check(self, reading: Reading) -> None:
        self.positive(reading, stride=self.stride)

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        image, s = inputs[0], self.stride
        if self.reverse:
            unit = s * s if self.kind == "reorg" else s**4
            if image.c % unit:
                raise self.error(f"{image.c} channels are no multiple of {unit}, which stride={s} needs", "stride")
            return Shape(image.c // (s * s), image.h * s, image.w * s)
        if image.h % s or image.w % s:
            raise self.error(f"a map of {image} is no multiple of stride={s}", "stride")
        if self.kind == "reorg" and image.c % (s * s):
            raise self.error(f"{image.c} channels are no multiple of stride*stride={s * s}", "stride")
        return Shape(image.c * s * s, image.h // s, image.w // s)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return ReorgModule(self)

    def view(self) -> View:
        step = 1 / self.stride if self.reverse else self.stride
        return View(down=step, right=step)

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"{'':16s}/{self.stride:2d}"

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        if self.reverse:
            raise NoEquivalent("reverse=1, and OpenCV cannot turn channels into pixels", "reverse")
        x = target.held(inputs[0])
        places = torch.eye(self.stride * self.stride).view(-1, self.stride, self.stride)
        return target.concatenate([target.window(x, place, self.stride) for place in places])

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        assert isinstance(module, ReorgModule)
        x, s = inputs[0], self.stride
        c, h, w = x.dims
        if module.flat != module.reverse:
            x = target.reshape(x, c // (s * s), h * s, w * s)
        if self.reverse:
            return target.reshape(target.depth_to_space(x, s), c // (s * s), h * s, w * s)
        return target.reshape(target.space_to_depth(x, s), c * s * s, h // s, w // s)


@dataclass(frozen=True, kw_only=True)
class Reorg(Reorg3d):
    """Options of [reorg]."""

    kind = "reorg"

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        if self.reverse:
            raise NoEquivalent("reverse=1, which OpenCV ignores", "reverse")
        return target.reorg(inputs[0], self.stride)
