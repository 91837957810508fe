"""The two numbers by which the paper's tables know a network: #Parameter and BFLOPs."""

from __future__ import annotations

from dataclasses import dataclass

from csptrain.graph import Graph, Node
from csptrain.layers.convolutional import Convolutional
from csptrain.layers.dense import Connected


@dataclass(frozen=True)
class Figures:
    """Weights of convolutional and connected layers, and operations of one image, as the paper counts them.

    No bias, no batch normalization; twice the multiply-adds of convolutions, comparisons of max pooling.
    """

    weights: int
    operations: float
    width: int
    height: int

    @classmethod
    def of(cls, graph: Graph) -> Figures:
        """Count a planned network."""
        weights = sum(_weights(node) for node in graph.nodes)
        operations = sum(node.cost.paper for node in graph.nodes)
        return cls(weights, operations, graph.net.width, graph.net.height)

    def __str__(self) -> str:
        weights, operations = f"{self.weights / 1e6:.2f}M weights", f"{self.operations / 1e9:.3f} BFLOPs"
        return f"{weights}, {operations} at {self.width}x{self.height}, as the paper counts"


def _weights(node: Node) -> int:
    layer = node.layer
    if isinstance(layer, Convolutional):
        return layer.filters * (node.inputs[0].c // layer.groups) * layer.size**2
    return layer.output * node.inputs[0].outputs if isinstance(layer, Connected) else 0
