"""[conv_lstm]: an [lstm] made of convolutions, with peepholes or with a bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import integer, number, opt, word
from csptrain.cfg.text import Reading
from csptrain.layers.base import Cost, Shape
from csptrain.layers.lstm import GATES
from csptrain.layers.onnx_activation import activate
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.recurrent import ApplyPart, Part, PartAtStart, RecurrentModule
from csptrain.layers.recurrent_convolution import RecurrentConvolution
from csptrain.ops.activation import ACTIVATIONS, activation

PEEPHOLES = ("f", "i", "o")
STATE_REACH = 32  # default limit of the cell, in time steps


class ConvLstmModule(RecurrentModule):
    """The gates of [lstm] with convolutions: w of the state, u of the input, v of the cell (``peephole``).

    With ``bottleneck`` one convolution joins state and input, and the u look at that alone.
    """

    def __init__(self, layer: ConvLstm, image: Shape) -> None:
        super().__init__(layer.parts(image), layer.time_steps)
        self.layer = layer
        self.reach = layer.reach
        self.activation = activation(layer.lstm_activation)

    def forward(self, x: Tensor) -> Tensor:
        """[S * B, C, H, W] -> [S * B, output, H, W]."""
        steps = self.steps(x)
        layer = self.layer
        seen = None if layer.bottleneck else [self.apply_part(f"u{gate}", steps) for gate in GATES]
        state = cell = steps.new_zeros(steps.shape[1], layer.output, *steps.shape[3:])
        outputs = []
        for index, step in enumerate(steps):
            joined = None
            if seen is None:
                joined = self.activation(self.parts["wf"](torch.cat((state, step), 1)))
                gates = [self.parts[f"u{gate}"](joined) for gate in GATES]
            else:
                gates = [new[index] + self.parts[f"w{gate}"](state) for gate, new in zip(GATES, seen, strict=True)]
            state, cell = self._advance(gates, cell)
            outputs.append(state if joined is None or not layer.shortcut else self._partly_added(state, joined))
            state = self._faded(state)
        return torch.cat(outputs)

    def _advance(self, gates: list[Tensor], cell: Tensor) -> tuple[Tensor, Tensor]:
        f, i, g, o = gates
        if self.layer.peephole:
            f, i = f + self.parts["vf"](cell), i + self.parts["vi"](cell)
        cell = f.sigmoid() * cell + i.sigmoid() * self.activation(g)
        if self.layer.peephole:
            o = o + self.parts["vo"](cell)
        state = o.sigmoid() * self.activation(cell)
        return _finite(state), _finite(cell).clamp(-self.reach, self.reach)

    def _partly_added(self, state: Tensor, joined: Tensor) -> Tensor:
        half = self.layer.output // 2
        return torch.cat((state[:, :half] + joined[:, :half], state[:, half:]), 1)

    def _faded(self, state: Tensor) -> Tensor:
        """The state, whose gradient from later steps is multiplied by time_normalizer."""
        factor = self.layer.time_normalizer
        if factor == 1 or not state.requires_grad:
            return state
        faded = state.view_as(state)
        faded.register_hook(lambda gradient: gradient * factor)
        return faded


@dataclass(frozen=True, kw_only=True)
class ConvLstm(RecurrentConvolution):
    """Options of [conv_lstm].

    Source: Darknet behaviour. `bottleneck`, its `shortcut` (the first half of the channels) and other lstm_activations
    than tanh exist on the GPU only. Differs: gradients flow back through the peepholes too; a bottleneck joins state
    and input of each sequence, where Darknet mixes up those of a mini-batch of several.
    """

    kind = "conv_lstm"

    activation: str = opt("linear", word("relu", *ACTIVATIONS))
    lstm_activation: str = opt("tanh", word("relu", *ACTIVATIONS))
    peephole: int = opt(0, integer)
    bottleneck: int = opt(0, integer)
    time_normalizer: float = opt(1.0, number)
    state_constrain: float | None = opt(None, number)

    @property
    def reach(self) -> float:
        """Largest magnitude of the cell; 0 in the cfg is no limit."""
        limit = STATE_REACH * self.time_steps if self.state_constrain is None else self.state_constrain
        return limit or float("inf")

    def check(self, reading: Reading) -> None:
        super().check(reading)
        if self.reach < 0:
            raise self.error(f"state_constrain={self.state_constrain:g} is negative", "state_constrain")
        if self.shortcut and not self.bottleneck:
            line = self.section.get("shortcut")
            reading.note(
                self.section, line.line if line else self.section.line, "shortcut= has no effect", "set bottleneck=1"
            )

    def parts(self, image: Shape) -> tuple[Part, ...]:
        gate = self.convolution(self.output)
        state = Shape(self.output, image.h, image.w)
        peepholes = tuple(Part(f"v{name}", gate, state) for name in PEEPHOLES) if self.peephole else ()
        own: tuple[Part, ...] = tuple(Part(f"w{name}", gate, state) for name in GATES)
        if self.bottleneck:
            own = (Part("wf", gate, Shape(2 * self.output, image.h, image.w)),)
        return (*peepholes, *own, *(Part(f"u{name}", gate, image) for name in GATES))

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        if self.bottleneck and inputs[0].c != self.output:
            raise self.error(f"bottleneck=1 needs output={inputs[0].c}, the channels of its input", "output")
        return super().shape(inputs)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return ConvLstmModule(self, inputs[0])

    def cost(self, inputs: Sequence[Shape], output: Shape) -> Cost:
        elementwise = (12 if self.peephole else 9) * output.outputs
        return Cost(darknet=(super().cost(inputs, output).darknet or 0) + elementwise)

    def first_step(self, target: OnnxTarget, x: Value, apply: ApplyPart, at_start: PartAtStart) -> Value:
        seen, joined = x, None
        if self.bottleneck:
            state = target.multiply(x, 0.0)
            seen = joined = activate(target, apply("wf", target.concatenate([state, x])), self.lstm_activation)
        i, g, o = (apply(f"u{gate}", seen) for gate in ("i", "g", "o"))
        if not self.bottleneck:
            i, g, o = (target.add(gate, at_start(f"w{name}")) for name, gate in (("i", i), ("g", g), ("o", o)))
        if self.peephole:
            i = target.add(i, at_start("vi"))
        cell = target.multiply(target.apply("Sigmoid", i), activate(target, g, self.lstm_activation))
        if self.peephole:
            o = target.add(o, apply("vo", cell))
        state = target.multiply(target.apply("Sigmoid", o), activate(target, cell, self.lstm_activation))
        if joined is None or not self.shortcut:
            return state
        half = self.output // 2
        added = target.add(target.cut(state, 1, 0, half), target.cut(joined, 1, 0, half))
        return target.concatenate([added, target.cut(state, 1, half, self.output)])


def _finite(x: Tensor) -> Tensor:
    return x.nan_to_num(0.0, 0.0, 0.0)
