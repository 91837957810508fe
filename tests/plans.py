"""Networks from a few lines of cfg, for tests of one layer at a time."""

from __future__ import annotations

import torch

from csptrain import graph
from csptrain.cfg import text
from csptrain.cfg.text import Reading
from csptrain.graph import Graph
from csptrain.layers.base import Shape
from csptrain.network import Network


def planned(layers: str, image: tuple[int, int, int] = (3, 8, 8), net: str = "", lenient: bool = False) -> Graph:
    """The graph of some layers on an image (channels, height, width)."""
    channels, height, width = image
    head = f"[net]\nchannels={channels}\nheight={height}\nwidth={width}\n{net}\n"
    reading = Reading(lenient)
    return graph.plan(text.parse(head + layers, "x.cfg", reading), reading)


def built(layers: str, image: tuple[int, int, int] = (3, 8, 8), net: str = "", seed: int = 1) -> Network:
    """The network of some layers, in evaluation mode, with random biases and statistics."""
    network = Network(planned(layers, image, net), seed).eval()
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in network.stored():
            for stored in layer:
                if stored.name in ("biases", "rolling_mean"):
                    stored.tensor.uniform_(-0.5, 0.5, generator=draw)
                elif stored.name in ("scales", "rolling_variance"):
                    stored.tensor.uniform_(0.5, 1.5, generator=draw)
    return network


def shapes(layers: str, image: tuple[int, int, int] = (3, 8, 8)) -> list[Shape]:
    """The output shape of each layer."""
    return [node.output for node in planned(layers, image).nodes]


def random_images(network: Network, count: int = 2, seed: int = 3) -> torch.Tensor:
    """float32 [count, C, H, W] in 0..1."""
    net = network.graph.net
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(count, net.channels, net.height, net.width, generator=draw)
