"""[gru]: a gated recurrent unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.layers.base import Shape
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.recurrent import ApplyPart, GatedUnit, Part, PartAtStart, RecurrentModule

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
class Gru(GatedUnit):
    """Options of [gru]. Differs: Darknet never updates its weights, here they are trained."""

    kind = "gru"

    def parts(self, image: Shape) -> tuple[Part, ...]:
        state = Shape(self.output, 1, 1)
        return (
            *self.gates([f"input_{gate}" for gate in GATES], image),
            *self.gates([f"state_{gate}" for gate in GATES], state),
        )

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return GruModule(self.parts(inputs[0]), self.time_steps)

    def first_step(self, target: OnnxTarget, x: Value, apply: ApplyPart, at_start: PartAtStart) -> Value:
        z, h = (
            target.apply("Sigmoid", target.add(apply(f"input_{gate}", x), at_start(f"state_{gate}")))
            for gate in ("z", "h")
        )
        return target.subtract(h, target.multiply(z, h))
