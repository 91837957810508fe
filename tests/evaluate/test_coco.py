"""COCO's figures are those that its program gives for the files, digit for digit, with either program."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from csptrain.datasets.objects import Objects
from csptrain.evaluate.coco import FAST, NAMES, REFERENCE, coco_engine, coco_result
from csptrain.evaluate.pixels import PixelDetections, objects_of
from csptrain.ops.decode import Detections
from csptrain.report.records import coco_records
from tests.evaluate.found import SIZES, made_up


def instances(objects: Objects) -> dict[str, Any]:
    """The annotations as a file of COCO's."""
    return {
        "images": [
            {"id": int(number), "width": int(size[0]), "height": int(size[1])}
            for number, size in zip(objects.image_ids, objects.sizes, strict=True)
        ],
        "categories": [{"id": number, "name": str(number)} for number in objects.categories],
        "annotations": [
            {
                "id": int(objects.ids[place]),
                "image_id": int(objects.image_ids[objects.image[place]]),
                "category_id": objects.categories[objects.label[place]],
                "bbox": objects.boxes[place].tolist(),
                "area": float(objects.area[place]),
                "iscrowd": int(objects.crowd[place]),
            }
            for place in range(len(objects.ids))
        ],
    }


def of_files(folder: Path, objects: Objects, found: list[Detections]) -> list[float]:
    """COCO's own program on files: what anyone would do with what `detector valid` writes."""
    (folder / "truth.json").write_text(json.dumps(instances(objects)))
    records: list[str] = []
    for place, detections in enumerate(found):
        number = int(objects.image_ids[place])
        records += coco_records(detections, SIZES[place % len(SIZES)], number, objects.categories)
    (folder / "found.json").write_text("[" + ",".join(records) + "]")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "truth.json"))
        evaluator = COCOeval(truth, truth.loadRes(str(folder / "found.json")), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return [float(value) for value in evaluator.stats]


def crowded(objects: Objects) -> Objects:
    """The same with crowds and with areas that are not those of the boxes."""
    rng = np.random.default_rng(1)
    crowd = rng.random(len(objects.ids)) < 0.15
    return replace(objects, crowd=crowd, area=objects.area * rng.uniform(0.3, 1, len(objects.ids)))


@pytest.mark.parametrize("classes", [3, 80])
def test_figures_are_those_of_the_files(tmp_path: Path, classes: int) -> None:
    samples, pixels, found = made_up(40, classes)
    objects = crowded(objects_of(samples, pixels, classes))
    assert objects.categories[-1] == (90 if classes == 80 else 3)
    assert objects.image_ids[0] == 100
    result = coco_result(pixels, objects, REFERENCE)
    assert list(result.figures) == list(NAMES)
    assert list(result.figures.values()) == of_files(tmp_path, objects, found)
    assert 0.05 < result.figures["AP"] < result.figures["AP50"] < 0.95


@pytest.mark.skipif(find_spec("faster_coco_eval") is None, reason="faster-coco-eval is not installed")
def test_the_fast_program_gives_the_same() -> None:
    samples, pixels, _ = made_up(60, 5)
    objects = crowded(objects_of(samples, pixels, 5))
    fast, slow = coco_result(pixels, objects, FAST), coco_result(pixels, objects, REFERENCE)
    assert fast.figures == pytest.approx(slow.figures, abs=1e-12)
    assert coco_engine() == fast.engine == FAST


def test_the_reference_is_used_where_the_fast_program_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csptrain.evaluate.coco.find_spec", lambda name: None)
    samples, pixels, _ = made_up(3, 2)
    assert coco_result(pixels, objects_of(samples, pixels, 2)).engine == REFERENCE


def test_images_that_were_not_run_are_no_part() -> None:
    samples, pixels, found = made_up(8, 2)
    some = PixelDetections()
    for index in (1, 2, 6):
        some.add(index, SIZES[index % len(SIZES)], found[index])
    objects = objects_of(replace(samples, objects=objects_of(samples, pixels, 2)), some, 2)
    assert objects.image_ids.tolist() == [101, 102, 106]
    again = objects_of(samples, some, 2)
    assert objects.boxes.tolist() == again.boxes.tolist() and objects.image.tolist() == again.image.tolist()
    assert coco_result(some, objects, REFERENCE).figures == coco_result(some, again, REFERENCE).figures


def test_nothing_to_find_and_nothing_found() -> None:
    samples, _, _ = made_up(2, 2)
    nothing = PixelDetections()
    none = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 2), np.float32))
    for index in range(2):
        nothing.add(index, (10, 10), none)
    result = coco_result(nothing, objects_of(samples, nothing, 2), REFERENCE)
    assert result.figures["AP"] == 0
    empty = replace(samples, rows=samples.rows[:0], starts=np.zeros(3, np.int64), hard_starts=None)
    assert coco_result(nothing, objects_of(empty, nothing, 2), REFERENCE).figures["AP"] == -1


def test_boxes_that_are_not_finite_are_left_out() -> None:
    wild = np.asarray([[0.5, 0.5, np.inf, 0.1], [np.nan, 0.5, 0.1, 0.1], [0.5, 0.5, 0.1, 0.1]], np.float32)
    found = Detections(wild, np.ones(3, np.float32), np.ones((3, 1), np.float32))
    assert coco_records(found, (10, 10), 1, (1,)) == [
        '{"image_id":1, "category_id":1, "bbox":[4.500000, 4.500000, 1.000000, 1.000000], "score":1.000000}'
    ]
