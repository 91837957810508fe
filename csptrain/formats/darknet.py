"""A cfg and a weights file together: the two calls other programs make."""

from __future__ import annotations

import os

from csptrain import graph
from csptrain.formats.weights import load_weights, save_weights
from csptrain.network import Network

__all__ = ["load", "save_weights"]


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
    network = Network(graph.load(cfg, lenient))
    if weights is not None:
        load_weights(network, weights, partial)
    return network.eval()
