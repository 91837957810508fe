"""Darknet's layer table of a planned network, its totals and parameter counts; no tensor is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from csptrain.graph import Graph, Node
from csptrain.layers.base import Shape
from csptrain.layers.convolutional import Convolutional
from csptrain.layers.dense import Connected, Dropout
from csptrain.layers.detection import Detection
from csptrain.layers.softmax import CostLayer
from csptrain.network import Network

BILLION = 1e9


@dataclass(frozen=True)
class Row:
    """One layer of the table; ``bflops`` is None where Darknet prints none, ``stored`` counts its floats."""

    index: int
    kind: str
    middle: str
    inputs: tuple[Shape, ...]
    output: Shape
    bflops: float | None
    stored: int


@dataclass(frozen=True)
class Summary:
    """The table and its totals.

    ``total_bflops`` and ``operations`` are Darknet's own; ``paper_bflops`` counts as the CSPNet paper does
    (convolutions and pooling); ``weights`` are the convolution and connected weights alone (the paper's #Parameter),
    ``all`` every float of the weights file.
    """

    rows: tuple[Row, ...]
    total_bflops: float
    operations: int
    paper_bflops: float
    avg_outputs: int
    weights: int
    all: int

    def as_dict(self) -> dict[str, Any]:
        """The numbers for JSON; `output` is [width, height, channels]."""
        return {
            "layers": [
                {
                    "index": row.index,
                    "kind": row.kind,
                    "output": [row.output.w, row.output.h, row.output.c],
                    "bflops": row.bflops,
                    "parameters": row.stored,
                }
                for row in self.rows
            ],
            "total_bflops": self.total_bflops,
            "operations": self.operations,
            "parameters": {"weights": self.weights, "all": self.all},
            "paper_bflops": self.paper_bflops,
            "avg_outputs": self.avg_outputs,
        }

    def lines(self) -> list[str]:
        """The table as Darknet prints it, and below it what Darknet does not print."""
        lines = [f"{'layer':>5s} {'kind':14s} {'filters  size/strd(dil)':22s} {'input':^18s}    {'output':^18s}"]
        lines += [_line(row) for row in self.rows]
        lines += [
            f"Total BFLOPS {self.total_bflops:5.3f}",
            f"avg_outputs = {self.avg_outputs}",
            f"parameters {self.all / 1e6:.3f} M in the weights file, {self.weights / 1e6:.3f} M weights "
            f"(the paper's count), paper's BFLOPs {self.paper_bflops:.3f}",
        ]
        return lines


def summarize(graph: Graph) -> Summary:
    """The table of a graph; raises CfgError when its parameters could not be held."""
    stored = _stored(graph)
    rows = tuple(_row(node, count) for node, count in zip(graph.nodes, stored, strict=True))
    costs = [node.cost for node in graph.nodes]
    return Summary(
        rows=rows,
        total_bflops=_total(graph),
        operations=sum(cost.operations for cost in costs),
        paper_bflops=sum(cost.paper for cost in costs) / BILLION,
        avg_outputs=_avg_outputs(graph),
        weights=sum(weight_count(node) for node in graph.nodes),
        all=sum(stored),
    )


def _stored(graph: Graph) -> list[int]:
    network = Network(graph, shapes_only=True)
    return [sum(item.tensor.numel() for item in layer) for layer in network.stored()]


def weight_count(node: Node) -> int:
    """Convolution or connected weights of a layer, its own ones: none where it shares a donor's."""
    layer = node.layer
    if layer.donor is not None:
        return 0
    if isinstance(layer, Convolutional):
        return layer.filters * (node.inputs[0].c // layer.groups) * layer.size * layer.size
    if isinstance(layer, Connected):
        return layer.output * node.inputs[0].outputs
    return 0


def _avg_outputs(graph: Graph) -> int:
    # Darknet averages over the layers that know a map of more than one row and column as their input.
    flat = (Connected, Dropout, CostLayer)
    counted = [node.output.outputs for node in graph.nodes if not isinstance(node.layer, flat) and _map_side(node) > 1]
    return sum(counted) // len(counted) if counted else 0


def _map_side(node: Node) -> int:
    return node.layer.side if isinstance(node.layer, Detection) else min(node.inputs[0].h, node.inputs[0].w)


def _total(graph: Graph) -> float:
    # Darknet adds up in float32, which shows in the last printed digit.
    total = np.float32(0)
    for node in graph.nodes:
        total += np.float32((node.cost.darknet or 0) / BILLION)
    return float(total)


def _row(node: Node, stored: int) -> Row:
    layer, cost = node.layer, node.cost
    return Row(
        index=layer.index,
        kind=layer.kind,
        middle=layer.summary(node.inputs, node.output),
        inputs=node.inputs,
        output=node.output,
        bflops=None if cost.darknet is None else cost.darknet / BILLION,
        stored=stored,
    )


def _line(row: Row) -> str:
    image = row.inputs[0]
    shapes = f"{image.w:4d} x{image.h:4d} x{image.c:5d} -> {row.output.w:4d} x{row.output.h:4d} x{row.output.c:5d}"
    cost = "" if row.bflops is None else f" {row.bflops:5.3f} BF"
    return f"{row.index:5d} {row.kind:14s} {row.middle:22s} {shapes}{cost}"
