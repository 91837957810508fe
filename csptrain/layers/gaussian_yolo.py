"""[Gaussian_yolo]: the [yolo] head that also predicts how sure it is of each side of a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from csptrain.cfg.fields import number, opt, word
from csptrain.layers import onnx_boxes
from csptrain.layers.base import LossContext, Shape
from csptrain.layers.masked import MaskedHead
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, NoEquivalent, Target
from csptrain.losses.base import HeadLoss
from csptrain.losses.gaussian import (
    POINTS,
    GaussianSpec,
    gaussian_activate,
    gaussian_attack,
    gaussian_loss,
    without_deviations,
)
from csptrain.ops.decode import BOX_ENTRIES, Detections, decode_yolo


class GaussianModule(nn.Module):
    """Darknet's activation of the raw map."""

    def __init__(self, spec: GaussianSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, x: Tensor) -> Tensor:
        """[N, anchors * (9 + classes), H, W] -> the same shape, float32."""
        return gaussian_activate(x.float(), self.spec)


@dataclass(frozen=True, kw_only=True)
class GaussianYolo(MaskedHead):
    """Options of [Gaussian_yolo]; the data options (jitter, random, ...) of the last head hold for the network."""

    kind = "Gaussian_yolo"
    box_entries = 9  # mean and deviation of x, y, w, h; objectness
    untrained = frozenset({"map"})

    uc_normalizer: float = opt(1.0, number)
    yolo_point: str = opt("center", word("center", *POINTS))

    @property
    def spec(self) -> GaussianSpec:
        """The values that the loss and the decoder need."""
        return GaussianSpec(**self.options_of_loss, uc_normalizer=self.uc_normalizer, yolo_point=self.yolo_point)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return GaussianModule(self.spec)

    def loss(self, inputs: Sequence[Tensor], output: Tensor, truth: Tensor, context: LossContext) -> HeadLoss:
        if context.adversarial:
            return gaussian_attack(output, self.spec, context.net_width, context.net_height)
        return gaussian_loss(output, truth, self.spec, context.net_width, context.net_height)

    def decode(self, output: Tensor, net_width: int, net_height: int, thresh: float) -> list[Detections]:
        """As [yolo], each class probability times one minus the mean deviation."""
        plain, deviations = without_deviations(output, self.boxes_per_cell)
        certainty = 1 - deviations.mean(2, keepdim=True)
        plain.unflatten(1, (self.boxes_per_cell, -1))[:, :, BOX_ENTRIES:] *= certainty
        found = decode_yolo(plain, self.anchor_pairs, self.mask_used, self.classes, net_width, net_height, thresh)
        for one in found:
            one.boxes[:, :2] -= self.spec.shift * one.boxes[:, 2:]
        return found

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> None:
        raise NoEquivalent("OpenCV has no [Gaussian_yolo]")

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        split = onnx_boxes.entries_apart(target, inputs[0], self.boxes_per_cell)
        entries = [target.cut(split, 2, start, start + 1) for start in range(self.box_entries - 1)]
        for place in (0, 1, 2, 3, 5, 7):
            entries[place] = target.apply("Sigmoid", entries[place])
        for place in (0, 2):
            entries[place] = onnx_boxes.stretch(target, entries[place], self.scale_x_y)
        rest = target.cut(split, 2, self.box_entries - 1, self.box_entries + self.classes)
        return target.reshape(target.concatenate([*entries, target.apply("Sigmoid", rest)], 2), *inputs[0].dims)

    def onnx_boxes(self, target: OnnxTarget, output: Value, net_width: int, net_height: int) -> tuple[Value, Value]:
        _, h, w = output.dims
        anchors = [self.anchor_pairs[index] for index in self.mask_used]
        rows = onnx_boxes.cells_first(target, output, self.boxes_per_cell)
        rows = target.reshape(rows, h * w * self.boxes_per_cell, self.box_entries + self.classes)
        x, y, width, height = (target.cut(rows, 2, start, start + 1) for start in (0, 2, 4, 6))
        deviations = target.concatenate([target.cut(rows, 2, start, start + 1) for start in (1, 3, 5, 7)], 2)
        certainty = target.add(target.multiply(target.reduce("ReduceMean", deviations, 2), -1.0), 1.0)
        xy = onnx_boxes.centres(target, target.concatenate([x, y], 2), w, h, self.boxes_per_cell)
        wh = target.concatenate([width, height], 2)
        wh = onnx_boxes.sizes(target, wh, anchors, (net_width, net_height), h * w)
        if self.spec.shift:
            xy = target.subtract(xy, target.multiply(wh, self.spec.shift))
        objectness = target.cut(rows, 2, self.box_entries - 1, self.box_entries)
        classes = target.multiply(target.cut(rows, 2, self.box_entries, self.box_entries + self.classes), certainty)
        return target.concatenate([xy, wh], 2), target.multiply(classes, objectness)
