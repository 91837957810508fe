"""One image as it comes, from its pixels to its objects."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
from torch import Tensor, from_numpy

from csptrain.datasets.image import letterbox, resize, to_planes
from csptrain.evaluate.detect import Detector, finish
from csptrain.graph import Graph
from csptrain.ops.decode import Detections


def as_input(graph: Graph, pixels: npt.NDArray[np.uint8]) -> Tensor:
    """An image uint8 [H, W, C] as the network takes it: float32 [1, C, height, width] in 0..1."""
    fit = letterbox if graph.net.letter_box else resize
    return from_numpy(fit(to_planes(pixels), graph.net.width, graph.net.height))[None]


def look(
    graph: Graph, detect: Detector, pixels: npt.NDArray[np.uint8], thresh: float, nms: float
) -> tuple[Detections, float]:
    """What is on an image uint8 [H, W, C], after suppression, boxes relative to it; and the network's time in seconds.

    The time is that of running and decoding, as Darknet tells it; preparing the image and suppression are not in it.
    """
    batch = as_input(graph, pixels)
    started = time.perf_counter()
    (candidates,) = detect(batch, thresh)
    seconds = time.perf_counter() - started
    return finish(graph, candidates, (pixels.shape[1], pixels.shape[0]), nms), seconds
