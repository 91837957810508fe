"""A cfg and a weights file together: the two calls other programs make."""

from __future__ import annotations

import os

from csptrain import graph
from csptrain.formats.weights import fills_all, load_weights, save_weights
from csptrain.graph import Graph
from csptrain.network import Network

__all__ = ["fill", "load", "save_weights"]


def load(
    cfg: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    lenient: bool = False,
    partial: bool = False,
) -> Network:
    """Build the network of a cfg, filled from a weights file when one is given; float32, evaluation mode.

    Args:
        lenient: read the cfg as Darknet does: mistakes become ``network.graph.findings``.
        partial: accept a weights file that ends early or goes on.

    Raises:
        CfgError, WeightsError
    """
    planned = graph.load(cfg, lenient)
    return Network(planned).eval() if weights is None else fill(planned, weights, partial)


def fill(planned: Graph, weights: str | os.PathLike[str], partial: bool = False) -> Network:
    """The network of a graph with the weights of a file; evaluation mode.

    Start weights are drawn only where the file may leave some. Raises WeightsError.
    """
    network = Network(planned, draw=not fills_all(planned, weights, partial))
    load_weights(network, weights, partial)
    return network.eval()
