"""[history]: the last maps of a sequence, one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import integer, opt
from csptrain.cfg.text import Reading
from csptrain.layers.base import Shape, View
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.recurrent import ApplyPart, Part, PartAtStart, Recurrent, RecurrentModule


class HistoryModule(RecurrentModule):
    """Channels of this step, then those of the steps before; zeros before the first."""

    def __init__(self, size: int, time_steps: int) -> None:
        super().__init__((), time_steps)
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """[S * B, C, H, W] -> [S * B, size * C, H, W]."""
        steps = self.steps(x)
        maps = [steps]
        for _ in range(self.size - 1):
            maps.append(torch.cat((torch.zeros_like(steps[:1]), maps[-1][:-1])))
        return torch.cat(maps, 2).flatten(0, 1)


@dataclass(frozen=True, kw_only=True)
class History(Recurrent):
    """Options of [history].

    Differs: Darknet's backward looks at the newest map only; here the gradient reaches the older ones too.
    """

    kind = "history"

    history_size: int = opt(4, integer)

    def check(self, reading: Reading) -> None:
        self.positive(reading, history_size=self.history_size)

    def parts(self, image: Shape) -> tuple[Part, ...]:
        return ()

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return Shape(self.history_size * inputs[0].c, inputs[0].h, inputs[0].w)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return HistoryModule(self.history_size, self.time_steps)

    def view(self) -> View:
        return View()

    def first_step(self, target: OnnxTarget, x: Value, apply: ApplyPart, at_start: PartAtStart) -> Value:
        before = target.multiply(x, 0.0)
        return target.concatenate([x, *[before] * (self.history_size - 1)])
