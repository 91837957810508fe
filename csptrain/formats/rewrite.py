"""Weights turned into other weights under Darknet's verbs; networks are changed in place where nothing else is said."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from csptrain import graph
from csptrain.cfg.edit import Sections, with_option, without_option
from csptrain.cfg.text import Reading
from csptrain.errors import CfgError
from csptrain.formats.weights import load_weights
from csptrain.layers.batchnorm import EPSILON
from csptrain.layers.convolutional import ConvolutionModule
from csptrain.layers.dense import ConnectedModule
from csptrain.network import Network

Linear = ConvolutionModule | ConnectedModule

# With it, dividing by sqrt(variance + EPSILON) changes nothing; Darknet's 1 makes everything 5e-6 smaller.
NEUTRAL_VARIANCE = 1 - EPSILON
_NORMALIZABLE = ("convolutional", "conv", "connected", "conn")
_RED, _BLUE = 0, 2


@dataclass(frozen=True)
class TensorStatistics:
    """One tensor of the weights file in numbers; ``bad`` counts the values that are infinite or no numbers."""

    layer: int
    kind: str
    name: str
    count: int
    mean: float
    variance: float
    low: float
    high: float
    bad: int


def average(network: Network, paths: Sequence[str | os.PathLike[str]]) -> None:
    """Fill a network with the mean of several weights files; `seen` is the first's.

    Sums in float64, so that equal files give their own bytes again. Raises WeightsError.
    """
    tensors = [item.tensor.detach() for layer in network.stored() for item in layer]
    load_weights(network, paths[0])
    seen = network.seen
    sums = [tensor.double() for tensor in tensors]
    for path in paths[1:]:
        load_weights(network, path)
        for total, tensor in zip(sums, tensors, strict=True):
            total.add_(tensor)
    for total, tensor in zip(sums, tensors, strict=True):
        tensor.copy_(total.div_(len(paths)))
    network.seen = seen


@torch.no_grad()
def reset(network: Network) -> None:
    """Move the rolling statistics and scales of every normalization into the weights before it; outputs stay.

    Scales become 1, means 0, variances neutral. Source: Darknet behaviour of ``reset``.
    """
    for module in _linears(network):
        if module.norm is not None:
            weight, bias = module.norm.fold(module.weight)
            module.weight.copy_(weight)
            module.norm.bias.copy_(bias)
            _neutralize(module)


@torch.no_grad()
def rescale(network: Network) -> None:
    """Turn a network of images in -1..1 into one of images in 0..1: weights x 2, offset -1/2 of their sum.

    Exact except where the first convolution pads, as 0 is another grey in either range. Where a normalization
    follows, the offset goes into its rolling mean; Darknet adds it behind the normalization, unscaled.
    Raises CfgError where the first convolution does not see three channels.
    """
    module = _first_of_colours(network)
    total = module.weight.double().sum((1, 2, 3))
    if module.norm is not None:
        module.norm.running_mean.add_(total)
    else:
        assert module.bias is not None
        module.bias.sub_(total)
    module.weight.mul_(2)


@torch.no_grad()
def swap_red_and_blue(network: Network) -> None:
    """Make the first convolution read BGR where it read RGB; raises CfgError where it does not see three channels."""
    weight = _first_of_colours(network).weight
    weight.copy_(weight[:, [_BLUE, 1, _RED]].clone())


@torch.no_grad()
def denormalized(network: Network, sections: Sections) -> tuple[Network, Sections]:
    """The same function without batch normalization in convolutions and connected layers, and its cfg.

    ``sections`` are those the network was planned from. Raises CfgError.
    """
    bare = (
        sections[0],
        *(without_option(without_option(section, "batch_normalize"), "cbn") for section in sections[1:]),
    )
    result = _replanned(network, bare)
    for old, new in zip(_linears(network), _linears(result), strict=True):
        if old.norm is not None:
            weight, bias = old.norm.fold(old.weight)
            assert new.bias is not None
            new.weight.copy_(weight)
            new.bias.copy_(bias)
    return result, bare


@torch.no_grad()
def normalized(network: Network, sections: Sections) -> tuple[Network, Sections]:
    """The same function with a neutral batch normalization in every convolution and connected layer, and its cfg.

    ``sections`` are those the network was planned from. Darknet's own ``normalize`` leaves variances of 0, so that its
    file computes something else. Raises CfgError.
    """
    dressed = (
        sections[0],
        *(
            with_option(section, "batch_normalize", 1) if section.kind in _NORMALIZABLE else section
            for section in sections[1:]
        ),
    )
    result = _replanned(network, dressed)
    for old, new in zip(_linears(network), _linears(result), strict=True):
        if old.norm is None and new.norm is not None:
            assert old.bias is not None
            new.norm.bias.copy_(old.bias)
            _neutralize(new)
    return result, dressed


def statistics(network: Network) -> Iterator[TensorStatistics]:
    """Every tensor of the weights file in numbers, in file order."""
    for node, layer in zip(network.graph.nodes, network.stored(), strict=True):
        for item in layer:
            values = item.tensor.detach().double().flatten()
            good = values[values.isfinite()]
            yield TensorStatistics(
                node.layer.index, node.layer.kind, item.label, len(values), *_moments(good), len(values) - len(good)
            )


def _moments(values: Tensor) -> tuple[float, float, float, float]:
    if not len(values):
        return 0.0, 0.0, 0.0, 0.0
    variance, mean = torch.var_mean(values, correction=0)
    return float(mean), float(variance), float(values.min()), float(values.max())


def _linears(network: Network) -> Iterator[Linear]:
    # Recurrent layers are built of these too.
    return (module for module in network.layers.modules() if isinstance(module, Linear))


def _neutralize(module: Linear) -> None:
    assert module.norm is not None
    module.norm.weight.fill_(1)
    module.norm.running_mean.zero_()
    module.norm.running_var.fill_(NEUTRAL_VARIANCE)
    module.norm.settle()


def _first_of_colours(network: Network) -> ConvolutionModule:
    for node, module in zip(network.graph.nodes, network.layers, strict=True):
        if isinstance(module, ConvolutionModule):
            if module.weight.shape[1] != 3:
                raise node.layer.error(
                    f"the first convolution sees {module.weight.shape[1]} channels, not the 3 of RGB"
                )
            return module
    raise CfgError("has no [convolutional]", path=network.graph.path)


def _replanned(network: Network, sections: Sections) -> Network:
    """A network of changed sections that takes over every tensor it has in common with ``network``."""
    # Leniently, as the mistakes of the cfg were judged when it was planned first.
    result = Network(graph.plan(sections, Reading(lenient=True)), draw=False)
    result.load_state_dict(network.state_dict(), strict=False)
    result.seen = network.seen
    return result.eval()
