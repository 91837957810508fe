"""[crop]: a window of the image, in the middle at inference and at a random place in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import integer, number, opt
from csptrain.cfg.text import Reading
from csptrain.layers.base import Layer, Shape
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, NoEquivalent, Target


class CropModule(nn.Module):
    """A window [height, width], its values spread to -1..1 unless ``noadjust``.

    In training one place, and with ``flip`` one direction, is drawn for the mini-batch, as Darknet's CPU path does.
    """

    def __init__(self, layer: Crop) -> None:
        super().__init__()
        self.height, self.width = layer.crop_height, layer.crop_width
        self.flip = bool(layer.flip)
        self.adjust = not layer.noadjust

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, crop_height, crop_width]."""
        down, right = x.shape[2] - self.height, x.shape[3] - self.width
        top, left = down // 2, right // 2
        if self.training:
            top, left = int(torch.randint(down + 1, ())), int(torch.randint(right + 1, ()))
        y = x[:, :, top : top + self.height, left : left + self.width]
        if self.training and self.flip and int(torch.randint(2, ())):
            y = y.flip(3)
        return y * 2 - 1 if self.adjust else y


@dataclass(frozen=True, kw_only=True)
class Crop(Layer):
    """Options of [crop]; colours and angle belong to Darknet's GPU training and are not changed here."""

    kind = "crop"
    inert = {"shift": "it moves colours on Darknet's GPU path only"}

    crop_height: int = opt(1, integer)
    crop_width: int = opt(1, integer)
    flip: int = opt(0, integer)
    noadjust: int = opt(0, integer)
    angle: float = opt(0.0, number)
    saturation: float = opt(1.0, number)
    exposure: float = opt(1.0, number)

    def check(self, reading: Reading) -> None:
        self.positive(reading, crop_height=self.crop_height, crop_width=self.crop_width)
        for key, neutral in (("angle", 0.0), ("saturation", 1.0), ("exposure", 1.0)):
            option = self.section.get(key)
            if option is not None and getattr(self, key) != neutral:
                reading.note(self.section, option.line, f"{key}= of [crop] has no effect here", "set it in [net]")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        image = inputs[0]
        for key, wanted, length in (
            ("crop_height", self.crop_height, image.h),
            ("crop_width", self.crop_width, image.w),
        ):
            if wanted > length:
                raise self.error(f"{key}={wanted} of a map of {image}", key, f"legal: 1..{length}")
        return Shape(image.c, self.crop_height, self.crop_width)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return CropModule(self)

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        x = inputs[0]
        down, right = x.shape.h - self.crop_height, x.shape.w - self.crop_width
        if down != right:
            raise NoEquivalent("OpenCV has no [crop], and a square kernel takes as much off rows as off columns")
        # A kernel with one number in it, where the window begins.
        channels, side = x.shape.c, down + 1
        spread = 1.0 if self.noadjust else 2.0
        kernel = torch.zeros(channels, 1, side, side)
        kernel[:, :, down // 2, down // 2] = spread
        return target.convolution(x, kernel, torch.full((channels,), 1 - spread), groups=channels)

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        x = inputs[0]
        top, left = (x.shape.h - self.crop_height) // 2, (x.shape.w - self.crop_width) // 2
        y = target.cut(target.cut(x, 2, top, top + self.crop_height), 3, left, left + self.crop_width)
        return y if self.noadjust else target.add(target.multiply(y, 2.0), -1.0)
