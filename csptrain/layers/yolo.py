"""[yolo]: the anchor-based head of YOLOv3, v4 and their kin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from csptrain.cfg.fields import integer, opt
from csptrain.layers import onnx_boxes
from csptrain.layers.base import LossContext, Shape
from csptrain.layers.masked import MaskedHead
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, Target
from csptrain.losses.base import HeadLoss
from csptrain.losses.yolo import YoloSpec, yolo_activate, yolo_attack, yolo_loss
from csptrain.ops.decode import BOX_ENTRIES, Detections, decode_yolo

_TRACKING = "object tracking on video"


class YoloModule(nn.Module):
    """Darknet's activation of the raw map."""

    def __init__(self, spec: YoloSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, x: Tensor) -> Tensor:
        """[N, anchors * (5 + classes), H, W] -> the same shape, float32."""
        return yolo_activate(x.float(), self.spec)


@dataclass(frozen=True, kw_only=True)
class Yolo(MaskedHead):
    """Options of [yolo]; the data options (jitter, random, ...) of the last head hold for the network."""

    kind = "yolo"
    inert = {
        "show_details": "a switch of Darknet's log",
        "thresh": "OpenCV's importer reads it, Darknet does not",
        **dict.fromkeys(
            "track track_history_size sim_thresh dets_for_track dets_for_show track_ciou_norm embedding_layer".split(),
            _TRACKING,
        ),
    }
    untrained = frozenset({"map"})

    new_coords: int = opt(0, integer)
    focal_loss: int = opt(0, integer)

    @property
    def spec(self) -> YoloSpec:
        """The values that the loss and the decoder need."""
        return YoloSpec(**self.options_of_loss, new_coords=bool(self.new_coords), focal_loss=bool(self.focal_loss))

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return YoloModule(self.spec)

    def loss(self, inputs: Sequence[Tensor], output: Tensor, truth: Tensor, context: LossContext) -> HeadLoss:
        if context.adversarial:
            return yolo_attack(output, self.spec, context.net_width, context.net_height)
        return yolo_loss(output, truth, self.spec, context.net_width, context.net_height)

    def decode(self, output: Tensor, net_width: int, net_height: int, thresh: float) -> list[Detections]:
        return decode_yolo(
            output,
            self.anchor_pairs,
            self.mask_used,
            self.classes,
            net_width,
            net_height,
            thresh,
            bool(self.new_coords),
        )

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> None:
        target.head(
            "yolo",
            inputs[0],
            {
                "mask": self.mask_used,
                "anchors": [side for pair in self.anchor_pairs for side in pair],
                "num": self.anchor_count,
                "classes": self.classes,
                "scale_x_y": self.scale_x_y,
                "new_coords": int(bool(self.new_coords)),
                "nms_kind": self.nms_kind,
                "beta_nms": self.beta_nms,
            },
        )

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        split = onnx_boxes.entries_apart(target, inputs[0], self.boxes_per_cell)
        xy, wh, rest = (
            target.cut(split, 2, start, end) for start, end in ((0, 2), (2, 4), (4, BOX_ENTRIES + self.classes))
        )
        if not self.new_coords:
            xy, rest = target.apply("Sigmoid", xy), target.apply("Sigmoid", rest)
        xy = onnx_boxes.stretch(target, xy, self.scale_x_y)
        return target.reshape(target.concatenate([xy, wh, rest], 2), *inputs[0].dims)

    def onnx_boxes(self, target: OnnxTarget, output: Value, net_width: int, net_height: int) -> tuple[Value, Value]:
        _, h, w = output.dims
        anchors = [self.anchor_pairs[index] for index in self.mask_used]
        rows = onnx_boxes.cells_first(target, output, self.boxes_per_cell)
        rows = target.reshape(rows, h * w * self.boxes_per_cell, BOX_ENTRIES + self.classes)
        xy, wh, objectness = (target.cut(rows, 2, start, end) for start, end in ((0, 2), (2, 4), (4, BOX_ENTRIES)))
        xy = onnx_boxes.centres(target, xy, w, h, self.boxes_per_cell)
        wh = onnx_boxes.sizes(target, wh, anchors, (net_width, net_height), h * w, bool(self.new_coords))
        classes = target.cut(rows, 2, BOX_ENTRIES, BOX_ENTRIES + self.classes)
        return target.concatenate([xy, wh], 2), target.multiply(classes, objectness)
