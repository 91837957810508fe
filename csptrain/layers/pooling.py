"""[maxpool] (with maxout), [local_avgpool] and [avgpool]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from csptrain.cfg.fields import integer, opt
from csptrain.cfg.text import Reading
from csptrain.layers.antialias import Blur
from csptrain.layers.base import WHOLE, Cost, Layer, Shape, View
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.piecewise import through
from csptrain.layers.strided import Antialiased, Strided
from csptrain.layers.target import Blob, NoEquivalent, Target


@dataclass(frozen=True)
class Window:
    """A pooling window as Darknet slides it: `padding` is the total of both sides, its smaller half comes first."""

    size: int
    stride: tuple[int, int]
    padding: int

    def margins(self, height: int, width: int) -> tuple[int, int, int, int]:
        """(left, right, top, bottom) rows and columns to add so that every planned window is whole."""
        before = self.padding // 2
        after = [
            max((length + self.padding - self.size) // stride * stride + self.size - before - length, 0)
            for length, stride in zip((height, width), self.stride, strict=True)
        ]
        return before, after[1], before, after[0]


class MaxPoolModule(nn.Module):
    """Max over windows, then blur; padding never wins; [N, C, H, W] -> [N, C, H', W']."""

    def __init__(self, window: Window, blur: Blur | None = None) -> None:
        super().__init__()
        self.window = window
        self.blur = blur

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H', W']."""
        y = self._largest(x)
        return y if self.blur is None else self.blur(y)

    def _largest(self, x: Tensor) -> Tensor:
        window = self.window
        left, right, top, bottom = window.margins(x.shape[2], x.shape[3])
        if left == right == top == bottom and 2 * left <= window.size:
            return F.max_pool2d(x, window.size, window.stride, left)
        x = F.pad(x, (left, right, top, bottom), value=float("-inf"))
        return F.max_pool2d(x, window.size, window.stride)


class MaxoutModule(nn.Module):
    """Output channel g is the max of channels g, g+out, g+2*out, ...; [N, C, H, W] -> [N, out, H, W]."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, out_channels, H, W]."""
        pieces = x.split(self.out_channels, 1)
        full = [piece for piece in pieces if piece.shape[1] == self.out_channels]
        best: Tensor = full[0]
        for piece in full[1:]:
            best = torch.maximum(best, piece)
        rest = pieces[len(full) :]
        if rest:
            width = rest[0].shape[1]
            best = torch.cat([torch.maximum(best[:, :width], rest[0]), best[:, width:]], 1)
        return best


class LocalAveragePoolModule(nn.Module):
    """Mean over the valid pixels of each window; [N, C, H, W] -> [N, C, H', W']."""

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H', W']."""
        window = self.window
        margins = window.margins(x.shape[2], x.shape[3])
        ones = F.pad(x.new_ones(1, 1, *x.shape[2:]), margins)
        total = F.avg_pool2d(F.pad(x, margins), window.size, window.stride)
        return total / F.avg_pool2d(ones, window.size, window.stride)


class AveragePoolModule(nn.Module):
    """Mean of each map; [N, C, H, W] -> [N, C, 1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, 1, 1]."""
        return x.mean((2, 3), keepdim=True)


@dataclass(frozen=True, kw_only=True)
class LocalAvgPool(Strided):
    """Options of [local_avgpool], which slides as [maxpool] does."""

    kind = "local_avgpool"
    aliases = ("local_avg",)

    size: int = opt(-1, integer)
    padding: int = opt(-1, integer)

    @property
    def window_size(self) -> int:
        """`size`, which defaults to `stride`."""
        return self.stride if self.size == -1 else self.size

    @property
    def total_padding(self) -> int:
        """Padding of both sides together; defaults to size-1."""
        return self.window_size - 1 if self.padding == -1 else self.padding

    def check(self, reading: Reading) -> None:
        super().check(reading)
        self.positive(reading, size=self.window_size, stride=self.stride)
        if self.total_padding < 0:
            raise self.error(f"padding={self.padding} is negative", "padding")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        image, (down, right) = inputs[0], self.own_strides
        h = self.window(image.h, self.total_padding, self.window_size, down)
        w = self.window(image.w, self.total_padding, self.window_size, right)
        return Shape(image.c, h, w)

    @property
    def sliding(self) -> Window:
        """The window and how it moves."""
        return Window(self.window_size, self.own_strides, self.total_padding)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return LocalAveragePoolModule(self.sliding)

    def cost(self, inputs: Sequence[Shape], output: Shape) -> Cost:
        return Cost(darknet=self.window_size * self.window_size * output.outputs)

    def view(self) -> View:
        return self.sliding_view(self.window_size)

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"{'':11s}{self.window_size:2d} x{self.window_size:2d}/{self.stride_text:>2s}   "

    @property
    def stride_used(self) -> int:
        """The stride of both directions; raises NoEquivalent where they differ, which OpenCV ignores."""
        down, right = self.own_strides
        if down != right:
            raise NoEquivalent(f"stride_y={down} and stride_x={right} differ", "stride_x")
        return down

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        x, stride, size = target.held(inputs[0]), self.stride_used, self.window_size
        # An odd total of padding has its larger half behind; a kernel with a zero in front makes the halves equal.
        extra = self.total_padding % 2
        padding = self.total_padding // 2 + extra
        kernel = torch.zeros(size + extra, size + extra)
        kernel[extra:, extra:] = 1
        counts = F.conv2d(torch.ones(1, 1, x.shape.h, x.shape.w), kernel[None, None], None, stride, padding)
        values = [float(value) for value in counts.unique()]
        if values[0] == 0:
            raise NoEquivalent("a window lies wholly in the padding", "padding")
        if len(values) == 1:
            return target.window(x, kernel / values[0], stride, padding)
        ones = target.convolution(x, torch.zeros(1, x.shape.c, 1, 1), torch.ones(1))
        share = target.piecewise(
            target.window(ones, kernel, stride, padding), through([(value, 1 / value) for value in values])
        )
        spread = target.convolution(share, torch.ones(x.shape.c, 1, 1, 1))
        return target.multiply(target.window(x, kernel, stride, padding), spread)

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        x = inputs[0]
        return target.pool(
            "AveragePool", x, self.window_size, self.own_strides, self.sliding.margins(x.shape.h, x.shape.w)
        )


@dataclass(frozen=True, kw_only=True)
class MaxPool(LocalAvgPool, Antialiased):
    """Options of [maxpool]; maxpool_depth=1 makes it a maxout over channels."""

    kind = "maxpool"
    aliases = ("max",)
    inert = {"maxpool_zero_nonmax": "it zeroes what is not a maximum in place, for experiments on Darknet's CPU path"}

    maxpool_depth: int = opt(0, integer)
    out_channels: int = opt(1, integer)

    def check(self, reading: Reading) -> None:
        super().check(reading)
        if self.maxpool_depth:
            self.positive(reading, out_channels=self.out_channels)
            if self.antialiasing:
                raise self.error("antialiasing= with maxpool_depth=1 is not supported", "antialiasing")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        if not self.maxpool_depth:
            sharp = super().shape(inputs)
            return sharp if self.blur is None else self.blur.shape(self, sharp)
        image = inputs[0]
        if self.out_channels > image.c:
            raise self.error(f"out_channels={self.out_channels} of {image.c} input channels", "out_channels")
        return Shape(self.out_channels, image.h, image.w)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        if self.maxpool_depth:
            return MaxoutModule(inputs[0].c, self.out_channels)
        return MaxPoolModule(self.sliding, self.blur)

    def cost(self, inputs: Sequence[Shape], output: Shape) -> Cost:
        if self.maxpool_depth:
            return Cost(darknet=inputs[0].outputs, paper=inputs[0].outputs)
        operations = self.window_size * self.window_size * super().shape(inputs).outputs
        return Cost(darknet=operations, paper=operations)

    def view(self) -> View:
        return View() if self.maxpool_depth else super().view()

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"depth {self.out_channels:5d}" + " " * 9 if self.maxpool_depth else super().summary(inputs, output)

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        if not self.maxpool_depth:
            y = target.maxpool(inputs[0], self.window_size, self.stride_used, self.total_padding)
            return y if self.blur is None else self.blur.lower(target, y)
        return self._lower_maxout(target, target.held(inputs[0]))

    def _lower_maxout(self, target: Target, x: Blob) -> Blob:
        """max(a, b) = a + relu(b - a), folded over the groups of channels; OpenCV ignores maxpool_depth."""
        out, channels = self.out_channels, x.shape.c
        best = x
        for start in range(out, channels, out):
            width = min(out, channels - start)
            joined = x if best is x else target.concatenate([best, x])
            gain = torch.zeros(width, joined.shape.c, 1, 1)
            place = torch.arange(width)
            gain[place, place] = -1
            gain[place, joined.shape.c - channels + start + place] = 1
            rise = target.convolution(joined, gain, activation="relu")
            best = target.add(self._first(target, x) if best is x else best, rise)
        return self._first(target, x) if best is x else best

    def _first(self, target: Target, x: Blob) -> Blob:
        """The first group of channels."""
        out, channels = self.out_channels, x.shape.c
        if channels % out == 0:
            return target.part(x, 0, channels // out)
        return target.convolution(x, torch.eye(out, channels).reshape(out, channels, 1, 1))

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        x = inputs[0]
        if self.maxpool_depth:
            return self._maxout_to_onnx(target, x)
        y = target.pool("MaxPool", x, self.window_size, self.own_strides, self.sliding.margins(x.shape.h, x.shape.w))
        return y if self.blur is None else self.blur.to_onnx(target, y)

    def _maxout_to_onnx(self, target: OnnxTarget, x: Value) -> Value:
        out, channels = self.out_channels, x.shape.c
        best = target.cut(x, 1, 0, out)
        for start in range(out, channels, out):
            piece = target.cut(x, 1, start, min(start + out, channels))
            width = piece.shape.c
            larger = target.maximum(target.cut(best, 1, 0, width), piece)
            best = larger if width == out else target.concatenate([larger, target.cut(best, 1, width, out)])
        return best


@dataclass(frozen=True, kw_only=True)
class AvgPool(Layer):
    """[avgpool]: the mean of each map; no options."""

    kind = "avgpool"
    aliases = ("avg",)

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return Shape(inputs[0].c, 1, 1)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return AveragePoolModule()

    def view(self) -> View:
        return WHOLE

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        return target.avgpool(inputs[0])

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        return target.avgpool(inputs[0])
