"""How well the anchors of a network fit the boxes of a data set, and which head trains which box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csptrain.datasets.anchors import FloatArray, best_anchor, box_sizes
from csptrain.datasets.lists import Samples
from csptrain.errors import CfgError
from csptrain.graph import Graph, Node
from csptrain.layers.anchors import AnchorHead
from csptrain.layers.masked import MaskedHead

FITS = 0.5  # the overlap that AP50 asks for
Plane = tuple[int, int]


@dataclass(frozen=True)
class HeadAnchors:
    """A head as far as anchors go.

    ``stride`` is the side of its cell in the unit of the anchors, ``cells`` its map (width, height), ``anchors`` the
    whole list [A, 2] it chooses the best from, ``mask`` those that it predicts from.
    """

    layer: int
    stride: float
    cells: tuple[int, int]
    anchors: FloatArray
    mask: tuple[int, ...]

    def as_dict(self) -> dict[str, object]:
        """The head for JSON, with the anchors of its mask."""
        return {
            "layer": self.layer,
            "stride": self.stride,
            "mask": list(self.mask),
            "anchors": self.anchors[list(self.mask)].tolist(),
        }


def head_anchors(graph: Graph) -> tuple[Plane, tuple[HeadAnchors, ...]]:
    """The size (width, height) that the anchors of a network are measured on, and its heads, the finest map first.

    [yolo] anchors are in pixels of the input, [region] anchors in cells. Raises CfgError for a network without
    anchors, or with both kinds.
    """
    nodes = [node for node in graph.nodes if isinstance(node.layer, AnchorHead)]
    if not nodes:
        raise CfgError("has no head with anchors", path=graph.path, hint="legal: [yolo], [Gaussian_yolo], [region]")
    regions = [node for node in nodes if not isinstance(node.layer, MaskedHead)]
    if not regions:
        plane = (graph.net.width, graph.net.height)
    elif len(nodes) == 1:
        plane = (nodes[0].output.w, nodes[0].output.h)
    else:
        raise regions[0].layer.error("anchors in cells beside another head's: they cannot be computed together")
    heads = [_head(node, plane) for node in nodes]
    return plane, tuple(sorted(heads, key=lambda head: head.stride))


def _head(node: Node, plane: Plane) -> HeadAnchors:
    layer = node.layer
    assert isinstance(layer, AnchorHead)
    mask = layer.mask_used if isinstance(layer, MaskedHead) else tuple(range(layer.anchor_count))
    cells = (node.output.w, node.output.h)
    return HeadAnchors(layer.index, plane[0] / cells[0], cells, np.array(layer.anchor_pairs, np.float64), mask)


@dataclass(frozen=True)
class Fit:
    """What anchors can do for a data set of N boxes.

    Attributes:
        best: float64 [N], the largest IoU of a box with an anchor that some head predicts from, sharing a corner.
        trained: bool [heads, N], which head trains the box: the one whose mask holds the anchor that fits it best.
        overwritten: boxes that share image, head, anchor and cell with another, so that one of them is not learnt.
        classes: [N], the class of each box.
    """

    best: FloatArray
    trained: npt.NDArray[np.bool_]
    overwritten: int
    classes: npt.NDArray[np.intp]

    @property
    def recall(self) -> float:
        """The share of boxes that an anchor overlaps by more than one half: the most that AP50 can find unmoved."""
        return float((self.best > FITS).mean())

    @property
    def mean_iou(self) -> float:
        """Mean over the boxes."""
        return float(self.best.mean())

    @property
    def boxes_per_head(self) -> list[int]:
        """How many boxes each head trains."""
        return [int(count) for count in self.trained.sum(1)]

    @property
    def without_head(self) -> int:
        """Boxes whose best anchor is in no mask, so that no head trains them."""
        return int((~self.trained.any(0)).sum())

    def of_class(self, label: int) -> tuple[float, float]:
        """Mean IoU and recall of one class that has boxes."""
        best = self.best[self.classes == label]
        return float(best.mean()), float((best > FITS).mean())

    @property
    def class_mean(self) -> float:
        """The mean over the classes that have boxes of their mean IoU: what mAP weighs alike."""
        return float(np.mean([self.of_class(label)[0] for label in np.unique(self.classes)]))

    def as_dict(self) -> dict[str, object]:
        """The figures for JSON."""
        return {
            "recall": self.recall,
            "mean_iou": self.mean_iou,
            "class_mean_iou": self.class_mean,
            "overwritten": self.overwritten,
            "without_head": self.without_head,
            "boxes_per_head": self.boxes_per_head,
        }


def measure(samples: Samples, plane: Plane, heads: Sequence[HeadAnchors]) -> Fit:
    """Match every box of ``samples`` with the anchors of ``heads`` as [yolo] does before training (`iou_thresh=1`)."""
    sizes = box_sizes(samples, *plane)
    image = np.repeat(np.arange(len(samples)), np.diff(samples.starts))
    best = np.zeros(len(sizes))
    trained = np.zeros((len(heads), len(sizes)), bool)
    overwritten = 0
    for row, head in enumerate(heads):
        favourite, _ = best_anchor(sizes, head.anchors)
        best = np.maximum(best, best_anchor(sizes, head.anchors[list(head.mask)])[1])
        mine = trained[row] = np.isin(favourite, head.mask)
        # A centre on the far border counts to the last cell.
        cell = np.minimum((samples.rows[:, :2] * head.cells).astype(np.intp), np.array(head.cells) - 1)
        places = np.column_stack((image, favourite, cell))[mine]
        overwritten += len(places) - len(np.unique(places, axis=0))
    return Fit(best, trained, overwritten, samples.rows[:, 4].astype(np.intp))
