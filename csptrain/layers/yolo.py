"""[yolo]: the anchor-based head of YOLOv3, v4 and their kin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from csptrain.cfg.fields import integer, opt
from csptrain.layers.base import LossContext, Shape
from csptrain.layers.masked import MaskedHead
from csptrain.layers.target import Blob, Target
from csptrain.losses.base import HeadLoss
from csptrain.losses.yolo import YoloSpec, yolo_activate, yolo_loss
from csptrain.ops.decode import Detections, decode_yolo

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
