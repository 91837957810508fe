"""[detection]: the head of YOLOv1, which gives the boxes of a grid from a vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from csptrain.cfg.fields import integer, opt
from csptrain.cfg.text import Reading
from csptrain.layers import onnx_boxes
from csptrain.layers.anchors import BoxHead
from csptrain.layers.base import Shape
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, NoEquivalent, Target
from csptrain.ops.decode import Detections, decode_grid

_LOSS = "it belongs to the loss of [detection], which is not computed here"


class DetectionModule(nn.Module):
    """The vector as it is, or with a softmax over the classes of each cell."""

    def __init__(self, cells: int, classes: int, softmax: bool) -> None:
        super().__init__()
        self.cells = cells
        self.classes = classes
        self.softmax = softmax

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C * H * W, 1, 1], float32."""
        rows = x.float().flatten(1)
        if self.softmax:
            logits, rest = rows.split((self.cells * self.classes, rows.shape[1] - self.cells * self.classes), 1)
            rows = torch.cat((logits.unflatten(1, (self.cells, -1)).softmax(2).flatten(1), rest), 1)
        return rows[:, :, None, None]


@dataclass(frozen=True, kw_only=True)
class Detection(BoxHead):
    """Options of [detection]: side x side cells, each with one class distribution and `num` boxes.

    The vector holds first the classes of all cells, then the objectness of all boxes, then their coordinates.
    """

    kind = "detection"
    inert = {
        **dict.fromkeys("object_scale noobject_scale class_scale coord_scale rescore forced".split(), _LOSS),
        "reorg": "Darknet reads it and never uses it",
    }

    classes: int = opt(1, integer)
    coords: int = opt(1, integer)
    side: int = opt(7, integer)
    softmax: int = opt(0, integer)
    sqrt: int = opt(0, integer)

    def check(self, reading: Reading) -> None:
        super().check(reading)
        self.positive(reading, side=self.side)
        if self.coords != 4:
            raise self.error(f"coords={self.coords}", "coords", "legal: 4")

    def refuse_training(self) -> None:
        super().refuse_training()
        raise self.error("has no loss here, so the network can be run but not trained", hint="train a [yolo] head")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        needed = self.side**2 * (self.num * (1 + self.coords) + self.classes)
        if inputs[0].outputs != needed:
            raise self.error(
                f"the layer before gives {inputs[0].outputs} values, a grid of {self.side}x{self.side} cells with "
                f"{self.num} boxes and {self.classes} classes needs {needed}",
                "side",
                f"set output={needed} in the [connected] before",
            )
        return Shape(needed, 1, 1)

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return DetectionModule(self.side**2, self.classes, bool(self.softmax))

    @property
    def has_loss(self) -> bool:
        return False

    def decode(self, output: Tensor, net_width: int, net_height: int, thresh: float) -> list[Detections]:
        return decode_grid(output.flatten(1), self.side, self.num, self.classes, bool(self.sqrt), thresh)

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        """The vector as it is: what reads it has to make boxes of it."""
        if self.softmax:
            raise NoEquivalent("OpenCV has no softmax over a part of a vector", "softmax")
        return target.flattened(inputs[0])

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        shape = self.shape([inputs[0].shape])
        rows, cells = target.reshape(inputs[0], shape.c), self.side**2
        if self.softmax:
            logits = target.reshape(target.cut(rows, 1, 0, cells * self.classes), cells, self.classes)
            kinds = target.reshape(target.softmax(logits, 2), cells * self.classes)
            rows = target.concatenate([kinds, target.cut(rows, 1, cells * self.classes, shape.c)])
        return target.reshape(rows, shape.c, 1, 1)

    def onnx_boxes(self, target: OnnxTarget, output: Value, net_width: int, net_height: int) -> tuple[Value, Value]:
        cells, number, classes = self.side**2, self.num, self.classes
        row = target.reshape(output, output.shape.c)
        ends = (0, cells * classes, cells * (classes + number), output.shape.c)
        kinds, objectness, places = (target.cut(row, 1, *pair) for pair in pairwise(ends))
        places = target.reshape(places, cells * number, 4)
        xy = onnx_boxes.centres(target, target.cut(places, 2, 0, 2), self.side, self.side, number)
        wh = target.cut(places, 2, 2, 4)
        if self.sqrt:
            wh = target.multiply(wh, wh)
        each, own = target.reshape(kinds, cells, 1, classes), target.reshape(objectness, cells, number, 1)
        scores = target.emit("Mul", [own, each], (cells, number, classes))
        return target.concatenate([xy, wh], 2), target.reshape(scores, cells * number, classes)
