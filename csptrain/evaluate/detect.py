"""From images to boxes: run the network, decode its heads, suppress doubles, map to the original image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from csptrain.datasets.evaluation import EvalDataset
from csptrain.datasets.lists import Samples
from csptrain.datasets.turns import ALL, Turns
from csptrain.evaluate.detection import MAP_NMS, MAP_THRESH, VALID_NMS, VALID_THRESH, DetectionEvaluator
from csptrain.evaluate.pixels import PixelDetections
from csptrain.graph import Graph
from csptrain.layers.base import Head
from csptrain.layers.masked import suppression
from csptrain.network import Network
from csptrain.ops.decode import Detections, concatenate, correct_boxes
from csptrain.ops.nms import NmsKind, nms_sort

Detector = Callable[[Tensor, float], list[Detections]]
"""Takes images [N, C, H, W] in 0..1 and a threshold; gives each image's candidates, relative to the input."""


def nms_settings(graph: Graph) -> tuple[NmsKind, float]:
    """`nms_kind` and `beta_nms` of the last [yolo] or [Gaussian_yolo] layer, as Darknet takes them."""
    return suppression([node.layer for node in graph.nodes])


def decode_heads(
    graph: Graph, outputs: list[Tensor], net_width: int, net_height: int, thresh: float
) -> list[Detections]:
    """Candidates of all box heads, head after head, for each image; ``outputs`` are those of ``graph.heads``."""
    found: list[list[Detections]] = []
    for index, output in zip(graph.heads, outputs, strict=True):
        layer = graph.nodes[index].layer
        if isinstance(layer, Head) and layer.has_boxes:
            found.append(layer.decode(output, net_width, net_height, thresh))
    return [concatenate(image) for image in zip(*found, strict=True)]


def torch_detector(network: Network, device: torch.device | None = None) -> Detector:
    """A detector that runs ``network`` (put in evaluation mode) in torch."""

    def detect(images: Tensor, thresh: float) -> list[Detections]:
        network.eval()
        with torch.inference_mode():
            outputs = network(images.to(device, memory_format=torch.channels_last))
        return decode_heads(network.graph, outputs, images.shape[3], images.shape[2], thresh)

    return detect


def finish(
    graph: Graph, found: Detections, size: tuple[int, int], nms: float, letter_box: bool | None = None
) -> Detections:
    """Suppress doubles and map boxes to an original image of ``size`` (width, height), relative to it."""
    mapped = map_back(graph, found, size, letter_box)
    kind, beta = nms_settings(graph)
    return nms_sort(mapped, nms, kind, beta) if nms > 0 else mapped


def map_back(graph: Graph, found: Detections, size: tuple[int, int], letter_box: bool | None = None) -> Detections:
    """Boxes of the network's input as boxes of the original image of ``size`` (width, height), relative to it."""
    net = graph.net
    boxed = bool(net.letter_box) if letter_box is None else letter_box
    boxes = correct_boxes(found.boxes, *size, net.width, net.height, boxed)
    return Detections(boxes, found.objectness, found.prob)


def above(found: Detections, thresh: float) -> Detections:
    """What decoding with a higher ``thresh`` would have found."""
    least = np.float32(thresh)
    prob = np.where(found.prob > least, found.prob, np.float32(0))
    rows = np.flatnonzero((found.objectness > least) | prob.any(axis=1))
    return Detections(found.boxes[rows], found.objectness[rows], prob[rows])


def eval_dataset(graph: Graph, samples: Samples) -> EvalDataset:
    """The images of a list as this network wants them."""
    net = graph.net
    return EvalDataset(samples, (net.width, net.height), letter_box=bool(net.letter_box), channels=net.channels)


def evaluate_detector(
    graph: Graph,
    detect: Detector,
    dataset: EvalDataset,
    names: tuple[str, ...],
    *,
    batch: int = 8,
    workers: int = 0,
    progress: Callable[[int], None] | None = None,
    pixels: PixelDetections | None = None,
    turns: Turns = ALL,
) -> DetectionEvaluator:
    """Collect the detections and truths of a data set with Darknet's thresholds for mAP.

    ``pixels`` gets, of the same run of the network, the detections with Darknet's thresholds for result files. Of
    several processes each has its ``turns``; `shares` joins what they collect.
    """
    evaluator = DetectionEvaluator(names)
    thresh = MAP_THRESH if pixels is None else min(MAP_THRESH, VALID_THRESH)
    for part in dataset.batches(batch, workers, turns):
        candidates = detect(part.images, thresh) if len(part.images) else []
        for index, found, size, truth in zip(part.indices, candidates, part.sizes, part.truths, strict=True):
            if pixels is not None:
                pixels.add(index, size, finish(graph, above(found, VALID_THRESH), size, VALID_NMS))
            final = finish(graph, above(found, MAP_THRESH), size, MAP_NMS)
            evaluator.add(index, final.boxes, final.prob, truth, dataset.samples.difficult(index))
        if progress is not None:
            progress(len(part.images) + len(part.bad))
    return evaluator
