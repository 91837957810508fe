"""The baseline of networks: a cfg as ports to PyTorch write it.

Float32, [N, C, H, W] in memory, batch normalization and activation as modules of their own, and the outputs of all
layers kept to the end. It computes what csptrain computes, which a test asserts, and nothing in it is made fast.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from csptrain.errors import CfgError
from csptrain.graph import IMAGE, Graph, Node
from csptrain.layers.attention import Sam, ScaleChannels
from csptrain.layers.base import Layer
from csptrain.layers.convolutional import Convolutional
from csptrain.layers.pooling import AvgPool, MaxPool
from csptrain.layers.resample import Upsample
from csptrain.layers.route import Route
from csptrain.layers.shortcut import Shortcut
from csptrain.layers.yolo import Yolo

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "leaky": lambda: nn.LeakyReLU(0.1),
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "logistic": nn.Sigmoid,
    "swish": nn.SiLU,
    "mish": nn.Mish,
}


class PlainNetwork(nn.Module):
    """The detector of a graph; input [N, C, H, W] float 0..1 RGB.

    Calling it gives a map for each [yolo]: what the layer before gives while training, activated else. Raises CfgError
    for a layer or an option that the baseline does not know.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.blocks = nn.ModuleList(_block(node) for node in graph.nodes)

    def forward(self, x: Tensor) -> list[Tensor]:
        """[N, C, H, W] -> one output per head."""
        outputs: list[Tensor] = []
        for node, block in zip(self.graph.nodes, self.blocks, strict=True):
            outputs.append(block(*[x if source == IMAGE else outputs[source] for source in node.sources]))
        return [outputs[index] for index in self.graph.heads]


class _Cat(nn.Module):
    def __init__(self, layer: Route) -> None:
        super().__init__()
        self.groups, self.group_id = layer.groups, layer.group_id

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat([x.chunk(self.groups, 1)[self.group_id] for x in inputs], 1)


class _Add(nn.Module):
    """Sources of fewer or more channels add those that both have."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            common = min(x.shape[1], other.shape[1])
            sums = x[:, :common] + other[:, :common]
            x = torch.cat((sums, x[:, common:]), 1) if common < x.shape[1] else sums
        activated: Tensor = self.activation(x)
        return activated


class _Multiply(nn.Module):
    def forward(self, scale: Tensor, x: Tensor) -> Tensor:
        return scale * x


class _PaddedPool(nn.Module):
    def __init__(self, size: int, stride: tuple[int, int], margins: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.size, self.stride, self.margins = size, stride, margins

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.pad(x, self.margins, value=float("-inf")), self.size, self.stride)


class _Maxout(nn.Module):
    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> Tensor:
        largest: Tensor = x.unflatten(1, (-1, self.out_channels)).amax(1)
        return largest


class _Boxes(nn.Module):
    """A [yolo] layer, whose map is left to the loss while training."""

    def __init__(self, layer: Yolo) -> None:
        super().__init__()
        self.entries = (layer.boxes_per_cell, 5 + layer.classes)
        self.stretch = layer.scale_x_y

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return x
        split = x.unflatten(1, self.entries)
        centre = split[:, :, :2].sigmoid() * self.stretch - 0.5 * (self.stretch - 1)
        return torch.cat((centre, split[:, :, 2:4], split[:, :, 4:].sigmoid()), 2).flatten(1, 2)


def _block(node: Node) -> nn.Module:
    layer = node.layer
    known = next((make(node) for kind, make in _BLOCKS.items() if type(layer) is kind), None)
    if known is None:
        raise CfgError(
            f"the plain baseline has no such [{layer.kind}]", path=layer.section.path, line=layer.section.line
        )
    return known


def _convolution(node: Node) -> nn.Module | None:
    layer = node.layer
    assert isinstance(layer, Convolutional)
    odd = layer.donor is not None or layer.binary or layer.xnor or layer.antialiasing
    if odd or layer.activation not in _ACTIVATIONS:
        return None
    convolution = nn.Conv2d(
        node.inputs[0].c,
        layer.filters,
        layer.size,
        layer.own_strides,
        layer.padding_pixels * layer.dilation_used,
        layer.dilation_used,
        layer.groups,
        bias=not layer.normalized,
    )
    norm = [nn.BatchNorm2d(layer.filters)] if layer.normalized else []
    return nn.Sequential(convolution, *norm, _ACTIVATIONS[layer.activation]())


def _pool(node: Node) -> nn.Module | None:
    layer, image = node.layer, node.inputs[0]
    assert isinstance(layer, MaxPool)
    if layer.antialiasing:
        return None
    if layer.maxpool_depth:
        return None if image.c % layer.out_channels else _Maxout(layer.out_channels)
    margins = layer.sliding.margins(image.h, image.w)
    if len(set(margins)) == 1:
        return nn.MaxPool2d(layer.window_size, layer.own_strides, margins[0])
    return _PaddedPool(layer.window_size, layer.own_strides, margins)


def _shortcut(node: Node) -> nn.Module | None:
    layer = node.layer
    assert isinstance(layer, Shortcut)
    odd = layer.weights_type != "none" or len({(shape.h, shape.w) for shape in node.inputs}) > 1
    return None if odd or layer.activation not in _ACTIVATIONS else _Add(_ACTIVATIONS[layer.activation]())


def _product(node: Node) -> nn.Module | None:
    layer = node.layer
    assert isinstance(layer, Sam)
    return _Multiply() if layer.activation == "linear" and not getattr(layer, "scale_wh", 0) else None


def _upsample(node: Node) -> nn.Module | None:
    layer = node.layer
    assert isinstance(layer, Upsample)
    return nn.Upsample(scale_factor=layer.stride) if layer.stride > 0 and layer.scale == 1 else None


def _route(node: Node) -> nn.Module | None:
    layer = node.layer
    assert isinstance(layer, Route)
    return _Cat(layer)


def _boxes(node: Node) -> nn.Module | None:
    layer = node.layer
    assert isinstance(layer, Yolo)
    odd = layer.new_coords or layer.focal_loss or layer.objectness_smooth or layer.label_smooth_eps
    return None if odd or layer.counters_per_class or layer.truth_thresh < 1 else _Boxes(layer)


_BLOCKS: dict[type[Layer], Callable[[Node], nn.Module | None]] = {
    Convolutional: _convolution,
    MaxPool: _pool,
    Shortcut: _shortcut,
    Sam: _product,
    ScaleChannels: _product,
    Upsample: _upsample,
    Route: _route,
    AvgPool: lambda node: nn.AdaptiveAvgPool2d(1),
    Yolo: _boxes,
}
