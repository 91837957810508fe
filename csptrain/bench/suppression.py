"""Non-maximum suppression: csptrain's against a loop over the classes in torch."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from csptrain.bench.alternate import Say, Turns, alternate
from csptrain.bench.result import Comparison
from csptrain.bench.side import Process, Side, SideFailed
from csptrain.bench.work import Work

FloatArray = npt.NDArray[np.float32]

LOOP, OWN = "per-class loop in torch", "csptrain nms_sort"
BOXES, CLASSES, THRESH = 10_000, 80, 0.45
PER_OBJECT = 25  # boxes around each object


def compare(boxes: int, classes: int, threads: int, turns: Turns, say: Say) -> Comparison:
    """Time both on the same boxes; a side whose result is not the loop's is left out."""
    options = {"boxes": boxes, "classes": classes}
    with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
        found: list[FloatArray] = []

        def check(process: Process) -> None:
            path = Path(folder, "result.npz")
            process.save(path)
            with np.load(path) as archive:
                found.append(in_order(archive["arr_0"], archive["arr_1"]))
            if not np.array_equal(found[0], found[-1]):
                raise SideFailed(f"its result is not that of {LOOP}")

        sides = [Side(LOOP, "nms-loop", options, threads), Side(OWN, "nms", options, threads)]
        title = f"Suppression of {boxes:,} boxes x {classes} classes, overlap {THRESH}"
        note = "the results of both are equal, box by box"
        return alternate(Comparison("eval/nms", title, LOOP, threads, notes=(note,)), sides, turns, say, check)


def own(options: Mapping[str, Any]) -> Work:
    """`nms_sort` gives boxes and probabilities in another order."""
    from csptrain.ops.decode import Detections
    from csptrain.ops.nms import nms_sort

    boxes, prob = make_boxes(options["boxes"], options["classes"])
    detections = Detections(boxes, np.ones(len(boxes), np.float32), prob)

    def run() -> tuple[FloatArray, FloatArray]:
        left = nms_sort(detections, THRESH)
        return left.boxes, left.prob

    return Work(run)


def loop(options: Mapping[str, Any]) -> Work:
    """For each class the most probable box that is left clears those that overlap it."""
    import torch

    boxes, prob = make_boxes(options["boxes"], options["classes"])
    tensor, scores = torch.from_numpy(boxes), torch.from_numpy(prob)

    def run() -> tuple[FloatArray, FloatArray]:
        with torch.inference_mode():
            return boxes, suppress(tensor, scores).numpy()

    return Work(run)


def suppress(boxes: Any, prob: Any) -> Any:
    """The loop: boxes [M, 4] x y w h and probabilities [M, K] -> those that are left, others 0, [M, K]."""
    import torch

    half = boxes[:, 2:] / 2
    low, high, area = boxes[:, :2] - half, boxes[:, :2] + half, boxes[:, 2] * boxes[:, 3]
    result = torch.zeros_like(prob)
    for k in range(prob.shape[1]):
        order = prob[:, k].argsort(descending=True, stable=True)
        order = order[prob[order, k] > 0]
        while len(order):
            best, order = order[0], order[1:]
            result[best, k] = prob[best, k]
            extent = (torch.minimum(high[best], high[order]) - torch.maximum(low[best], low[order])).clamp(min=0)
            shared = extent[:, 0] * extent[:, 1]
            order = order[shared / (area[best] + area[order] - shared) <= THRESH]
    return result


def make_boxes(count: int, classes: int) -> tuple[FloatArray, FloatArray]:
    """Boxes [count, 4] around objects, and a probability of every class, [count, classes]; the same at every call."""
    rng = np.random.default_rng(0)
    objects = rng.uniform((0.1, 0.1, 0.02, 0.02), (0.9, 0.9, 0.3, 0.3), (max(count // PER_OBJECT, 1), 4))
    near = objects[rng.integers(len(objects), size=count)]
    moved = rng.normal(0, 0.15, (count, 2)) * near[:, 2:]
    sizes = near[:, 2:] * np.exp(rng.normal(0, 0.15, (count, 2)))
    boxes = np.concatenate((near[:, :2] + moved, sizes), 1).astype(np.float32)
    return boxes, rng.uniform(0.01, 1, (count, classes)).astype(np.float32)


def in_order(boxes: FloatArray, prob: FloatArray) -> FloatArray:
    """Boxes and probabilities [M, 4 + K] in an order of their own."""
    rows = np.concatenate((boxes, prob), 1)
    return np.asarray(rows[np.lexsort(boxes.T)], np.float32)
