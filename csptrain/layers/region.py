"""[region]: the anchor-based head of YOLOv2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from csptrain.cfg.fields import integer, number, opt
from csptrain.cfg.text import Reading
from csptrain.layers.anchors import AnchorHead
from csptrain.layers.base import LossContext, Shape
from csptrain.layers.hierarchy import HierarchyHead, HierarchyModule
from csptrain.layers.target import Blob, NoEquivalent, Target
from csptrain.losses.base import HeadLoss
from csptrain.losses.region import RegionSpec, region_activate, region_loss
from csptrain.ops.decode import Detections, decode_region
from csptrain.ops.tree import Tree, deepest

TREE_THRESH = 0.5  # Darknet's -hier


class RegionModule(HierarchyModule):
    """Darknet's activation, laid out anew as (cell, anchor, entry)."""

    def __init__(self, spec: RegionSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, x: Tensor) -> Tensor:
        """[N, num * (coords + 1 + classes), H, W] -> [N, H, W, num * (coords + 1 + classes)], float32."""
        rows = region_activate(x.float(), self.spec, self.tree)
        return rows.view(len(x), x.shape[2], x.shape[3], -1)


@dataclass(frozen=True, kw_only=True)
class Region(AnchorHead, HierarchyHead):
    """Options of [region]; anchors are in cells.

    With `tree` a box is given the deepest class whose probability along its path exceeds one half, with the box's
    objectness (Darknet behaviour, read only).
    """

    kind = "region"
    inert = {
        "log": "Darknet reads it and never uses it",
        "sqrt": "Darknet reads it and never uses it",
        "absolute": "Darknet reads it and never uses it",
    }
    untrained = frozenset({"tree", "map"})

    coords: int = opt(4, integer)
    max: int = opt(30, integer)
    softmax: int = opt(0, integer)
    rescore: int = opt(0, integer)
    thresh: float = opt(0.5, number)
    classfix: int = opt(0, integer)
    coord_scale: float = opt(1.0, number)
    object_scale: float = opt(1.0, number)
    noobject_scale: float = opt(1.0, number)
    class_scale: float = opt(1.0, number)
    bias_match: int = opt(0, integer)
    focal_loss: int = opt(0, integer)

    def check(self, reading: Reading) -> None:
        super().check(reading)
        if self.coords != 4:
            raise self.error(f"coords={self.coords}", "coords", "legal: 4")

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

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return RegionModule(self.spec)

    def complete(self, module: nn.Module, modules: Sequence[nn.Module], inputs: Sequence[Shape]) -> None:
        assert isinstance(module, RegionModule)
        module.tree = self.hierarchy(self.classes)

    def loss(self, inputs: Sequence[Tensor], output: Tensor, truth: Tensor, context: LossContext) -> HeadLoss:
        h, w = inputs[0].shape[2:]
        return region_loss(output.flatten(1), truth, self.spec, w, h, context.seen)

    def decode(self, output: Tensor, net_width: int, net_height: int, thresh: float) -> list[Detections]:
        _, height, width, _ = output.shape
        tree = self.hierarchy(self.classes)
        if tree is not None:
            output = _only_deepest(output, tree, self.spec)
        return decode_region(output.flatten(1), self.anchor_pairs, self.classes, width, height, thresh, self.classfix)

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> None:
        if self.tree:
            raise NoEquivalent("OpenCV has no [region] with a tree of classes", "tree")
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


def _only_deepest(output: Tensor, tree: Tree, spec: RegionSpec) -> Tensor:
    rows: Tensor = output.unflatten(-1, (len(spec.anchors), -1)).clone()
    classes = rows[..., spec.coords + 1 :]
    found = deepest(classes, tree, TREE_THRESH)
    classes.zero_().scatter_(-1, found[..., None], 1.0)
    return rows.flatten(-2)
