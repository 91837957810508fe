"""What the cfg says about data and evaluation, put into the words of the modules that do them."""

from __future__ import annotations

from csptrain.datasets.augment import Augmentation
from csptrain.datasets.classification import ClassAugmentation
from csptrain.datasets.mixing import Mix
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
        mix=Mix(net.mix),
        mosaic_bound=bool(net.mosaic_bound),
        blur=net.blur,
        gaussian_noise=net.gaussian_noise,
        max_truths=head.max,
    )


def class_augmentation(graph: Graph) -> ClassAugmentation:
    """The augmentation of [net] for a classifier; raises CfgError for a crop that cannot be drawn."""
    net = graph.net
    net.check_crops()
    return ClassAugmentation(
        crops=net.crops,
        angle=net.angle,
        aspect=net.aspect,
        flip=bool(net.flip),
        hue=net.hue,
        saturation=net.saturation,
        exposure=net.exposure,
        mix=Mix(net.mix),
        blur=net.blur,
        label_smooth_eps=net.label_smooth_eps,
    )


def map_interval(graph: Graph, images: int, epochs: int | None = None) -> tuple[int, int]:
    """(iterations between two evaluations, first iteration to evaluate).

    Darknet's rule: every 4 epochs, at least 100 iterations apart, not before burn_in; here a short run is measured at
    least ten times.
    """
    net = graph.net
    every = max((epochs or MAP_EPOCHS) * images // net.effective_batch, MAP_AT_LEAST)
    return max(min(every, net.max_batches // 10), 1), net.burn_in
