"""What every layer answers: options, sources, shape, module, stored tensors, cost, lowering; a Head: loss, decode."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import integer, number, opt, read_options, switched_off
from csptrain.cfg.text import Reading, Section
from csptrain.errors import CfgError
from csptrain.losses.base import HeadLoss

if TYPE_CHECKING:
    from csptrain.layers.onnx_target import OnnxTarget, Value
    from csptrain.layers.target import Blob, Target
    from csptrain.ops.decode import Detections

# Nothing in the field comes near these; they keep a typing error from becoming an allocation.
MAX_SIDE = 65536
MAX_CHANNELS = 1 << 20
MAX_OUTPUTS = 1 << 31


@dataclass(frozen=True)
class Shape:
    """The shape of one image's output: channels, height, width."""

    c: int
    h: int
    w: int

    @property
    def outputs(self) -> int:
        """Number of values."""
        return self.c * self.h * self.w

    def __str__(self) -> str:
        return f"{self.w} x {self.h} x {self.c}"


@dataclass(frozen=True)
class Cost:
    """Floating point operations of one image.

    ``darknet`` is what Darknet's table prints for the layer (None where it prints nothing), ``operations`` what
    ``darknet ops`` counts (2 x multiply-adds of convolutional and connected), ``paper`` the count behind the
    CSPNet paper's BFLOPs column (convolutions and max pooling).
    """

    darknet: float | None = None
    operations: int = 0
    paper: float = 0.0


@dataclass(frozen=True)
class View:
    """What one value of an output sees of the layer's input: rows and columns of a window, infinite for the whole map.

    ``down`` and ``right`` are the steps from one value's window to the next one's; below 1 where maps grow.
    """

    rows: float = 1.0
    columns: float = 1.0
    down: float = 1.0
    right: float = 1.0


WHOLE = View(float("inf"), float("inf"))


@dataclass(frozen=True)
class Stored:
    """One tensor of the weights file: its name in Darknet's words and where it lives."""

    name: str
    tensor: Tensor
    mixes: bool = False  # the mixing weights of a shortcut: no convolution, no decay
    part: str = ""  # of a layer made of others: the one it belongs to

    @property
    def label(self) -> str:
        """The name, after that of the part it belongs to."""
        return f"{self.part} {self.name}" if self.part else self.name


@dataclass(frozen=True)
class LossContext:
    """What a head needs to know beyond its tensors.

    ``adversarial`` asks for the delta by which the head would see nothing; heads that have no rule of their own for
    that give the one for a truth of zeros, which is then given.
    """

    net_width: int
    net_height: int
    seen: int
    adversarial: bool = False


UNTRAINED = "it acts in training only, where it is not supported"
COMMON_INERT = {
    "onlyforward": "Darknet uses it to skip a backward pass in a fine-tuned section",
    "clip": "it exists on Darknet's GPU path only",
    "dontloadscales": "loading by shape makes it needless",
    "stream": "an order of GPU streams",
    "wait_stream": "an order of GPU streams",
}


@dataclass(frozen=True, kw_only=True)
class Layer(ABC):
    """One section of a cfg below [net], read and checked."""

    kind: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    #: Keys that change no number here, with the reason.
    inert: ClassVar[dict[str, str]] = {}
    #: Keys that change the numbers of the training only and are not computed there.
    untrained: ClassVar[frozenset[str]] = frozenset()
    #: Keys that change the numbers and are not computed, with the reason.
    refused: ClassVar[dict[str, str]] = {}

    index: int
    section: Section = dataclasses.field(repr=False)
    time_steps: int = 1  # of [net]: rows of a mini-batch that belong to one sequence
    learning_rate: float = opt(1.0, number)
    stopbackward: int = opt(0, integer)
    dont_update: int = opt(0, integer)
    burnin_update: int = opt(0, integer)
    train_only_bn: int = opt(0, integer)
    dontload: int = opt(0, integer)

    @classmethod
    def read(cls, index: int, section: Section, reading: Reading, time_steps: int = 1) -> Layer:
        """The typed layer of a section; raises CfgError for options that cannot be."""
        inert = {**COMMON_INERT, **dict.fromkeys(cls.untrained, UNTRAINED), **cls.inert}
        values = read_options(cls, section, reading, inert, cls.refused)
        layer = cls(index=index, section=section, time_steps=time_steps, **values)
        layer.check(reading)
        return layer

    def refuse_training(self) -> None:
        """Raise CfgError when an option asks for a way of training that is not computed here."""
        for option in self.section.options:
            if option.key in self.untrained and not switched_off(option.value):
                raise self.error(f"{option.key}={option.value} is not supported in training", option.key)

    def check(self, reading: Reading) -> None:
        """Refuse option values that no shape can make sense of; raises CfgError."""

    def sources(self) -> tuple[int, ...]:
        """Indices of the layers whose outputs are read; -1 is the image."""
        return (self.index - 1,)

    @property
    def donor(self) -> int | None:
        """Index of an earlier layer whose tensors this one uses instead of its own, or None."""
        return None

    def check_donor(self, inputs: Sequence[Shape], donor: Layer, donor_inputs: Sequence[Shape]) -> None:
        """Raise CfgError where the tensors of the ``donor`` do not fit this layer."""

    def complete(self, module: nn.Module, modules: Sequence[nn.Module], inputs: Sequence[Shape]) -> None:
        """Finish the built module where it needs more than its shapes: other layers' modules, or a file.

        Raises CfgError for a file that is not there or does not fit.
        """

    @abstractmethod
    def shape(self, inputs: Sequence[Shape]) -> Shape:
        """The output's shape; raises CfgError where the inputs do not fit."""

    @abstractmethod
    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        """The torch module: ``forward(*inputs)`` of tensors [N, C, H, W] gives the output."""

    def fused(self, module: nn.Module, inputs: Sequence[Shape], dtype: torch.dtype) -> nn.Module:
        """What computes the same as ``module`` at inference and may be faster, in ``dtype``; its weights are fixed."""
        return module

    def stored(self, module: nn.Module) -> list[Stored]:
        """The tensors of the layer in the order of Darknet's file."""
        return []

    def cost(self, inputs: Sequence[Shape], output: Shape) -> Cost:
        """Operations as Darknet and the paper count them."""
        return Cost()

    def view(self) -> View:
        """The part of the input that one value is made of; where several inputs are read, of each."""
        return View()

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        """The middle columns of the layer table: filters, size/stride, or sources."""
        return ""

    @abstractmethod
    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob | None:
        """Say the layer, with the weights of its module, in what OpenCV 4 computes equally; give its output.

        None is an output that no later layer may read. Raises NoEquivalent.
        """

    @abstractmethod
    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        """Say the layer, with the weights of its module, in operators of ONNX; give its output.

        Raises NoEquivalent.
        """

    def error(self, message: str, key: str | None = None, hint: str | None = None) -> CfgError:
        """A CfgError at this layer's section or key, which says the layer's number."""
        return self.section.error(f"layer {self.index} [{self.section.kind}]: {message}", key, hint)

    def resolve(self, references: Iterable[int], key: str) -> tuple[int, ...]:
        """Layer indices of references: negative counts back from this layer, others are absolute.

        Raises:
            CfgError: a reference to this layer, a later one or one before the first.
        """
        found = []
        for reference in references:
            target = self.index + reference if reference < 0 else reference
            if not 0 <= target < self.index:
                back = f"-{self.index}..-1 or 0..{self.index - 1}" if self.index else "nothing before layer 0"
                raise self.error(f"{key}={reference} points outside the layers before it", key, f"legal: {back}")
            found.append(target)
        if not found:
            raise self.error(f"{key}= names no layer", key)
        return tuple(found)

    def positive(self, reading: Reading, **values: int) -> None:
        """Raise CfgError for a value below 1."""
        for key, value in values.items():
            if value < 1:
                raise self.error(f"{key}={value} must be 1 or more", key)

    def window(self, length: int, padding: int, size: int, stride: int) -> int:
        """Output length of a sliding window; raises CfgError when the window does not fit."""
        if length + padding < size:
            raise self.error(f"a window of {size} does not fit a map of {length} with padding {padding}")
        return (length + padding - size) // stride + 1


class Head(Layer):
    """A layer whose output leaves the network and, in training, carries a cost."""

    has_boxes: ClassVar[bool] = False

    @property
    def has_loss(self) -> bool:
        """Whether the layer carries a cost in training."""
        return True

    def prime(self, before: nn.Module) -> None:
        """Set the start values that this head wants of the fresh layer before it; the weights are drawn already."""

    def loss(self, inputs: Sequence[Tensor], output: Tensor, truth: Tensor, context: LossContext) -> HeadLoss:
        """Darknet's cost and delta of this layer for a mini-batch."""
        raise NotImplementedError(f"[{self.kind}] has no loss")

    def decode(self, output: Tensor, net_width: int, net_height: int, thresh: float) -> list[Detections]:
        """Boxes, relative to the network's input, and class probabilities of each image of an activated output."""
        raise NotImplementedError(f"[{self.kind}] has no boxes")


class Identity(nn.Module):
    """Gives its first input."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """The first input, unchanged."""
        return inputs[0]
