"""COCO's average precision and recall, computed by its own program."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from csptrain.datasets.objects import Objects
from csptrain.evaluate.pixels import PixelDetections, coco_boxes

NAMES = (
    "AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large",
    "AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large",
)  # fmt: skip
"""COCO's twelve figures in its order."""

FAST, REFERENCE = "faster-coco-eval", "pycocotools"
_MODULES = {FAST: ("faster_coco_eval", "COCOeval_faster"), REFERENCE: ("pycocotools.cocoeval", "COCOeval")}
_CLASSES = {FAST: "faster_coco_eval", REFERENCE: "pycocotools.coco"}


@dataclass(frozen=True)
class CocoResult:
    """COCO's figures by name, fractions; -1 where there is nothing to measure. ``engine`` computed them."""

    figures: dict[str, float]
    engine: str

    def as_dict(self) -> dict[str, object]:
        """Everything, ready for JSON."""
        return {**self.figures, "engine": self.engine}


def coco_engine() -> str:
    """``faster-coco-eval`` where it is installed, else ``pycocotools``; their figures are the same."""
    return FAST if find_spec("faster_coco_eval") is not None else REFERENCE


def coco_result(detections: PixelDetections, objects: Objects, engine: str | None = None) -> CocoResult:
    """Measure ``detections`` against ``objects`` of the same images in the same order.

    Crowds take any number of detections without harm, and objects count by their ``area``, as COCO has it. The
    figures are those that the engine gives for the files of both.
    """
    engine = engine or coco_engine()
    module, name = _MODULES[engine]
    evaluator_class = getattr(importlib.import_module(module), name)
    index_class = importlib.import_module(_CLASSES[engine]).COCO
    with contextlib.redirect_stdout(io.StringIO()):  # both programs talk while they work
        truth = _index(index_class, objects, _truth_records(objects))
        found = _index(index_class, objects, _found_records(detections, objects))
        evaluator = evaluator_class(truth, found, "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return CocoResult(dict(zip(NAMES, map(float, evaluator.stats[: len(NAMES)]), strict=True)), engine)


def _index(index_class: Callable[[], Any], objects: Objects, annotations: Iterator[dict[str, Any]]) -> Any:
    """The engine's own index of what would be in a file."""
    index = index_class()
    sizes = objects.sizes.tolist()
    index.dataset = {
        "images": [
            {"id": number, "width": width, "height": height}
            for number, (width, height) in zip(objects.image_ids.tolist(), sizes, strict=True)
        ],
        "categories": [{"id": number, "name": str(number)} for number in objects.categories],
        "annotations": list(annotations),
    }
    index.createIndex()
    return index


def _truth_records(objects: Objects) -> Iterator[dict[str, Any]]:
    categories = np.array(objects.categories, np.int64)
    columns = (
        objects.ids, objects.image_ids[objects.image], categories[objects.label], objects.boxes, objects.area,
        objects.crowd.astype(np.int64),
    )  # fmt: skip
    for number, image, category, box, area, crowd in zip(*(column.tolist() for column in columns), strict=True):
        yield {"id": number, "image_id": image, "category_id": category, "bbox": box, "area": area, "iscrowd": crowd}


def _found_records(detections: PixelDetections, objects: Objects) -> Iterator[dict[str, Any]]:
    found = detections.found
    categories = np.array(objects.categories, np.int64)
    boxes = coco_boxes(found.edges, detections.sizes[found.image])
    columns = (objects.image_ids[found.image], categories[found.label], boxes, found.score, boxes[:, 2] * boxes[:, 3])
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for number, (image, category, box, score, area) in enumerate(rows, 1):
        yield {
            "id": number, "image_id": image, "category_id": category, "bbox": box, "score": score, "area": area,
            "iscrowd": 0,
        }  # fmt: skip
