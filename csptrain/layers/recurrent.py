"""What the recurrent layers share: sequences in a mini-batch, and layers made of smaller ones.

The rows of a mini-batch are time-major: step 0 of every sequence, then step 1 of every sequence, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import integer, opt
from csptrain.cfg.text import Reading
from csptrain.errors import CspError
from csptrain.layers.base import MAX_CHANNELS, WHOLE, Cost, Layer, Shape, Stored, View
from csptrain.layers.convolutional import Convolutional, ConvolutionModule
from csptrain.layers.dense import Connected, ConnectedModule
from csptrain.layers.onnx_target import Array, OnnxTarget, Value, as_array
from csptrain.layers.target import Blob, NoEquivalent, Target

ApplyPart = Callable[[str, Value], Value]
PartAtStart = Callable[[str], Array]


@dataclass(frozen=True)
class Part:
    """One of the layers that a recurrent layer is made of; ``name`` in Darknet's words."""

    name: str
    layer: Connected | Convolutional
    image: Shape

    @property
    def output(self) -> Shape:
        """The shape of the part's output."""
        return self.layer.shape([self.image])


class RecurrentModule(nn.Module):
    """The parts of a recurrent layer, by name, and the cutting of a mini-batch into steps."""

    def __init__(self, parts: Sequence[Part], time_steps: int) -> None:
        super().__init__()
        self.time_steps = time_steps
        self.parts = nn.ModuleDict({part.name: part.layer.build([part.image], part.output) for part in parts})
        self.normalized = any(part.layer.batch_normalize for part in parts)

    def initialize(self, generator: torch.Generator) -> None:
        """Draw Darknet's start of each part."""
        for part in self.parts.values():
            assert isinstance(part, ConvolutionModule | ConnectedModule)
            part.initialize(generator)

    def steps(self, x: Tensor) -> Tensor:
        """[S * B, C, H, W] -> [S, B, C, H, W].

        At inference fewer rows than time_steps are single images, each the first of a sequence of its own.
        Raises CspError for another number of rows.
        """
        if len(x) % self.time_steps == 0:
            return x.reshape(self.time_steps, -1, *x.shape[1:])
        if len(x) < self.time_steps and not self.training:
            return x.unsqueeze(0)
        raise CspError(f"{len(x)} rows are no whole number of sequences of time_steps={self.time_steps}")

    def apply_part(self, name: str, x: Tensor) -> Tensor:
        """A part on every step: [S, B, C, H, W] in and out; each step has batch statistics of its own."""
        part = self.parts[name]
        if self.training and self.normalized:
            return torch.stack([part(step) for step in x])
        y: Tensor = part(x.flatten(0, 1))
        return y.reshape(*x.shape[:2], *y.shape[1:])


@dataclass(frozen=True, kw_only=True)
class Recurrent(Layer):
    """A layer with a state, which is zero at the first step of every forward pass.

    Differs: Darknet keeps the state from one forward pass at inference to the next.
    """

    def parts(self, image: Shape) -> tuple[Part, ...]:
        """The smaller layers in the order of Darknet's file."""
        raise NotImplementedError

    def stored(self, module: nn.Module) -> list[Stored]:
        assert isinstance(module, RecurrentModule)
        # The order and the kinds of the parts do not depend on the image.
        parts = self.parts(Shape(1, 1, 1))
        return [
            replace(stored, part=part.name) for part in parts for stored in part.layer.stored(module.parts[part.name])
        ]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> Cost:
        costs = [part.layer.cost([part.image], part.output) for part in self.parts(inputs[0])]
        printed = [cost.darknet for cost in costs if cost.darknet is not None]
        # `darknet ops` counts the parts of [rnn], [gru] and [lstm], but not those made of convolutions.
        operations = 0 if printed else sum(cost.operations for cost in costs)
        return Cost(darknet=sum(printed) if printed else None, operations=operations)

    def view(self) -> View:
        return WHOLE

    def connected(self, output: int, activation: str, batch_normalize: int) -> Connected:
        """A part in which every output sees every input."""
        return Connected(
            index=self.index,
            section=self.section,
            output=output,
            activation=activation,
            batch_normalize=batch_normalize,
        )

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        raise NoEquivalent("OpenCV has no recurrent layers of Darknet")

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        """The first step of a sequence, which every single image is here."""
        assert isinstance(module, RecurrentModule)
        if self.time_steps > 1 and target.batch != 1:
            raise NoEquivalent(f"a batch would be a sequence of time_steps={self.time_steps}", "time_steps")
        parts = {part.name: part for part in self.parts(inputs[0].shape)}

        def apply(name: str, x: Value) -> Value:
            return parts[name].layer.to_onnx(target, [x], module.parts[name])

        def at_start(name: str) -> Array:
            shape = parts[name].image
            with torch.no_grad():
                return as_array(module.parts[name](torch.zeros(1, shape.c, shape.h, shape.w)))

        return self.first_step(target, inputs[0], apply, at_start)

    def first_step(self, target: OnnxTarget, x: Value, apply: ApplyPart, at_start: PartAtStart) -> Value:
        """The output for ``x`` where the state is zero.

        ``apply`` runs a part by its name, ``at_start`` is what a part gives of a state of zeros: [1, C, H, W].
        """
        raise NotImplementedError(f"[{self.kind}] has no first step")


@dataclass(frozen=True, kw_only=True)
class GatedUnit(Recurrent):
    """What [gru] and [lstm] share: gates of fully connected parts, one that sees the input and one the state."""

    output: int = opt(1, integer)
    batch_normalize: int = opt(0, integer)

    def check(self, reading: Reading) -> None:
        self.positive(reading, output=self.output)
        if self.output > MAX_CHANNELS:
            raise self.error(f"output={self.output} is more than {MAX_CHANNELS}", "output")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return Shape(self.output, 1, 1)

    def gates(self, names: Sequence[str], image: Shape) -> tuple[Part, ...]:
        """One linear part a name, each seeing ``image``."""
        linear = self.connected(self.output, "linear", self.batch_normalize)
        return tuple(Part(name, linear, image) for name in names)

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"{inputs[0].outputs:6d} -> {self.output}"
