"""[region]: the anchor-based head of YOLOv2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from csptrain.cfg.fields import integer, number, opt
from csptrain.cfg.text import Reading
from csptrain.layers import onnx_boxes
from csptrain.layers.anchors import AnchorHead
from csptrain.layers.base import LossContext, Shape
from csptrain.layers.hierarchy import HierarchyHead, HierarchyModule
from csptrain.layers.onnx_target import OnnxTarget, Value
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

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        if self.tree:
            raise NoEquivalent("the softmax among the siblings of a tree is not written to ONNX", "tree")
        _, h, w = inputs[0].dims
        rows = onnx_boxes.cells_first(target, inputs[0], self.num)
        end = self.box_entries + self.classes
        box, objectness, classes = (target.cut(rows, 3, *ends) for ends in ((0, 4), (4, 5), (5, end)))
        classes = target.softmax(classes, 3) if self.softmax else classes
        return target.reshape(
            target.concatenate([box, target.apply("Sigmoid", objectness), classes], 3), h, w, inputs[0].dims[0]
        )

    def onnx_boxes(self, target: OnnxTarget, output: Value, net_width: int, net_height: int) -> tuple[Value, Value]:
        h, w, _ = output.dims
        end = self.box_entries + self.classes
        rows = target.reshape(output, h * w * self.num, end)
        xy, wh, objectness, classes = (target.cut(rows, 2, *ends) for ends in ((0, 2), (2, 4), (4, 5), (5, end)))
        xy = onnx_boxes.centres(target, target.apply("Sigmoid", xy), w, h, self.num)
        wh = onnx_boxes.sizes(target, wh, self.anchor_pairs, (w, h), h * w)
        if self.classfix == -1:
            # 1 where the objectness is below one half, where nothing is to be found.
            low = target.apply("Sign", target.apply("Relu", target.add(target.multiply(objectness, -1.0), 0.5)))
            objectness = target.subtract(objectness, target.multiply(objectness, low))
        return target.concatenate([xy, wh], 2), target.multiply(classes, objectness)


def _only_deepest(output: Tensor, tree: Tree, spec: RegionSpec) -> Tensor:
    rows: Tensor = output.unflatten(-1, (len(spec.anchors), -1)).clone()
    classes = rows[..., spec.coords + 1 :]
    found = deepest(classes, tree, TREE_THRESH)
    classes.zero_().scatter_(-1, found[..., None], 1.0)
    return rows.flatten(-2)
