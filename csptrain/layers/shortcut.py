"""[shortcut]: the previous layer plus one or more earlier ones, plain or weighted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import Malformed, integers, opt, word
from csptrain.cfg.text import Reading
from csptrain.layers.base import Cost, Layer, Shape, Stored
from csptrain.layers.onnx_activation import activate
from csptrain.layers.onnx_target import OnnxTarget, Value, as_array
from csptrain.layers.target import Blob, NoEquivalent, Target
from csptrain.ops.activation import ACTIVATIONS, activation


def _weights_type(value: str) -> str:
    """per_feature and per_layer are two words for one weight a source."""
    if value in ("per_feature", "per_layer"):
        return "per_feature"
    if value in ("per_channel", "none"):
        return value
    raise Malformed("none, per_feature, per_layer or per_channel", "none")


def _normalization(value: str) -> str:
    """avg_relu is Darknet's older word for relu."""
    if value in ("relu", "avg_relu"):
        return "relu"
    if value in ("softmax", "none"):
        return value
    raise Malformed("none, relu or softmax", "none")


class ShortcutModule(nn.Module):
    """Sum in the shape of the first input; a source adds its first channels, sampled where the maps differ."""

    def __init__(self, layer: Shortcut, inputs: Sequence[Shape]) -> None:
        super().__init__()
        self.activation = activation(layer.activation)
        self.normalization = layer.weights_normalization
        self.plain = all(shape == inputs[0] for shape in inputs)
        self.steps = tuple(layer.sampling(inputs[0], shape) for shape in inputs[1:])
        count = layer.weight_count(inputs)
        self.weight = nn.Parameter(torch.ones(count)) if count else None

    def mixing(self) -> Tensor:
        """Normalized weights [sources + 1, channels or 1, 1, 1]; their gradient skips the normalization.

        Source: Darknet behaviour of the GPU path (golden f11 ``ref``): max(w, 0.001) / (sum + 1e-4) or softmax with
        the same epsilon; the gradient of w is sum(delta * input) times w' (relu) or w'(1-w') (softmax).
        """
        assert self.weight is not None
        raw = self.weight.view(len(self.steps) + 1, -1)
        with torch.no_grad():
            softmax = self.normalization == "softmax"
            power = (raw - raw.amax(0)).exp() if softmax else raw.clamp(min=0.001)
            share = power / (power.sum(0) + 1e-4)
            slope = share * (1 - share) if softmax else share
        return (share + (raw - raw.detach()) * slope)[:, :, None, None]

    def forward(self, *inputs: Tensor) -> Tensor:
        """[N, C, H, W] and sources [N, C_i, H_i, W_i] -> [N, C, H, W]."""
        if self.weight is None:
            terms: Sequence[Tensor] = inputs
        else:
            mixing = self.mixing()
            terms = [inputs[0] * mixing[0]] + [
                x * (share[: x.shape[1]] if share.shape[0] > 1 else share)
                for x, share in zip(inputs[1:], mixing[1:], strict=True)
            ]
        total = terms[0] + terms[1] if self.plain else self._add_part(terms[0].clone(), terms[1], self.steps[0])
        for term, steps in zip(terms[2:], self.steps[1:], strict=True):
            total = self._add_part(total, term, steps)
        return self.activation(total)

    @staticmethod
    def _add_part(total: Tensor, source: Tensor, steps: tuple[int, int]) -> Tensor:
        stride, sample = steps
        channels = min(total.shape[1], source.shape[1])
        total[:, :channels, ::sample, ::sample] += source[:, :channels, ::stride, ::stride]
        return total


@dataclass(frozen=True, kw_only=True)
class Shortcut(Layer):
    """Options of [shortcut]."""

    kind = "shortcut"

    from_: tuple[int, ...] = opt((), integers, key="from")
    activation: str = opt("linear", word("relu", *ACTIVATIONS))
    weights_type: str = opt("none", _weights_type)
    weights_normalization: str = opt("none", _normalization)

    def check(self, reading: Reading) -> None:
        if self.weights_type != "none" and self.weights_normalization == "none":
            raise self.error(
                f"weights_type={self.weights_type} needs weights_normalization",
                "weights_type",
                "legal: relu, softmax",
            )

    def sources(self) -> tuple[int, ...]:
        if self.index == 0:
            raise self.error("there is no layer before it")
        return (self.index - 1, *self.resolve(self.from_, "from"))

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        for shape, source in zip(inputs[1:], self.sources()[1:], strict=True):
            stride, sample = self.sampling(inputs[0], shape)
            if (stride, sample) == (0, 0):
                raise self.error(
                    f"layer {source} is {shape}, the layer before this one is {inputs[0]}: no whole ratio of map sizes",
                    "from",
                )
            if stride * sample > 1 and self.weights_type != "none":
                raise self.error("weights_type= needs maps of equal size", "weights_type")
        if self.weights_type == "per_channel" and any(shape.c > inputs[0].c for shape in inputs[1:]):
            raise self.error("weights_type=per_channel with a source of more channels", "from")
        return inputs[0]

    @staticmethod
    def sampling(output: Shape, source: Shape) -> tuple[int, int]:
        """(stride in the source, step in the output) that make the maps meet; (0, 0) when none does.

        Source: the Darknet of the paper, where ResNet's maps of unequal size were joined by sampling.
        """
        if (output.h, output.w) == (source.h, source.w):
            return 1, 1
        stride, sample = max(source.w // output.w, 1), max(output.w // source.w, 1)
        taken = (-(-source.h // stride), -(-source.w // stride))
        filled = (-(-output.h // sample), -(-output.w // sample))
        return (stride, sample) if taken == filled else (0, 0)

    def weight_count(self, inputs: Sequence[Shape]) -> int:
        """Number of mixing weights."""
        each = {"none": 0, "per_feature": 1, "per_channel": inputs[0].c}[self.weights_type]
        return each * len(inputs)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return ShortcutModule(self, inputs)

    def stored(self, module: nn.Module) -> list[Stored]:
        assert isinstance(module, ShortcutModule)
        return [] if module.weight is None else [Stored("weights", module.weight, mixes=True)]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> Cost:
        return Cost(darknet=(len(inputs) - 1) * output.outputs)

    def summary(self, inputs: Sequence[Shape], output: Shape) -> str:
        return "from " + " ".join(str(source) for source in self.sources()[1:])

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        assert isinstance(module, ShortcutModule)
        terms = [inputs[0]]
        for source, (stride, sample) in zip(inputs[1:], module.steps, strict=True):
            if sample > 1:
                raise NoEquivalent(f"a source of {source.shape} is spread over {inputs[0].shape}", "from")
            terms.append(source if stride == 1 else target.maxpool(source, 1, stride, 0))
        if module.weight is not None:
            shares = [share.flatten() for share in module.mixing()]
            terms = [
                target.scale(term, (share if len(share) > 1 else share.expand(term.shape.c))[: term.shape.c])
                for term, share in zip(terms, shares, strict=True)
            ]
        total = terms[0]
        for number, term in enumerate(terms[1:], 2):
            total = target.add(total, term, self.activation if number == len(terms) else "linear")
        return total

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        assert isinstance(module, ShortcutModule)
        terms = list(inputs)
        if module.weight is not None:
            shares = [share.flatten() for share in module.mixing()]
            terms = [target.scale(term, share[: term.shape.c]) for term, share in zip(terms, shares, strict=True)]
        total = terms[0]
        for term, (stride, sample) in zip(terms[1:], module.steps, strict=True):
            total = self._add_to_onnx(target, total, term, stride, sample)
        return activate(target, total, self.activation)

    @staticmethod
    def _add_to_onnx(target: OnnxTarget, total: Value, term: Value, stride: int, sample: int) -> Value:
        c, h, w = total.dims
        width = min(c, term.shape.c)
        term = target.cut(term, 1, 0, width)
        for axis in (2, 3):
            term = target.cut(term, axis, 0, term.dims[axis - 1], stride)
        if sample > 1:
            # Spread over the map, and then only the pixels that the source has.
            spread = target.upsample(term, sample)
            term = target.cut(target.cut(spread, 2, 0, h), 3, 0, w)
            places = torch.zeros(1, 1, h, w)
            places[:, :, ::sample, ::sample] = 1
            term = target.multiply(term, as_array(places))
        if width == c:
            return target.add(total, term)
        return target.concatenate([target.add(target.cut(total, 1, 0, width), term), target.cut(total, 1, width, c)])
