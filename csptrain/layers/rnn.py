"""[rnn] and [crnn]: a hidden state that is a sum of what it sees and what it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import integer, opt, word
from csptrain.cfg.text import Reading
from csptrain.layers.base import MAX_CHANNELS, Shape, View
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.recurrent import ApplyPart, Part, PartAtStart, Recurrent, RecurrentModule
from csptrain.layers.recurrent_convolution import RecurrentConvolution
from csptrain.ops.activation import ACTIVATIONS


class RnnModule(RecurrentModule):
    """state = input(x) + self(state), with ``shortcut`` + state; the output is output(state)."""

    def __init__(self, parts: Sequence[Part], time_steps: int, shortcut: bool) -> None:
        super().__init__(parts, time_steps)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """[S * B, C, H, W] -> [S * B, output, H', W']."""
        seen = self.apply_part("input", self.steps(x))
        state = seen.new_zeros(seen.shape[1:])
        states = []
        for step in seen:
            before = state
            state = step + self.parts["self"](before)
            if self.shortcut:
                state = state + before
            states.append(state)
        return self.apply_part("output", torch.stack(states)).flatten(0, 1)


@dataclass(frozen=True, kw_only=True)
class Rnn(Recurrent):
    """Options of [rnn]. Differs: Darknet never updates its weights, here they are trained."""

    kind = "rnn"

    output: int = opt(1, integer)
    hidden: int = opt(1, integer)
    activation: str = opt("logistic", word("relu", *ACTIVATIONS))
    batch_normalize: int = opt(0, integer)
    logistic: int = opt(0, integer)
    shortcut: int = opt(0, integer)

    def check(self, reading: Reading) -> None:
        self.positive(reading, output=self.output, hidden=self.hidden)
        if max(self.output, self.hidden) > MAX_CHANNELS:
            raise self.error(f"more than {MAX_CHANNELS} values", "output" if self.output > MAX_CHANNELS else "hidden")

    def parts(self, image: Shape) -> tuple[Part, ...]:
        own = {1: "logistic", 2: "loggy"}.get(self.logistic, self.activation)
        hidden = Shape(self.hidden, 1, 1)
        return (
            Part("input", self.connected(self.hidden, self.activation, self.batch_normalize), image),
            Part("self", self.connected(self.hidden, own, self.batch_normalize), hidden),
            Part("output", self.connected(self.output, self.activation, self.batch_normalize), hidden),
        )

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return Shape(self.output, 1, 1)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return RnnModule(self.parts(inputs[0]), self.time_steps, bool(self.shortcut))

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"{inputs[0].outputs:6d} -> {self.hidden} -> {self.output}"

    def first_step(self, target: OnnxTarget, x: Value, apply: ApplyPart, at_start: PartAtStart) -> Value:
        return apply("output", target.add(apply("input", x), at_start("self")))


@dataclass(frozen=True, kw_only=True)
class Crnn(RecurrentConvolution):
    """Options of [crnn]: an [rnn] made of convolutions that keep the size of the map."""

    kind = "crnn"

    hidden: int = opt(1, integer)
    activation: str = opt("logistic", word("relu", *ACTIVATIONS))

    def check(self, reading: Reading) -> None:
        super().check(reading)
        self.positive(reading, hidden=self.hidden)

    def parts(self, image: Shape) -> tuple[Part, ...]:
        hidden = Shape(self.hidden, image.h, image.w)
        return (
            Part("input", self.convolution(self.hidden), image),
            Part("self", self.convolution(self.hidden), hidden),
            Part("output", self.convolution(self.output), hidden),
        )

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return RnnModule(self.parts(inputs[0]), self.time_steps, bool(self.shortcut))

    def view(self) -> View:
        one = super().view()
        # The output's convolution stands behind the input's.
        return View(2 * one.rows - 1, 2 * one.columns - 1)

    def first_step(self, target: OnnxTarget, x: Value, apply: ApplyPart, at_start: PartAtStart) -> Value:
        return apply("output", target.add(apply("input", x), at_start("self")))
