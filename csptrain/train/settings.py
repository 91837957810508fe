"""What the cfg says about data and evaluation, put into the words of the modules that do them."""

from __future__ import annotations

from csptrain.datasets.augment import Augmentation
from csptrain.graph import Graph

MAP_EPOCHS = 4
MAP_AT_LEAST = 100


def augmentation(graph: Graph) -> Augmentation:
    """The augmentation of [net] and of the last box head, as Darknet takes them."""
    net, head = graph.net, graph.box_heads[-1]
    return Augmentation(
        jitter=head.jitter,
        resize=head.resize,
        flip=bool(net.flip),
        hue=net.hue,
        saturation=net.saturation,
        exposure=net.exposure,
        letter_box=bool(net.letter_box),
        mosaic=bool(net.mosaic),
        max_truths=head.max,
    )


def map_interval(graph: Graph, images: int, epochs: int | None = None) -> tuple[int, int]:
    """(iterations between two evaluations, first iteration to evaluate).

    Darknet's rule: every 4 epochs, at least 100 iterations apart, not before burn_in; here a short run is measured at
    least ten times.
    """
    net = graph.net
    every = max((epochs or MAP_EPOCHS) * images // net.effective_batch, MAP_AT_LEAST)
    return max(min(every, net.max_batches // 10), 1), net.burn_in
