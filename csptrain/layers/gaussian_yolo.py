"""[Gaussian_yolo]: the [yolo] head that also predicts how sure it is of each side of a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from csptrain.cfg.fields import number, opt, word
from csptrain.layers.base import LossContext, Shape
from csptrain.layers.masked import MaskedHead
from csptrain.layers.target import Blob, NoEquivalent, Target
from csptrain.losses.base import HeadLoss
from csptrain.losses.gaussian import (
    POINTS,
    GaussianSpec,
    gaussian_activate,
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
