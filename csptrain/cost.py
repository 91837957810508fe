"""What each layer of a planned network costs: operations, parameters, memory and its traffic, and what it sees."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csptrain.graph import IMAGE, Graph, Node
from csptrain.layers.base import Shape
from csptrain.layers.contrastive import Contrastive
from csptrain.layers.convolutional import Convolutional
from csptrain.layers.dense import Dropout
from csptrain.layers.empty import Empty
from csptrain.layers.pooling import AvgPool, LocalAvgPool
from csptrain.layers.route import Route
from csptrain.summary import summarize

BILLION = 1e9
BYTES = 4  # of a float32


@dataclass(frozen=True)
class LayerCost:
    """One layer, for one image.

    ``bflops``: billions of operations as the CSPNet paper counts them (convolutions and max pooling).
    ``parameters``: floats in the weights file. ``read``, ``written``: values of its inputs and its output.
    ``cio``: both of a convolution, 0 of any other layer (HarDNet's convolutional input/output).
    ``pooled``: both of a pooling layer, 0 of any other.
    ``traffic``: bytes moved: inputs, output and parameters once each; 0 where a layer only renames its input.
    ``held``: bytes of the image and of all outputs that exist while the layer runs, each freed after its last reader.
    ``field``: rows and columns of the image that one value depends on; infinite for all of it.
    """

    index: int
    kind: str
    middle: str
    output: Shape
    bflops: float
    parameters: int
    read: int
    written: int
    cio: int
    pooled: int
    traffic: int
    held: int
    field: tuple[float, float]

    def as_dict(self) -> dict[str, Any]:
        """The numbers for JSON; `output` is [width, height, channels], `field` [columns, rows], null for all."""
        rows, columns = (None if side == float("inf") else side for side in self.field)
        return {
            "index": self.index,
            "kind": self.kind,
            "output": [self.output.w, self.output.h, self.output.c],
            "bflops": self.bflops,
            "parameters": self.parameters,
            "read": self.read,
            "written": self.written,
            "cio": self.cio,
            "traffic_bytes": self.traffic,
            "held_bytes": self.held,
            "field": [columns, rows],
        }


@dataclass(frozen=True)
class NetworkCost:
    """All layers of a network.

    ``weights``: those of convolutional and connected layers alone, the paper's #Parameter.
    ``kept``: bytes of the image and all outputs, as Darknet keeps them.
    """

    path: str
    image: Shape
    layers: tuple[LayerCost, ...]
    weights: int
    kept: int

    @property
    def name(self) -> str:
        """The cfg's name without its ending."""
        return Path(self.path).stem

    @property
    def bflops(self) -> float:
        """Billions of operations of one image."""
        return sum(layer.bflops for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Floats in the weights file."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def cio(self) -> int:
        """HarDNet's CIO: input and output values of all convolutions."""
        return sum(layer.cio for layer in self.layers)

    @property
    def pooled_cio(self) -> int:
        """CIO with pooling layers counted too, which the CSPNet paper's figures have."""
        return sum(layer.cio + layer.pooled for layer in self.layers)

    @property
    def traffic(self) -> int:
        """Bytes moved for one image."""
        return sum(layer.traffic for layer in self.layers)

    @property
    def peak(self) -> LayerCost:
        """The layer at which the most memory is held."""
        return max(self.layers, key=lambda layer: layer.held)

    @property
    def bottleneck(self) -> LayerCost:
        """The layer of the most operations."""
        return max(self.layers, key=lambda layer: layer.bflops)

    def as_dict(self) -> dict[str, Any]:
        """The numbers for JSON."""
        return {
            "cfg": self.path,
            "input": [self.image.w, self.image.h, self.image.c],
            "bflops": self.bflops,
            "parameters": self.parameters,
            "weights": self.weights,
            "cio": self.cio,
            "cio_with_pooling": self.pooled_cio,
            "traffic_bytes": self.traffic,
            "peak_bytes": self.peak.held,
            "kept_bytes": self.kept,
            "bottleneck": {"layer": self.bottleneck.index, "bflops": self.bottleneck.bflops},
            "layers": [layer.as_dict() for layer in self.layers],
        }


def explore(graph: Graph) -> NetworkCost:
    """Cost every layer; raises CfgError when its parameters could not be held."""
    summary = summarize(graph)
    fields = _fields(graph)
    layers = []
    for node, row, held, field in zip(graph.nodes, summary.rows, _held(graph), fields, strict=True):
        read, written = sum(shape.outputs for shape in node.inputs), node.output.outputs
        moved = 0 if renames(node) else read + written + row.stored
        layers.append(
            LayerCost(
                index=row.index,
                kind=row.kind,
                middle=_short(row.middle),
                output=node.output,
                bflops=node.cost.paper / BILLION,
                parameters=row.stored,
                read=read,
                written=written,
                cio=read + written if isinstance(node.layer, Convolutional) else 0,
                pooled=read + written if isinstance(node.layer, (LocalAvgPool, AvgPool)) else 0,
                traffic=BYTES * moved,
                held=BYTES * held,
                field=field,
            )
        )
    kept = BYTES * (graph.net.shape.outputs + sum(node.output.outputs for node in graph.nodes))
    return NetworkCost(graph.path, graph.net.shape, tuple(layers), summary.weights, kept)


def _short(middle: str) -> str:
    """The table's middle columns in few letters: ``128 3x3/1``."""
    for spaced, closed in ((" x", "x"), ("x ", "x"), ("/ ", "/")):
        middle = " ".join(middle.split()).replace(spaced, closed)
    return middle


def renames(node: Node) -> bool:
    """Whether the output is the input itself, or channels of it, so that it takes no memory of its own."""
    layer = node.layer
    if isinstance(layer, Route):
        return len(node.sources) == 1
    return isinstance(layer, (Dropout, Empty, Contrastive))


def _held(graph: Graph) -> list[int]:
    """Values that exist while each layer runs."""
    owners = {IMAGE: IMAGE}  # whose memory an output lies in
    names = Counter([IMAGE])  # the image is the caller's and stays
    live = graph.net.shape.outputs
    held = []
    for index, node in enumerate(graph.nodes):
        owner = owners[node.sources[0]] if renames(node) else index
        owners[index] = owner
        names[owner] += 1
        live += node.output.outputs if owner == index else 0
        held.append(live)
        for done in graph.releases[index]:
            names[owners[done]] -= 1
            if not names[owners[done]]:
                live -= graph.nodes[owners[done]].output.outputs
    return held


def _fields(graph: Graph) -> list[tuple[float, float]]:
    """(rows, columns) of the image that one value of each layer depends on.

    Views are taken to share their middle, and nothing is cut off at the image's border.
    """
    fields = {IMAGE: (1.0, 1.0)}
    steps = {IMAGE: (1.0, 1.0)}  # pixels of the image between two values
    for index, node in enumerate(graph.nodes):
        view = node.layer.view()
        down, right = steps[_source_of_map(node)]
        rows, columns = (max(fields[source][axis] for source in node.sources) for axis in (0, 1))
        fields[index] = (rows + (view.rows - 1) * down, columns + (view.columns - 1) * right)
        steps[index] = (down * view.down, right * view.right)
    return [fields[index] for index in range(len(graph.nodes))]


def _source_of_map(node: Node) -> int:
    """The source whose map the output's is like: of several, the first of the output's size."""
    sizes = zip(node.sources, node.inputs, strict=True)
    same = (source for source, shape in sizes if (shape.h, shape.w) == (node.output.h, node.output.w))
    return next(same, node.sources[0])
