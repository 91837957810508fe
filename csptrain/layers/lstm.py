"""[lstm]: long short-term memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.layers.base import Shape
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.recurrent import ApplyPart, GatedUnit, Part, PartAtStart, RecurrentModule

GATES = ("f", "i", "g", "o")  # forget, input, candidate, output; w looks at the state, u at the input


class LstmModule(RecurrentModule):
    """cell = f * cell + i * g; state = o * tanh(cell); f, i, o logistic, g tanh; the output is the state."""

    def forward(self, x: Tensor) -> Tensor:
        """[S * B, C, H, W] -> [S * B, output, 1, 1]."""
        steps = self.steps(x)
        seen = [self.apply_part(f"u{gate}", steps) for gate in GATES]
        state = cell = seen[0].new_zeros(seen[0].shape[1:])
        states = []
        for inputs in zip(*seen, strict=True):
            f, i, g, o = (new + self.parts[f"w{gate}"](state) for gate, new in zip(GATES, inputs, strict=True))
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            state = o.sigmoid() * cell.tanh()
            states.append(state)
        return torch.cat(states)


@dataclass(frozen=True, kw_only=True)
class Lstm(GatedUnit):
    """Options of [lstm]. Differs: Darknet never updates its weights, here they are trained."""

    kind = "lstm"

    def parts(self, image: Shape) -> tuple[Part, ...]:
        state = Shape(self.output, 1, 1)
        return (
            *self.gates([f"w{gate}" for gate in GATES], state),
            *self.gates([f"u{gate}" for gate in GATES], image),
        )

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return LstmModule(self.parts(inputs[0]), self.time_steps)

    def first_step(self, target: OnnxTarget, x: Value, apply: ApplyPart, at_start: PartAtStart) -> Value:
        i, g, o = (target.add(apply(f"u{gate}", x), at_start(f"w{gate}")) for gate in ("i", "g", "o"))
        cell = target.multiply(target.apply("Sigmoid", i), target.apply("Tanh", g))
        return target.multiply(target.apply("Sigmoid", o), target.apply("Tanh", cell))
