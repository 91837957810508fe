"""Networks with weights that tell: random statistics, biases and kernels that keep the maps' range."""

from __future__ import annotations

from pathlib import Path

import torch

from csptrain import graph
from csptrain.graph import Graph
from csptrain.network import Network


def fill(network: Network, seed: int = 0) -> Network:
    """Draw every stored tensor in the ranges of the golden cases' recipe; evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    ranges = {"biases": (-0.2, 0.2), "rolling_mean": (-0.3, 0.3), "scales": (0.7, 1.3), "rolling_variance": (0.5, 1.5)}
    with torch.no_grad():
        for stored in (item for layer in network.stored() for item in layer):
            if stored.mixes:
                low, high = -0.25, 1.25
            elif stored.name in ranges:
                low, high = ranges[stored.name]
            else:
                high = (6 / stored.tensor[0].numel()) ** 0.5
                low = -high
            stored.tensor.uniform_(low, high, generator=generator)
    for norm in network.batch_norms():
        norm.settle()
    network.seen = 640
    return network.eval()


def from_text(folder: Path, text: str, seed: int = 0) -> Network:
    """A filled network of cfg text, which is kept as ``folder/net.cfg``."""
    path = folder / "net.cfg"
    path.write_text(text)
    return fill(Network(graph.load(path)), seed)


def from_graph(planned: Graph, seed: int = 0) -> Network:
    """A filled network of a planned graph."""
    return fill(Network(planned), seed)


def images(network: Network, count: int = 1) -> torch.Tensor:
    """Random images for a network."""
    shape = network.graph.net.shape
    return torch.rand(count, shape.c, shape.h, shape.w, generator=torch.Generator().manual_seed(7))
