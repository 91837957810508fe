"""[gru]: a gated recurrent unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import integer, opt
from csptrain.cfg.text import Reading
from csptrain.layers.base import MAX_CHANNELS, Shape
from csptrain.layers.recurrent import Part, Recurrent, RecurrentModule

GATES = ("z", "r", "h")


class GruModule(RecurrentModule):
    """state = z * state + (1 - z) * h(x, r * state); z, r and h are logistic; the output is the state."""

    def forward(self, x: Tensor) -> Tensor:
        """[S * B, C, H, W] -> [S * B, output, 1, 1]."""
        steps = self.steps(x)
        seen = [self.apply_part(f"input_{gate}", steps) for gate in GATES]
        state = seen[0].new_zeros(seen[0].shape[1:])
        states = []
        for z_input, r_input, h_input in zip(*seen, strict=True):
            z = torch.sigmoid(z_input + self.parts["state_z"](state))
            r = torch.sigmoid(r_input + self.parts["state_r"](state))
            h = torch.sigmoid(h_input + self.parts["state_h"](r * state))
            state = z * state + (1 - z) * h
            states.append(state)
        return torch.cat(states)


@dataclass(frozen=True, kw_only=True)
class Gru(Recurrent):
    """Options of [gru]. Differs: Darknet never updates its weights, here they are trained."""

    kind = "gru"

    output: int = opt(1, integer)
    batch_normalize: int = opt(0, integer)

    def check(self, reading: Reading) -> None:
        self.positive(reading, output=self.output)
        if self.output > MAX_CHANNELS:
            raise self.error(f"output={self.output} is more than {MAX_CHANNELS}", "output")

    def parts(self, image: Shape) -> tuple[Part, ...]:
        linear = self.connected(self.output, "linear", self.batch_normalize)
        state = Shape(self.output, 1, 1)
        return (
            *(Part(f"input_{gate}", linear, image) for gate in GATES),
            *(Part(f"state_{gate}", linear, state) for gate in GATES),
        )

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return Shape(self.output, 1, 1)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return GruModule(self.parts(inputs[0]), self.time_steps)

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return f"{inputs[0].outputs:6d} -> {self.output}"
