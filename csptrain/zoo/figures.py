"""The two numbers by which the paper's tables know a network, #Parameter and BFLOPs, in each way of counting there."""

from __future__ import annotations

from dataclasses import dataclass

from csptrain.graph import Graph, Node
from csptrain.layers.activation import ActivationLayer
from csptrain.layers.batchnorm import StandaloneBatchNorm
from csptrain.layers.convolutional import Convolutional
from csptrain.layers.pooling import LocalAvgPool
from csptrain.layers.softmax import Softmax
from csptrain.summary import summarize, weight_count
from csptrain.zoo.rows.row import Counting

_COUNTED = {"weights": "weights", "file": "floats in the weights file", "learnable": "learnable parameters"}


@dataclass(frozen=True)
class Figures:
    """Parameters and operations of one image, the input's size in pixels, and how they were counted."""

    parameters: int
    operations: float
    width: int
    height: int
    counting: Counting = "weights"

    @classmethod
    def of(cls, graph: Graph, counting: Counting = "weights") -> Figures:
        """Count a planned network in one of the ways that `Counting` names; raises CfgError as `summarize` does."""
        if counting == "learnable":
            parameters, operations = _learnable(graph), _module_operations(graph)
        else:
            weights = sum(weight_count(node) for node in graph.nodes)
            parameters = weights if counting == "weights" else summarize(graph).all
            operations = sum(node.cost.paper for node in graph.nodes)
        return cls(parameters, operations, graph.net.width, graph.net.height, counting)

    def __str__(self) -> str:
        counted = f"{self.parameters / 1e6:.2f}M {_COUNTED[self.counting]}"
        return f"{counted}, {self.operations / 1e9:.3f} BFLOPs at {self.width}x{self.height}, as the paper counts"


def _learnable(graph: Graph) -> int:
    """Weights, scale and shift of each normalized channel, and the classifier's biases.

    Not the biases of other convolutions that are not normalized: Darknet's always have some, PyTorch's networks that
    normalize before they convolve have none.
    """
    classifiers = {graph.nodes[node.sources[0]] for node in graph.nodes if isinstance(node.layer, Softmax)}
    total = 0
    for node in graph.nodes:
        total += weight_count(node)
        total += 2 * node.output.c if _normalizes(node) else 0
        total += node.output.c if node in classifiers else 0
    return total


def _module_operations(graph: Graph) -> float:
    """Twice what a counter that hooks PyTorch's modules adds up.

    Multiply-adds of convolutions, two for every normalized value, one for every activated one and every one that a
    pooling window reads; what is called as a function (upsampling, sums, the mean before a classifier) counts nothing.
    """
    total = 0.0
    for node in graph.nodes:
        layer, values = node.layer, node.output.outputs
        if isinstance(layer, Convolutional):
            total += weight_count(node) * node.output.h * node.output.w
        if isinstance(layer, (Convolutional, ActivationLayer)) and layer.activation != "linear":
            total += values
        if _normalizes(node):
            total += 2 * values
        if isinstance(layer, LocalAvgPool):
            total += node.inputs[0].outputs
    return 2 * total


def _normalizes(node: Node) -> bool:
    layer = node.layer
    normalizing = isinstance(layer, Convolutional) and layer.batch_normalize
    return bool(normalizing) or isinstance(layer, StandaloneBatchNorm)
