"""The options that [crnn] and [conv_lstm] share: convolutions over a map whose size stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from csptrain.cfg.fields import integer, opt
from csptrain.cfg.text import Reading
from csptrain.layers.base import Shape, View
from csptrain.layers.convolutional import Convolutional
from csptrain.layers.recurrent import Recurrent


@dataclass(frozen=True, kw_only=True)
class RecurrentConvolution(Recurrent):
    """A recurrent layer made of convolutions of one size."""

    refused = {"xnor": "binary weights in a recurrent layer"}

    output: int = opt(1, integer)
    groups: int = opt(1, integer)
    size: int = opt(3, integer)
    stride: int = opt(1, integer)
    dilation: int = opt(1, integer)
    pad: int = opt(0, integer)
    padding: int = opt(0, integer)
    activation: str = "linear"
    batch_normalize: int = opt(0, integer)
    shortcut: int = opt(0, integer)

    def check(self, reading: Reading) -> None:
        self.positive(reading, output=self.output)
        self.convolution(self.output).check(reading)

    def convolution(self, filters: int) -> Convolutional:
        """A part of this layer."""
        return Convolutional(
            index=self.index,
            section=self.section,
            filters=filters,
            groups=self.groups,
            size=self.size,
            stride=self.stride,
            dilation=self.dilation,
            pad=self.pad,
            padding=self.padding,
            activation=self.activation,
            batch_normalize=self.batch_normalize,
        )

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        image = inputs[0]
        for part in self.parts(image):
            got = part.output
            if (got.h, got.w) != (image.h, image.w):
                raise self.error(
                    f"makes a map of {image.w}x{image.h} one of {got.w}x{got.h}, but its state must keep its size",
                    "size" if self.section.get("size") else None,
                    "use stride=1 and an odd size with pad=1",
                )
        return Shape(self.output, image.h, image.w)

    def view(self) -> View:
        # Of one time step: the input's convolution alone. Earlier steps see further.
        return self.convolution(self.output).view()

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"{self.output:5d}      {self.size:2d} x{self.size:2d}/{self.stride:2d}   "
