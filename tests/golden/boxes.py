"""Cases that end in boxes: boxes, nms, iou, map; the first and the last go through the whole product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from csptrain.datasets.evaluation import EvalDataset
from csptrain.datasets.lists import Samples, read_samples
from csptrain.evaluate.detect import finish, nms_settings, torch_detector
from csptrain.evaluate.detection import MAP_NMS, MAP_THRESH, DetectionEvaluator
from csptrain.evaluate.map_result import MapResult
from csptrain.formats.darknet import load
from csptrain.ops import boxes as box_ops
from csptrain.ops.decode import Detections, correct_boxes
from csptrain.ops.nms import NMS_KINDS, NmsKind, nms_obj, nms_sort
from tests.golden.case import Array, Case, Worst
from tests.golden.networks import build

RELATIVE = 1e-5
NEAR_ZERO = 1e-6  # of the image: a box beside the image may lie at 0
SIMILARITY = 1e-6
GRADIENT = 3e-5
FUNCTIONS: dict[str, NmsKind] = {
    "sort": "default",
    "greedy": "greedynms",
    "diou": "diounms",
    "corners": "cornersnms",
}


def rows(found: Detections) -> Array:
    """One row a box: x y w h objectness, probabilities."""
    return np.concatenate([found.boxes, found.objectness[:, None], found.prob], axis=1)


def one_image(path: Path) -> Samples:
    """A list of one image without boxes."""
    return Samples(path, (str(path),), np.zeros((0, 5), np.float32), np.zeros(2, np.int64))


def boxes(case: Case, worst: Worst) -> None:
    """An image through cfg, weights, network, decoding and suppression."""
    given = case.golden["params"]
    network = build(case)
    graph, net = network.graph, network.graph.net
    dataset = EvalDataset(
        one_image(case.image), (net.width, net.height), letter_box=bool(given["letter"]), channels=net.channels
    )
    item = dataset[0]
    (found,) = torch_detector(network)(torch.from_numpy(item.planes)[None], given["thresh"])
    relative = bool(given["relative"])
    mapped = correct_boxes(found.boxes, *item.size, net.width, net.height, bool(given["letter"]), relative)
    before = Detections(mapped, found.objectness, found.prob)
    absolute = NEAR_ZERO * (1 if relative else max(item.size))
    worst.equal("boxes", len(before), case.golden["n_boxes"])
    worst.equal("probabilities", np.count_nonzero(before.prob), case.golden["n_probs"])
    worst.close("boxes", rows(before), case.arrays["boxes"], RELATIVE, absolute)
    if not worst.passed:
        return
    # Where a border is one grey, boxes tie; rounding must not choose another one of them than Darknet did.
    objectness, prob = case.arrays["boxes"][:, 4], case.arrays["boxes"][:, 5:]
    kind = NMS_KINDS[given["nms_kind"]]
    left = nms_sort(Detections(mapped, objectness, prob), given["nms"], kind, given["beta_nms"])
    worst.equal("left by nms", np.count_nonzero(left.prob), case.golden["n_after_nms"])
    worst.close("boxes_nms", rows(left), case.arrays["boxes_nms"], RELATIVE, absolute)
    if relative and kind == nms_settings(graph)[0]:
        candidates = Detections(found.boxes, objectness, prob)
        product = finish(graph, candidates, item.size, given["nms"], bool(given["letter"]))
        worst.equal("finish", np.array_equal(rows(product), rows(left)), True)


def nms(case: Case, worst: Worst) -> None:
    """Every kind of suppression; rows without objectness go last, in an order that does not matter."""
    given, golden = case.arrays["input"], case.golden
    found = Detections(given[:, :4], given[:, 4], given[:, 5:])
    live = np.count_nonzero(given[:, 4])
    for name, stated in golden["kinds"].items():
        if name == "obj":
            left = nms_obj(found, golden["thresh"])
        else:
            left = nms_sort(found, golden["thresh"], FUNCTIONS[name], golden["beta"])
        ours, theirs = rows(left), case.arrays[name]
        worst.equal(f"{name}: kept", np.count_nonzero(left.prob), stated["kept_probs"])
        worst.equal(f"{name}: rows", np.array_equal(ours[:live], theirs[:live]), True)
        tails = [tail[np.lexsort(tail.T)] for tail in (ours[live:], theirs[live:])]
        worst.equal(f"{name}: rows without objectness", np.array_equal(*tails), True)


def iou(case: Case, worst: Worst) -> None:
    """Similarities and the gradients that the losses use."""
    pairs = torch.from_numpy(case.arrays["pairs"]).float()
    values = case.arrays["values"]
    predicted, truth = pairs[:, :4], pairs[:, 4:]
    for column, kind in enumerate(box_ops.SIMILARITIES):
        found = box_ops.similarity(predicted, truth, kind)
        worst.array(kind, found.numpy(), values[:, column], SIMILARITY, 1.0)
        slope = box_ops.box_gradient(predicted, truth, kind)
        wanted = values[:, 5 + 4 * column : 9 + 4 * column]
        worst.close(f"gradient of {kind}", slope.numpy(), wanted, RELATIVE, GRADIENT)
    worst.array("diounms", box_ops.diou(predicted, truth, 0.6).numpy(), values[:, 4], SIMILARITY, 1.0)


def mean_average_precision(case: Case, worst: Worst) -> None:
    """Images and labels through the whole product to Darknet's printed numbers."""
    network = load(case.cfg, case.folder / "net.weights", lenient=True)
    graph, net = network.graph, network.graph.net
    names = (case.folder / "names").read_text().split()
    dataset = EvalDataset(
        read_samples(case.folder, len(names)),
        (net.width, net.height),
        letter_box=bool(net.letter_box),
        channels=net.channels,
    )
    worst.equal("letter_box", bool(net.letter_box), bool(case.golden["letter_box"]))
    worst.equal("images", len(dataset), case.golden["images"])
    evaluator, detect = DetectionEvaluator(names), torch_detector(network)
    for batch in dataset.batches(4):
        found = detect(batch.images, MAP_THRESH)
        for index, candidates, size, truth in zip(batch.indices, found, batch.sizes, batch.truths, strict=True):
            left = finish(graph, candidates, size, MAP_NMS)
            evaluator.add(index, left.boxes, left.prob, truth)
            wanted = case.arrays[f"dets.{index}"]
            worst.close(f"dets.{index}", rows(left.with_any_probability()), wanted, RELATIVE, NEAR_ZERO)
    printed_numbers(case, worst, evaluator)


def printed_numbers(case: Case, worst: Worst, evaluator: DetectionEvaluator) -> None:
    """Every evaluation of a map case against what Darknet printed."""
    for number, run in enumerate(case.golden["runs"]):
        found = printed(evaluator.result(run["iou_thresh"], run["conf_thresh"], run["points"]))
        for key, wanted in run.items():
            worst.equal(f"run {number}: {key}", found[key], wanted)


def printed(result: MapResult) -> dict[str, Any]:
    """The figures as a map case stores them, rounded as printed."""
    return {
        "classes": [
            {
                "id": one.index,
                "name": one.name,
                "ap": float(f"{one.ap * 100:.2f}"),
                "TP": one.true_positives,
                "FP": one.false_positives,
            }
            for one in result.classes
        ],
        "conf_thresh": result.conf_thresh,
        "precision": f"{result.precision:.2f}",
        "recall": f"{result.recall:.2f}",
        "f1": f"{result.f1:.2f}",
        "TP": result.true_positives,
        "FP": result.false_positives,
        "FN": result.false_negatives,
        "avg_iou_percent": float(f"{result.avg_iou * 100:.2f}"),
        "iou_thresh": result.iou_thresh,
        "map": float(f"{result.map:.6f}"),
        "detections_count": result.detections_count,
        "unique_truth_count": result.unique_truth_count,
        "points": result.points,
    }
