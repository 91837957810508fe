"""[convolutional]: grouped, dilated, rectangular-stride convolution with batch normalization and activation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from csptrain.cfg.fields import integer, opt, word
from csptrain.cfg.text import Reading
from csptrain.layers.base import MAX_CHANNELS, Cost, Layer, Shape, Stored, View
from csptrain.layers.batchnorm import BatchNorm
from csptrain.layers.fused import FusedConvolution, Window
from csptrain.layers.onnx_activation import activate
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.recompute import note
from csptrain.layers.strided import Antialiased
from csptrain.layers.target import Blob, NoEquivalent, Target
from csptrain.ops.activation import ACTIVATIONS, WORKS_IN_PLACE, Activation, activation
from csptrain.ops.binary import binary_weights, signs

NO_SHARE = -1000000000


class ConvolutionModule(nn.Module):
    """Convolution, then batch normalization or bias, then activation and blur; [N, C, H, W] in and out."""

    def __init__(self, layer: Convolutional, channels: int) -> None:
        super().__init__()
        size, groups = layer.size, layer.groups
        self.stride = layer.own_strides
        self.padding = layer.padding_pixels * layer.dilation_used
        self.dilation = layer.dilation_used
        self.groups = groups
        self.activation = layer.activation
        self.weight = nn.Parameter(torch.empty(layer.filters, channels // groups, size, size))
        self.norm = BatchNorm(layer.filters) if layer.normalized else None
        self.bias = None if layer.normalized else nn.Parameter(torch.zeros(layer.filters))
        self.blur = layer.blur
        self.binary = bool(layer.binary or layer.xnor)
        self.binary_input = bool(layer.xnor)
        self.borrows = False

    def borrow(self, donor: ConvolutionModule) -> None:
        """Use the weights, biases, scales and rolling statistics of another convolution."""
        self.weight, self.norm, self.bias = donor.weight, donor.norm, donor.bias
        self.borrows = True

    def initialize(self, generator: torch.Generator) -> None:
        """Draw Darknet's start: uniform in +-sqrt(2 / fan_in), biases 0, scales 1."""
        if self.borrows:
            return
        reach = sqrt(2.0 / self.weight[0].numel())
        with torch.no_grad():
            self.weight.uniform_(-reach, reach, generator=generator)

    @property
    def kernel(self) -> Tensor:
        """The weights that are convolved with: [filters, C / groups, size, size]."""
        return binary_weights(self.weight) if self.binary else self.weight

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weights and biases of the convolution that includes the normalization; float64 where there is one."""
        if self.norm is not None:
            return self.norm.fold(self.kernel)
        assert self.bias is not None
        return self.kernel, self.bias

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, filters, H', W']."""
        if self.binary_input:
            x = signs(x)
        y = F.conv2d(x, self.kernel, self.bias, self.stride, self.padding, self.dilation, self.groups)
        # Mish and swish keep their input for the gradient; the others may work in place.
        activate = activation(self.activation, in_place=True)
        if self.norm is None or not self.norm.repeatable:
            y = activate(y if self.norm is None else self.norm(y))
        else:
            y = self._normalize(self.norm, y, activate)
        return y if self.blur is None else self.blur(y)

    def _normalize(self, norm: BatchNorm, x: Tensor, activate: Activation) -> Tensor:
        """The activated normalization, of which only ``x`` need be kept for the backward pass."""
        if self.activation in WORKS_IN_PLACE:
            y = norm(x)
            note(y, lambda x: activate(norm.again(x)), x)
            return activate(y)
        normalized = norm(x)
        note(normalized, norm.again, x)
        y = activate(normalized)
        note(y, activate, normalized)
        return y


@dataclass(frozen=True, kw_only=True)
class Convolutional(Antialiased):
    """Options of [convolutional]; xnor=1 binarizes weights and input, binary=1 weights alone.

    Differs: two layers that share tensors have their own batch statistics in training, so that both get the right
    gradient; Darknet's later layer overwrites those of the earlier one.
    """

    kind = "convolutional"
    aliases = ("conv",)
    inert = {
        "bin_output": "it is about the memory between two xnor layers, not about numbers",
        "angle": "it belongs to rotate=1",
    }
    untrained = frozenset("cbn assisted_excitation sway rotate stretch stretch_sway dot reverse grad_centr".split())
    refused = {
        "coordconv": "it writes coordinates over three output channels, on Darknet's GPU path only",
        "flipped": "it says that an old weights file holds this layer transposed",
    }

    filters: int = opt(1, integer)
    groups: int = opt(1, integer)
    size: int = opt(1, integer)
    dilation: int = opt(1, integer)
    pad: int = opt(0, integer)
    padding: int = opt(0, integer)
    activation: str = opt("logistic", word("relu", *ACTIVATIONS))
    batch_normalize: int = opt(0, integer)
    cbn: int = opt(0, integer)
    share_index: int = opt(NO_SHARE, integer)
    xnor: int = opt(0, integer)
    binary: int = opt(0, integer)

    @property
    def normalized(self) -> bool:
        """Whether there is batch normalization; cbn is one that trains otherwise."""
        return bool(self.batch_normalize or self.cbn)

    @property
    def donor(self) -> int | None:
        # Darknet takes every negative number but its default as relative.
        return None if self.share_index == NO_SHARE else self.resolve((self.share_index,), "share_index")[0]

    @property
    def padding_pixels(self) -> int:
        """Padding of each side before dilation: pad=1 means size/2 and wins over padding."""
        return self.size // 2 if self.pad else self.padding

    @property
    def dilation_used(self) -> int:
        """Darknet ignores dilation of a 1x1 kernel."""
        return 1 if self.size == 1 else self.dilation

    def check(self, reading: Reading) -> None:
        super().check(reading)
        self.positive(
            reading,
            filters=self.filters,
            groups=self.groups,
            size=self.size,
            stride=self.stride,
            dilation=self.dilation,
        )
        _ = self.donor  # a reference that leads nowhere
        if self.padding < 0:
            raise self.error(f"padding={self.padding} is negative", "padding")
        if self.filters > MAX_CHANNELS:
            raise self.error(f"filters={self.filters} is more than {MAX_CHANNELS}", "filters")
        if self.filters % self.groups:
            raise self.error(f"filters={self.filters} is no multiple of groups={self.groups}", "filters")

    def check_donor(self, inputs: Sequence[Shape], donor: Layer, donor_inputs: Sequence[Shape]) -> None:
        if not isinstance(donor, Convolutional):
            raise self.error(f"share_index={self.share_index} is a [{donor.kind}]", "share_index")
        for what, own, other in (
            ("filters", self.filters, donor.filters),
            ("size", self.size, donor.size),
            ("groups", self.groups, donor.groups),
            ("input channels", inputs[0].c, donor_inputs[0].c),
            ("batch_normalize", self.normalized, donor.normalized),
        ):
            if own != other:
                raise self.error(
                    f"share_index={self.share_index}: layer {donor.index} has {what} {int(other)}, this one {int(own)}",
                    "share_index",
                )

    def complete(self, module: nn.Module, modules: Sequence[nn.Module], inputs: Sequence[Shape]) -> None:
        if self.donor is not None:
            donor = modules[self.donor]
            assert isinstance(module, ConvolutionModule) and isinstance(donor, ConvolutionModule)
            module.borrow(donor)

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        sharp = self.sharp(inputs)
        return sharp if self.blur is None else self.blur.shape(self, sharp)

    def sharp(self, inputs: Sequence[Shape]) -> Shape:
        """The shape before the blur of `antialiasing`; raises CfgError."""
        image = inputs[0]
        if image.c % self.groups:
            raise self.error(f"{image.c} input channels are no multiple of groups={self.groups}", "groups")
        down, right = self.own_strides
        padding = 2 * self.padding_pixels
        h = self.window(image.h, padding, self.size, down)
        w = self.window(image.w, padding, self.size, right)
        reach = self.dilation_used * (self.size - 1) + 1
        for length, stride, planned in ((image.h, down, h), (image.w, right, w)):
            inside = length + padding * self.dilation_used - reach
            if inside < 0 or inside // stride + 1 != planned:
                raise self.error(
                    f"dilation={self.dilation} with size={self.size} and this padding is not defined: Darknet plans a "
                    f"map of {planned}",
                    "dilation",
                    "use an odd size with pad=1",
                )
        return Shape(self.filters, h, w)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return ConvolutionModule(self, inputs[0].c)

    def fused(self, module: nn.Module, inputs: Sequence[Shape], dtype: torch.dtype) -> nn.Module:
        assert isinstance(module, ConvolutionModule)
        if self.xnor:
            return module
        window = Window(module.stride, module.padding, module.dilation, module.groups)
        weight, bias = (tensor.to(dtype, copy=True) for tensor in module.folded())
        return FusedConvolution(weight, bias, window, inputs[0], self.activation, self.blur)

    def stored(self, module: nn.Module) -> list[Stored]:
        assert isinstance(module, ConvolutionModule)
        if self.donor is not None:
            return []
        weights = Stored("weights", module.weight)
        if module.norm is None:
            assert module.bias is not None
            return [Stored("biases", module.bias), weights]
        return [*module.norm.stored(), weights]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> Cost:
        dense = 2 * inputs[0].c * self.size * self.size * self.sharp(inputs).outputs
        grouped = dense // self.groups
        # A binary multiply-add is counted as a thirty-second; `darknet ops` knows neither that nor groups.
        return Cost(darknet=grouped / 32 if self.xnor else grouped, operations=dense, paper=grouped)

    def view(self) -> View:
        return self.sliding_view(self.dilation_used * (self.size - 1) + 1)

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        groups = f"/{self.groups:4d} " if self.groups > 1 else "      "
        dilation = f"({self.dilation})" if self.dilation > 1 else "   "
        return f"{self.filters:5d}{groups}{self.size:2d} x{self.size:2d}/{self.stride_text:>2s}{dilation}"

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        assert isinstance(module, ConvolutionModule)
        down, right = self.own_strides
        if down != right:
            raise NoEquivalent(f"stride_y={down} and stride_x={right} differ", "stride_x")
        weight, bias = module.folded()
        if self.dilation_used > 1:
            # The same taps in a larger kernel that is zero between them.
            step, reach = self.dilation_used, self.dilation_used * (self.size - 1) + 1
            spread = weight.new_zeros(*weight.shape[:2], reach, reach)
            spread[:, :, ::step, ::step] = weight
            weight = spread
        y = target.convolution(
            target.signs(inputs[0]) if self.xnor else inputs[0],
            weight,
            bias,
            stride=down,
            padding=module.padding,
            groups=self.groups,
            activation=self.activation,
        )
        return y if self.blur is None else self.blur.lower(target, y)

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        assert isinstance(module, ConvolutionModule)
        x = inputs[0]
        if self.xnor:
            x = target.add(target.multiply(target.apply("Sign", target.apply("Relu", x)), 2.0), -1.0)
        weight, bias = module.folded()
        y = target.convolution(
            x,
            weight,
            bias,
            strides=self.own_strides,
            padding=module.padding,
            dilation=self.dilation_used,
            groups=self.groups,
        )
        y = activate(target, y, self.activation)
        return y if self.blur is None else self.blur.to_onnx(target, y)
