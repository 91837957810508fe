"""How the anchors of a cfg fit the boxes of train, head by head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csptrain.doctor.book import Book
from csptrain.doctor.splits import Split
from csptrain.evaluate.anchor_fit import FITS, head_anchors, measure
from csptrain.graph import Graph

LEAST_RECALL = 0.9


@dataclass(frozen=True)
class HeadFit:
    """A head: its boxes are those it trains, ``recall`` the share of them that an anchor overlaps by one half."""

    layer: int
    stride: float
    anchors: tuple[tuple[float, float], ...]
    boxes: int
    recall: float


@dataclass(frozen=True)
class AnchorFit:
    """All heads together; ``recall`` is the most that AP50 can find where boxes stay as large as anchors."""

    recall: float
    mean_iou: float
    without_head: int
    overwritten: int
    heads: tuple[HeadFit, ...]


def check_anchors(graph: Graph, train: Split, book: Book) -> AnchorFit:
    """Measure, and note what does not fit; ``train`` has boxes. Raises CfgError for a network without anchors."""
    plane, heads = head_anchors(graph)
    fit = measure(train.samples, plane, heads)
    rows = tuple(
        HeadFit(
            head.layer,
            head.stride,
            tuple((float(width), float(height)) for width, height in head.anchors[list(head.mask)]),
            int(own.sum()),
            float((fit.best[own] > FITS).mean()) if own.any() else 0.0,
        )
        for head, own in zip(heads, fit.trained, strict=True)
    )
    if fit.recall < LEAST_RECALL:
        found = f"an anchor overlaps {100 * fit.recall:.1f} % of the boxes by more than {FITS:g}"
        book.add("anchors-recall", found, graph.path)
    for box in np.flatnonzero(~fit.trained.any(0)).tolist():
        width, height = train.samples.rows[box, 2:4] * plane
        book.add("anchors-no-head", f"{width:.0f} x {height:.0f}, no head trains it", *train.place(box))
    for row in rows:
        if not row.boxes:
            line = graph.nodes[row.layer].layer.error("").line
            book.add("anchors-idle-head", f"the head of stride {row.stride:g}", graph.path, line)
    return AnchorFit(fit.recall, fit.mean_iou, fit.without_head, fit.overwritten, rows)
