"""The network's size at an iteration: a pure function of the cfg, the seed and the iteration."""

from __future__ import annotations

import numpy as np

from csptrain.graph import Graph

PERIOD = 10  # iterations between two changes of size
SETTLE_SHARE = 0.02
SETTLE_MOST = 100


def random_reach(graph: Graph) -> float:
    """Largest factor of the size that `random` of the last head allows: 1 when off, 1.4 for random=1."""
    if not graph.box_heads:
        return 1.0
    value = graph.box_heads[-1].random
    return 1.4 if value == 1 else max(value, 1.0)


def size_at(graph: Graph, seed: int, iteration: int) -> tuple[int, int]:
    """(width, height) of an iteration, from 1.

    Source: Darknet's rule: every 10 iterations a factor between 1/reach and reach, the sides rounded to resize_step
    plus one step, but not above the cfg's size for a factor below 1.
    Differs: the last 2 % (at most 100) iterations run at the cfg's own size, so that the rolling statistics are
    those of the network as it will be used; Darknet ends at the largest size.
    """
    net, reach = graph.net, random_reach(graph)
    settle = min(round(net.max_batches * SETTLE_SHARE), SETTLE_MOST)
    if reach == 1 or iteration > net.max_batches - settle:
        return net.width, net.height
    draw = np.random.default_rng([seed, 1, (iteration - 1) // PERIOD]).random(2)
    factor = 1 + draw[0] * (reach - 1)
    if draw[1] < 0.5:
        factor = 1 / factor
    width, height = (
        max(round(factor * side / net.resize_step + 1), 1) * net.resize_step for side in (net.width, net.height)
    )
    if factor < 1 and (width > net.width or height > net.height):
        return net.width, net.height
    return width, height
