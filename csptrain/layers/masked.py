"""What [yolo] and [Gaussian_yolo] share: a mask of anchors, thresholds, normalizers and the kind of suppression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any, cast

from torch import nn

from csptrain.cfg.fields import integer, integers, number, opt, word
from csptrain.cfg.text import Reading
from csptrain.layers.anchors import AnchorHead
from csptrain.layers.base import Layer
from csptrain.layers.convolutional import ConvolutionModule
from csptrain.losses.yolo_head import FLOAT_MAX
from csptrain.ops.nms import NmsKind

START_OBJECTNESS = 0.01
_IOU = ("iou", "giou", "diou", "ciou")


@dataclass(frozen=True, kw_only=True)
class MaskedHead(AnchorHead):
    """Options of a head that predicts from those anchors of the network that its mask names."""

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
    max_delta: float = opt(FLOAT_MAX, number)
    scale_x_y: float = opt(1.0, number)
    objectness_smooth: int = opt(0, integer)
    label_smooth_eps: float = opt(0.0, number)
    counters_per_class: tuple[int, ...] | None = opt(None, integers)
    nms_kind: str = opt("default", word("default", "default", "greedynms", "diounms", "cornersnms"))
    beta_nms: float = opt(0.6, number)

    def prime(self, before: nn.Module) -> None:
        """Let a fresh network start with an objectness of ``START_OBJECTNESS`` everywhere.

        *Differs:* Darknet starts at 0.5, so that the first iterations are spent on the empty boxes, with a loss that
        a learning rate of .003 can turn into NaN. Source: the prior of the RetinaNet paper.
        """
        if not isinstance(before, ConvolutionModule) or before.bias is None or before.borrows:
            return
        entries = before.bias.detach().view(self.boxes_per_cell, -1)
        entries[:, self.box_entries - 1] = -log(1 / START_OBJECTNESS - 1)

    def check(self, reading: Reading) -> None:
        super().check(reading)
        self._check_mask(reading)
        counters = self.counters_per_class
        if counters is not None and (len(counters) != self.classes or min(counters) < 0):
            raise self.error(f"{len(counters)} counters for classes={self.classes}", "counters_per_class")

    def _check_mask(self, reading: Reading) -> None:
        lowest, highest = min(self.mask_used), max(self.mask_used)
        if lowest >= 0 and highest < self.num:
            return
        error = self.error(
            f"mask={lowest if lowest < 0 else highest} with num={self.num}", "mask", f"legal: 0..{self.num - 1}"
        )
        if lowest < 0 or 2 * (highest + 1) > len(self.anchors or ()):
            raise error
        # Darknet reads what lies behind its num anchors in memory; what the cfg lists there is what was meant.
        reading.mistake(error)

    @property
    def anchor_count(self) -> int:
        return max(self.num, max(self.mask_used) + 1)

    @property
    def mask_used(self) -> tuple[int, ...]:
        """The anchors of this layer; all of them when mask= is missing."""
        return tuple(range(self.num)) if self.mask is None else self.mask

    @property
    def boxes_per_cell(self) -> int:
        return len(self.mask_used)

    @property
    def options_of_loss(self) -> dict[str, Any]:
        """The arguments that the specifications of both losses take."""
        return {
            "classes": self.classes,
            "anchors": self.anchor_pairs,
            "mask": self.mask_used,
            "ignore_thresh": self.ignore_thresh,
            "truth_thresh": self.truth_thresh,
            "iou_thresh": self.iou_thresh,
            "iou_loss": self.iou_loss,
            "iou_thresh_kind": self.iou_thresh_kind,
            "iou_normalizer": self.iou_normalizer,
            "obj_normalizer": self.obj_normalizer,
            "cls_normalizer": self.cls_normalizer,
            "delta_normalizer": self.delta_normalizer,
            "max_delta": self.max_delta,
            "scale_x_y": self.scale_x_y,
            "objectness_smooth": bool(self.objectness_smooth),
            "label_smooth_eps": self.label_smooth_eps,
            "counters_per_class": self.counters_per_class,
            "max": self.max,
        }


def suppression(layers: Sequence[Layer]) -> tuple[NmsKind, float]:
    """`nms_kind` and `beta_nms` of the last [yolo] or [Gaussian_yolo] layer, as Darknet takes them."""
    for layer in reversed(layers):
        if isinstance(layer, MaskedHead):
            return cast(NmsKind, layer.nms_kind), layer.beta_nms
    return "default", 0.6
