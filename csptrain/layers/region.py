"""[region]: the anchor-based head of YOLOv2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from csptrain.cfg.fields import integer, number, numbers, opt
from csptrain.cfg.text import Reading
from csptrain.layers.base import Head, LossContext, Shape
from csptrain.layers.target import Blob, NoEquivalent, Target
from csptrain.losses.base import HeadLoss
from csptrain.losses.region import RegionSpec, region_activate, region_loss
from csptrain.ops.decode import Detections, decode_region


class RegionModule(nn.Module):
    """Darknet's activation, laid out anew as (cell, anchor, entry)."""

    def __init__(self, spec: RegionSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, x: Tensor) -> Tensor:
        """[N, num * (coords + 1 + classes), H, W] -> [N, H, W, num * (coords + 1 + classes)], float32."""
        return region_activate(x.float(), self.spec).view(len(x), x.shape[2], x.shape[3], -1)


@dataclass(frozen=True, kw_only=True)
class Region(Head):
    """Options of [region]; anchors are in cells."""

    kind = "region"
    has_boxes = True
    inert = {
        "log": "Darknet reads it and never uses it",
        "sqrt": "Darknet reads it and never uses it",
        "absolute": "Darknet reads it and never uses it",
    }
    refused = {"tree": "", "map": ""}

    coords: int = opt(4, integer)
    classes: int = opt(20, integer)
    num: int = opt(1, integer)
    max: int = opt(30, integer)
    softmax: int = opt(0, integer)
    jitter: float = opt(0.2, number)
    resize: float = opt(1.0, number)
    rescore: int = opt(0, integer)
    thresh: float = opt(0.5, number)
    classfix: int = opt(0, integer)
    random: float = opt(0.0, number)
    coord_scale: float = opt(1.0, number)
    object_scale: float = opt(1.0, number)
    noobject_scale: float = opt(1.0, number)
    class_scale: float = opt(1.0, number)
    bias_match: int = opt(0, integer)
    focal_loss: int = opt(0, integer)
    anchors: tuple[float, ...] | None = opt(None, numbers)

    def check(self, reading: Reading) -> None:
        self.positive(reading, classes=self.classes, num=self.num, max=self.max)
        if self.coords != 4:
            raise self.error(f"coords={self.coords}", "coords", "legal: 4")
        if self.anchors is not None and len(self.anchors) != 2 * self.num:
            reading.mistake(
                self.error(f"num={self.num} but {len(self.anchors)} numbers in anchors=", "anchors")
            )

    @property
    def anchor_pairs(self) -> tuple[tuple[float, float], ...]:
        """The `num` anchors as (width, height) in cells; 0.5 where none is given."""
        given = (self.anchors or ())[: 2 * self.num]
        flat = given + (0.5,) * (2 * self.num - len(given))
        return tuple(zip(flat[0::2], flat[1::2], strict=True))

    @property
    def filters_needed(self) -> int:
        """Channels that the layer before must have."""
        return self.num * (self.classes + self.coords + 1)

    @property
    def spec(self) -> RegionSpec:
        """The values that the loss and the decoder need."""
        return RegionSpec(
            classes=self.classes,
            anchors=self.anchor_pairs,
            softmax=bool(self.softmax),
            rescore=bool(self.rescore),
            thresh=self.thresh,
            coord_scale=self.coord_scale,
            object_scale=self.object_scale,
            noobject_scale=self.noobject_scale,
            class_scale=self.class_scale,
            bias_match=bool(self.bias_match),
            focal_loss=bool(self.focal_loss),
            max=self.max,
        )

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        if inputs[0].c != self.filters_needed:
            raise self.error(
                f"the layer before has {inputs[0].c} channels, {self.num} anchors of {self.classes} classes need "
                f"{self.filters_needed}",
                "classes",
                f"set filters={self.filters_needed} in the [convolutional] before",
            )
        return inputs[0]

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return RegionModule(self.spec)

    def loss(self, inputs: Sequence[Tensor], output: Tensor, truth: Tensor, context: LossContext) -> HeadLoss:
        h, w = inputs[0].shape[2:]
        return region_loss(output.flatten(1), truth, self.spec, w, h, context.seen)

    def decode(self, output: Tensor, net_width: int, net_height: int, thresh: float) -> list[Detections]:
        _, height, width, _ = output.shape
        return decode_region(
            output.flatten(1), self.anchor_pairs, self.classes, width, height, thresh, self.classfix
        )

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> None:
        if not self.softmax:
            raise NoEquivalent("OpenCV has no [region] with softmax=0", "softmax")
        target.head(
            "region",
            inputs[0],
            {
                "anchors": [side for pair in self.anchor_pairs for side in pair],
                "num": self.num,
                "classes": self.classes,
                "coords": self.coords,
                "softmax": 1,
                "classfix": self.classfix,
            },
        )
