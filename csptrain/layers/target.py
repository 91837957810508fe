"""The part of the cfg language that OpenCV 4's importer computes as Darknet does, as a set of instructions.

A layer's ``lower`` says itself in these; what comes out is a cfg and weights that OpenCV and Darknet compute equally.
Batch normalization is not among them: it is folded, since OpenCV adds 1e-6 under the root and Darknet 1e-5.

Source: measured with OpenCV 4.14. No key is left to its default, because the two programs differ there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, sqrt

import torch
from torch import Tensor

from csptrain.layers.base import Shape
from csptrain.layers.piecewise import ACTIVATIONS, HARD_MISH_LINE, HARD_MISH_VALLEY, Piecewise

#: Activations that OpenCV knows, behind any section.
NATIVE = ("linear", "leaky", "relu", "logistic", "tanh", "swish", "mish")

_MOST_FLATTENED = 4096

Value = int | float | str | Sequence[int] | Sequence[float]


class NoEquivalent(Exception):
    """A layer that cannot be said in OpenCV's part of the language, with the reason and the cfg key to blame."""

    def __init__(self, reason: str, key: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.key = key


@dataclass(frozen=True)
class Blob:
    """An output of the lowered network: the number of its layer (-1 is the image) and its shape."""

    index: int
    shape: Shape


class Target:
    """A lowered cfg while it is written: ``sections`` of text and, for each, its ``tensors`` in file order."""

    def __init__(self, image: Shape) -> None:
        self.image = Blob(-1, image)
        self.sections: list[str] = []
        self.tensors: list[list[Tensor]] = []
        self._image_copy: Blob | None = None

    def held(self, x: Blob) -> Blob:
        """``x`` as a layer that several may read: nothing can refer to the image, so it is copied once."""
        if x.index >= 0:
            return x
        if self._image_copy is None:
            self._image_copy = self.scale(x, torch.ones(x.shape.c))
        return self._image_copy

    def convolution(
        self,
        x: Blob,
        weight: Tensor,
        bias: Tensor | None = None,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        activation: str = "linear",
    ) -> Blob:
        """A convolution with weight [filters, C / groups, size, size]; ``padding`` on every side."""
        filters, _, size, _ = weight.shape
        bias = torch.zeros(filters) if bias is None else bias
        here = activation if activation in NATIVE else "linear"
        out = Shape(
            filters,
            (x.shape.h + 2 * padding - size) // stride + 1,
            (x.shape.w + 2 * padding - size) // stride + 1,
        )
        self._follow(x)
        options = {"filters": filters, "size": size, "stride": stride, "padding": padding, "groups": groups}
        y = self._emit("convolutional", out, {**options, "activation": here}, [bias, weight])
        return y if here == activation else self.activate(y, activation)

    def connected(self, x: Blob, weight: Tensor, bias: Tensor, activation: str) -> Blob:
        """Every output sees every input, weight [outputs, C * H * W]: one window of a convolution.

        OpenCV's own [connected] gives a flat output that only some layers can follow.
        """
        c, h, w = x.shape.c, x.shape.h, x.shape.w
        # One padding serves both sides, so a kernel as large as the longer one needs more of it than there is.
        margin = abs(h - w)
        size = max(h, w) + margin
        kernel = weight.new_zeros(len(weight), c, size, size)
        kernel[:, :, margin : margin + h, margin : margin + w] = weight.reshape(-1, c, h, w)
        return self.convolution(x, kernel, bias, stride=size, padding=margin, activation=activation)

    def scale(self, x: Blob, factors: Tensor, offsets: Tensor | None = None, activation: str = "linear") -> Blob:
        """activation(factor * x + offset), each channel with its own: factors and offsets [C]."""
        channels = x.shape.c
        weight = factors.reshape(channels, 1, 1, 1)
        return self.convolution(x, weight, offsets, groups=channels, activation=activation)

    def signs(self, x: Blob) -> Blob:
        """+1 above zero, else -1: a logistic as steep as a step, exact but for values nearer to zero than 1e-27."""
        ones = torch.ones(x.shape.c)
        step = self.scale(x, ones * 1e30, ones * -100, activation="logistic")
        return self.scale(step, ones * 2, -ones)

    def flattened(self, x: Blob) -> Blob:
        """[C, H, W] -> [C * H * W, 1, 1], by as many filters as there are values; raises NoEquivalent above 4,096."""
        if x.shape.h == x.shape.w == 1:
            return x
        count = x.shape.outputs
        if count > _MOST_FLATTENED:
            raise NoEquivalent(f"a map of {count} values cannot be made a vector, {_MOST_FLATTENED} can")
        return self.connected(x, torch.eye(count), torch.zeros(count), "linear")

    def window(self, x: Blob, kernel: Tensor, stride: int, padding: int = 0) -> Blob:
        """The same kernel [size, size] over every channel."""
        channels = x.shape.c
        weight = kernel.expand(channels, 1, *kernel.shape)
        return self.convolution(x, weight, stride=stride, padding=padding, groups=channels)

    def maxpool(self, x: Blob, size: int, stride: int, padding: int) -> Blob:
        """Max pooling; ``padding`` is the total of both sides."""
        h, w = ((length + padding - size) // stride + 1 for length in (x.shape.h, x.shape.w))
        for length, count in ((x.shape.h, h), (x.shape.w, w)):
            if padding // 2 >= size or (count - 1) * stride - padding // 2 >= length:
                raise NoEquivalent("a window lies wholly in the padding", "padding")
        self._follow(x)
        return self._emit("maxpool", Shape(x.shape.c, h, w), {"size": size, "stride": stride, "padding": padding})

    def avgpool(self, x: Blob) -> Blob:
        """The mean of each map."""
        self._follow(x)
        return self._emit("avgpool", Shape(x.shape.c, 1, 1), {})

    def concatenate(self, parts: Sequence[Blob]) -> Blob:
        """The channels of all parts; of one part, a copy."""
        held = [self.held(part) for part in parts]
        first = held[0].shape
        shape = Shape(sum(part.shape.c for part in held), first.h, first.w)
        return self._emit("route", shape, {"layers": [part.index for part in held]})

    def part(self, x: Blob, number: int, of: int) -> Blob:
        """Channel group ``number`` of ``of`` equal ones."""
        held = self.held(x)
        shape = Shape(held.shape.c // of, held.shape.h, held.shape.w)
        return self._emit("route", shape, {"layers": [held.index], "groups": of, "group_id": number})

    def add(self, x: Blob, y: Blob, activation: str = "linear") -> Blob:
        """activation(x + y) in the shape of ``x``; channels that ``y`` lacks add nothing, more are left out."""
        return self._join("shortcut", x, y, x.shape, activation)

    def multiply(self, x: Blob, y: Blob, activation: str = "linear") -> Blob:
        """activation(x * y) of equal shapes."""
        return self._join("sam", x, y, x.shape, activation)

    def scale_channels(self, scale: Blob, x: Blob, activation: str = "linear") -> Blob:
        """activation(scale * x) with ``scale`` [C, 1, 1]."""
        return self._join("scale_channels", scale, x, x.shape, activation)

    def upsample(self, x: Blob, stride: int) -> Blob:
        """Nearest neighbour."""
        self._follow(x)
        shape = Shape(x.shape.c, x.shape.h * stride, x.shape.w * stride)
        return self._emit("upsample", shape, {"stride": stride})

    def reorg(self, x: Blob, stride: int) -> Blob:
        """YOLOv2's reorg."""
        self._follow(x)
        shape = Shape(x.shape.c * stride * stride, x.shape.h // stride, x.shape.w // stride)
        return self._emit("reorg", shape, {"stride": stride})

    def softmax(self, x: Blob) -> Blob:
        """Softmax over channels, for each pixel."""
        self._follow(x)
        options: dict[str, Value] = {"groups": 1}
        if x.shape.h * x.shape.w > 1:
            options["spatial"] = 1
        return self._emit("softmax", x.shape, options)

    def head(self, kind: str, x: Blob, options: dict[str, Value]) -> None:
        """A [yolo] or [region]. OpenCV zeroes scores below its thresh=, which Darknet does not have: it is set to 0."""
        if kind == "region" and any(section.startswith("[region]") for section in self.sections):
            raise NoEquivalent("a second [region]")
        self._follow(x)
        self._emit(kind, x.shape, {**options, "thresh": 0})

    def piecewise(self, x: Blob, function: Piecewise) -> Blob:
        """A function that is straight in pieces: one convolution with relu, one that sums."""
        channels, count = x.shape.c, len(function.pieces)
        slopes, offsets, heights = torch.tensor(function.pieces, dtype=torch.float64).t()
        spread = self.convolution(
            x,
            slopes.repeat(channels).reshape(-1, 1, 1, 1),
            offsets.repeat(channels),
            groups=channels,
            activation="relu",
        )
        gather = heights.repeat(channels).reshape(channels, count, 1, 1)
        return self.convolution(spread, gather, torch.full((channels,), function.constant), groups=channels)

    def activate(self, x: Blob, name: str) -> Blob:
        """An activation on its own; raises NoEquivalent for one that has no exact one."""
        ones = torch.ones(x.shape.c)
        if name in NATIVE:
            return x if name == "linear" else self.scale(x, ones, activation=name)
        if name in ACTIVATIONS:
            return self.piecewise(x, ACTIVATIONS[name])
        x = self.held(x)
        if name == "loggy":
            return self.scale(x, ones / 2, activation="tanh")
        if name == "hard_mish":
            valley = self.piecewise(x, HARD_MISH_VALLEY)
            square = self.scale(self.multiply(valley, valley), ones / 2)
            return self.add(self.piecewise(x, HARD_MISH_LINE), square)
        if name == "gelu":
            cube = self.multiply(self.multiply(x, x), x)
            inner = self.add(
                self.scale(cube, ones * sqrt(2 / pi) * 0.044715), self.scale(x, ones * sqrt(2 / pi)), "tanh"
            )
            return self.multiply(self.scale(inner, ones / 2, ones / 2), x)
        raise NoEquivalent(f"activation={name} is none that OpenCV knows or that relus can make", "activation")

    def _join(self, kind: str, x: Blob, y: Blob, shape: Shape, activation: str) -> Blob:
        here = activation if activation in NATIVE else "linear"
        other = self.held(y)
        self._follow(x)
        z = self._emit(kind, shape, {"from": other.index, "activation": here})
        return z if here == activation else self.activate(z, activation)

    def _follow(self, x: Blob) -> None:
        """Make ``x`` the layer just before the next."""
        if x.index != len(self.sections) - 1:
            self.concatenate([x])

    def _emit(self, kind: str, shape: Shape, options: dict[str, Value], tensors: Sequence[Tensor] = ()) -> Blob:
        lines = [f"[{kind}]", *(f"{key}={_text(value)}" for key, value in options.items())]
        self.sections.append("\n".join(lines))
        self.tensors.append([tensor.detach().float() for tensor in tensors])
        return Blob(len(self.sections) - 1, shape)


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    return f"{value:.9g}" if isinstance(value, float) else ",".join(_text(item) for item in value)
