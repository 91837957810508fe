"""Evaluation of a whole validation set: COCO's figures against pycocotools alone, and Darknet's mAP."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from csptrain.bench.alternate import Say, Turns, alternate
from csptrain.bench.result import Comparison
from csptrain.bench.side import Process, Side, SideFailed
from csptrain.bench.work import Work

FloatArray = npt.NDArray[np.float32]

ALONE, OWN, MAP = "pycocotools alone", "csptrain COCO", "csptrain Darknet mAP"
IMAGES, FOUND, CLASSES = 5_000, 100, 80
OBJECTS, KINDS = 7, 3  # objects of an image, and how many classes they have
SIZE = (640, 480)
_NOTE = (
    "pycocotools alone has the records of a result file in memory already, csptrain begins with the boxes and "
    "probabilities of each image; COCO's twelve figures are equal"
)


def compare(images: int, found: int, classes: int, threads: int, turns: Turns, say: Say) -> Comparison:
    """Time all on the same detections; COCO's figures of csptrain must be those of pycocotools."""
    options = {"images": images, "found": found, "classes": classes}
    with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
        figures: list[npt.NDArray[np.float64]] = []

        def check(process: Process) -> None:
            if process.side.name == MAP:
                return
            path = Path(folder, "figures.npz")
            process.save(path)
            with np.load(path) as archive:
                figures.append(archive["arr_0"])
            if not np.allclose(figures[0], figures[-1], atol=1e-6):
                raise SideFailed(f"its figures are not those of {ALONE}")

        works = {ALONE: "pycocotools", OWN: "coco", MAP: "map"}
        sides = [Side(name, work, options, threads) for name, work in works.items()]
        title = f"Evaluate {images:,} images x {found} detections x {classes} classes"
        what = Comparison("eval/coco", title, ALONE, threads, "image", images, (_NOTE,))
        return alternate(what, sides, turns, say, check)


@dataclass(frozen=True)
class _Image:
    """Boxes [M, 4] x y w h with a probability [M, K] each, truths [T, 5] x y w h class."""

    boxes: FloatArray
    prob: FloatArray
    truth: FloatArray


def own_coco(options: Mapping[str, Any]) -> Work:
    """From the boxes of each image to COCO's figures, as `detector map --metrics coco` has them."""
    from csptrain.datasets.objects import objects_of_rows
    from csptrain.evaluate.coco import coco_engine, coco_result
    from csptrain.evaluate.pixels import PixelDetections
    from csptrain.ops.decode import Detections

    images = list(_images(options))
    none = np.zeros((0, 5), np.float32)
    objects = objects_of_rows(
        [image.truth for image in images],
        [none] * len(images),
        np.arange(1, len(images) + 1),
        np.array([SIZE] * len(images), np.int64),
        tuple(range(1, options["classes"] + 1)),
    )

    def run() -> list[npt.NDArray[np.float64]]:
        pixels = PixelDetections()
        for index, image in enumerate(images):
            pixels.add(index, SIZE, Detections(image.boxes, np.ones(len(image.boxes), np.float32), image.prob))
        return [np.array(list(coco_result(pixels, objects).figures.values()))]

    return Work(run, {"engine": coco_engine()})


def pycocotools_alone(options: Mapping[str, Any]) -> Work:
    """From the annotations and records of a result file, in memory, to COCO's figures."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    dataset, results = _records(options)

    def run() -> list[npt.NDArray[np.float64]]:
        with contextlib.redirect_stdout(io.StringIO()):  # it talks while it works
            truth = COCO()
            truth.dataset = dataset
            truth.createIndex()
            evaluator = COCOeval(truth, truth.loadRes(results), "bbox")
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()
        return [np.array(evaluator.stats)]

    return Work(run, {"engine": "pycocotools"})


def darknet_map(options: Mapping[str, Any]) -> Work:
    """From the boxes of each image to Darknet's mAP."""
    from csptrain.evaluate.detection import DetectionEvaluator

    images = list(_images(options))
    names = tuple(map(str, range(options["classes"])))

    def run() -> None:
        evaluator = DetectionEvaluator(names)
        for index, image in enumerate(images):
            evaluator.add(index, image.boxes, image.prob, image.truth)
        evaluator.result()

    return Work(run)


def _images(options: Mapping[str, Any]) -> Iterator[_Image]:
    """The images of a validation set: most detections are near objects, most of those of their class."""
    rng = np.random.default_rng(0)
    count, classes = options["found"], options["classes"]
    for _ in range(options["images"]):
        objects = int(rng.integers(1, 2 * OBJECTS))
        truth = rng.uniform((0.2, 0.2, 0.03, 0.03), (0.8, 0.8, 0.35, 0.35), (objects, 4))
        kinds = rng.integers(classes, size=KINDS)[rng.integers(KINDS, size=objects)]
        near = rng.integers(objects, size=count)
        boxes = truth[near] + rng.normal(0, 0.12, (count, 4)) * truth[near][:, [2, 3, 2, 3]]
        boxes[:, 2:] = np.abs(boxes[:, 2:]) + 0.01
        right = rng.random(count) < 0.7
        label = np.where(right, kinds[near], rng.integers(classes, size=count))
        prob = np.zeros((count, classes), np.float32)
        prob[np.arange(count), label] = rng.uniform(0.005, 1, count)
        rows = np.concatenate((truth, kinds[:, None]), 1)
        yield _Image(boxes.astype(np.float32), prob, rows.astype(np.float32))


def _records(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The same set as pycocotools reads it from its two files."""
    from csptrain.evaluate.pixels import DECIMALS, coco_boxes, pixel_edges

    size = np.array(SIZE, np.int64)
    images = list(_images(options))
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, image in enumerate(images, 1):
        for box in _corners(image.truth):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(box[4]) + 1,
                    "bbox": box[:4],
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
        row, label = np.nonzero(image.prob)
        scores = np.round(image.prob[row, label].astype(np.float64), DECIMALS).tolist()
        boxes = coco_boxes(pixel_edges(image.boxes[row], SIZE), size).tolist()
        results += [
            {"image_id": number, "category_id": kind + 1, "bbox": box, "score": score}
            for kind, box, score in zip(label.tolist(), boxes, scores, strict=True)
        ]
    dataset = {
        "images": [{"id": number, "width": SIZE[0], "height": SIZE[1]} for number in range(1, len(images) + 1)],
        "categories": [{"id": kind + 1, "name": str(kind)} for kind in range(options["classes"])],
        "annotations": annotations,
    }
    return dataset, results


def _corners(truth: FloatArray) -> list[list[float]]:
    """Left, top, width, height in pixels and class of rows x y w h class."""
    rows, extent = truth.astype(np.float64), np.array(SIZE, np.float64)
    low, sides = (rows[:, :2] - rows[:, 2:4] / 2) * extent, rows[:, 2:4] * extent
    found: list[list[float]] = np.concatenate((low, sides, rows[:, 4:]), 1).tolist()
    return found
