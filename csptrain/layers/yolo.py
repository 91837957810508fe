"""[yolo]: the anchor-based head of YOLOv3, v4 and their kin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from csptrain.cfg.fields import integer, integers, number, opt, word
from csptrain.cfg.text import Reading
from csptrain.layers.anchors import AnchorHead
from csptrain.layers.base import LossContext, Shape
from csptrain.layers.target import Blob, Target
from csptrain.losses.base import HeadLoss
from csptrain.losses.yolo import YoloSpec, yolo_activate, yolo_loss
from csptrain.ops.decode import Detections, decode_yolo

_TRACKING = "object tracking on video"
_IOU = ("iou", "giou", "diou", "ciou")


class YoloModule(nn.Module):
    """Darknet's activation of the raw map."""

    def __init__(self, spec: YoloSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, x: Tensor) -> Tensor:
        """[N, anchors * (5 + classes), H, W] -> the same shape, float32."""
        return yolo_activate(x.float(), self.spec)


@dataclass(frozen=True, kw_only=True)
class Yolo(AnchorHead):
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
    refused = {"map": ""}

    mask: tuple[int, ...] | None = opt(None, integers)
    ignore_thresh: float = opt(0.5, number)
    truth_thresh: float = opt(1.0, number)
    iou_thresh: float = opt(1.0, number)
    iou_loss: str = opt("mse", word("iou", "mse", *_IOU))
    iou_thresh_kind: str = opt("iou", word("iou", *_IOU))
    iou_normalizer: float = opt(0.75, number)
    obj_normalizer: float = opt(1.0, number)
    cls_normalizer: float = opt(1.0, number)
    delta_normalizer: float = opt(1.0, number)
    max_delta: float = opt(3.4028234663852886e38, number)
    scale_x_y: float = opt(1.0, number)
    new_coords: int = opt(0, integer)
    objectness_smooth: int = opt(0, integer)
    label_smooth_eps: float = opt(0.0, number)
    focal_loss: int = opt(0, integer)
    counters_per_class: tuple[int, ...] | None = opt(None, integers)
    nms_kind: str = opt("default", word("default", "default", "greedynms", "diounms", "cornersnms"))
    beta_nms: float = opt(0.6, number)

    def check(self, reading: Reading) -> None:
        super().check(reading)
        for index in self.mask_used:
            if not 0 <= index < self.num:
                raise self.error(f"mask={index} with num={self.num}", "mask", f"legal: 0..{self.num - 1}")
        counters = self.counters_per_class
        if counters is not None and (len(counters) != self.classes or min(counters) < 0):
            raise self.error(f"{len(counters)} counters for classes={self.classes}", "counters_per_class")

    @property
    def mask_used(self) -> tuple[int, ...]:
        """The anchors of this layer; all of them when mask= is missing."""
        return tuple(range(self.num)) if self.mask is None else self.mask

    @property
    def boxes_per_cell(self) -> int:
        return len(self.mask_used)

    @property
    def spec(self) -> YoloSpec:
        """The values that the loss and the decoder need."""
        return YoloSpec(
            classes=self.classes,
            anchors=self.anchor_pairs,
            mask=self.mask_used,
            ignore_thresh=self.ignore_thresh,
            truth_thresh=self.truth_thresh,
            iou_thresh=self.iou_thresh,
            iou_loss=self.iou_loss,
            iou_thresh_kind=self.iou_thresh_kind,
            iou_normalizer=self.iou_normalizer,
            obj_normalizer=self.obj_normalizer,
            cls_normalizer=self.cls_normalizer,
            delta_normalizer=self.delta_normalizer,
            max_delta=self.max_delta,
            scale_x_y=self.scale_x_y,
            new_coords=bool(self.new_coords),
            objectness_smooth=bool(self.objectness_smooth),
            label_smooth_eps=self.label_smooth_eps,
            focal_loss=bool(self.focal_loss),
            counters_per_class=self.counters_per_class,
            max=self.max,
        )

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return YoloModule(self.spec)

    def loss(self, inputs: Sequence[Tensor], output: Tensor, truth: Tensor, context: LossContext) -> HeadLoss:
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
                "num": self.num,
                "classes": self.classes,
                "scale_x_y": self.scale_x_y,
                "new_coords": int(bool(self.new_coords)),
                "nms_kind": self.nms_kind,
                "beta_nms": self.beta_nms,
            },
        )
