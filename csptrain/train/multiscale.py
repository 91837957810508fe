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
    width, height = _scaled(graph, factor)
    if factor < 1 and (width > net.width or height > net.height):
        return net.width, net.height
    return width, height


def largest_size(graph: Graph) -> tuple[int, int]:
    """The largest (width, height) that an iteration can have."""
    reach = random_reach(graph)
    return (graph.net.width, graph.net.height) if reach == 1 else _scaled(graph, reach)


def batch_at(graph: Graph, seed: int, iteration: int) -> int:
    """Images of an iteration: more than the cfg's at small sizes with ``dynamic_minibatch`` and `random`.

    Source: Darknet's rule, from reading: a mini-batch has as many images as fit into the memory of the cfg's one at the
    largest size, less a fifth, as long as that is more than the cfg's. `subdivisions` does not change.
    """
    net = graph.net
    if not net.dynamic_minibatch or random_reach(graph) == 1:
        return net.effective_batch
    (width, height), (most_wide, most_high) = size_at(graph, seed, iteration), largest_size(graph)
    fitting = net.mini_batch * most_wide * most_high // (width * height)
    careful = int(fitting * 0.8)
    return (careful if careful > net.mini_batch else fitting) * net.subdivisions


def _scaled(graph: Graph, factor: float) -> tuple[int, int]:
    net = graph.net
    width, height = (
        max(round(factor * side / net.resize_step + 1), 1) * net.resize_step for side in (net.width, net.height)
    )
    return width, height
