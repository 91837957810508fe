"""Darknet's mAP: its printed numbers, and small cases done by hand."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from csptrain.errors import DataError
from csptrain.evaluate.average_precision import average_precision
from csptrain.evaluate.detection import DetectionEvaluator
from csptrain.evaluate.matching import box_iou
from tests.golden.boxes import printed_numbers
from tests.golden.case import Case, Worst


@pytest.mark.parametrize("name", ["map01_resize", "map02_letterbox_greedy"])
def test_golden_from_stored_detections(name: str, golden_cases: Path) -> None:
    case, worst = Case(golden_cases / name), Worst()
    evaluator = DetectionEvaluator((case.folder / "names").read_text().split())
    for image in range(case.golden["images"]):
        found = case.arrays[f"dets.{image}"]
        label = np.loadtxt(case.folder / f"im{image:02d}.txt", ndmin=2, dtype=np.float32)
        evaluator.add(image, found[:, :4], found[:, 5:], label[:, [1, 2, 3, 4, 0]])
    printed_numbers(case, worst, evaluator)
    assert worst.passed, worst.where


def boxes_at(*places: float) -> np.ndarray:
    return np.asarray([[x, 0.5, 0.1, 0.1] for x in places], np.float32).reshape(-1, 4)


def truth_at(*places: float) -> np.ndarray:
    return np.concatenate([boxes_at(*places), np.zeros((len(places), 1), np.float32)], axis=1)


def test_the_second_detection_of_a_truth_is_false() -> None:
    evaluator = DetectionEvaluator(["only"])
    evaluator.add("a", boxes_at(0.2, 0.201, 0.6), np.asarray([[0.9], [0.8], [0.7]]), truth_at(0.2, 0.6, 0.9))
    result = evaluator.result()
    assert (result.true_positives, result.false_positives, result.false_negatives) == (2, 1, 1)
    assert result.map == pytest.approx((1 + 2 / 3) / 3)
    assert evaluator.result(points=11).map == pytest.approx((4 * 1 + 3 * 2 / 3) / 11)
    assert result.recall == pytest.approx(2 / 3)


def test_at_the_confidence_threshold_the_earlier_row_has_the_truth() -> None:
    evaluator = DetectionEvaluator(["only"])
    evaluator.add("a", boxes_at(0.2, 0.201), np.asarray([[0.1], [0.8]]), truth_at(0.2))
    result = evaluator.result(conf_thresh=0.25)
    assert (result.true_positives, result.false_positives) == (0, 1)
    assert result.map == 1.0


def test_matching_is_strict_within_image_and_class() -> None:
    evaluator = DetectionEvaluator(["one", "two"])
    half = np.asarray([[0.5, 0.5, 0.25, 0.25]], np.float32)
    whole = np.asarray([[0.5, 0.5, 0.25, 0.5, 0]], np.float32)
    evaluator.add("a", half, np.asarray([[0.9, 0.9]]), whole)
    evaluator.add("b", np.zeros((0, 4)), np.zeros((0, 2)), whole)
    assert evaluator.result(iou_thresh=0.5).true_positives == 0
    result = evaluator.result(iou_thresh=0.499)
    assert [one.true_positives for one in result.classes] == [1, 0]
    assert result.classes[0].ap == pytest.approx(0.5)
    assert result.avg_iou == pytest.approx(0.25)
    assert result.unique_truth_count == 2


def test_adding_after_asking() -> None:
    evaluator = DetectionEvaluator(["only"])
    assert evaluator.result().map == 0 and evaluator.result().detections_count == 0
    evaluator.add("a", boxes_at(0.2), np.asarray([[0.9]]), truth_at(0.2))
    assert evaluator.result().map == 1
    evaluator.add("b", boxes_at(), np.zeros((0, 1)), truth_at(0.2))
    assert evaluator.result().map == 0.5
    assert evaluator.image_ids == ["a", "b"]


def test_lines_are_darknets() -> None:
    evaluator = DetectionEvaluator(["RBC"])
    evaluator.add("a", boxes_at(0.2, 0.4), np.asarray([[0.9], [0.8]]), truth_at(0.2, 0.9))
    result = evaluator.result()
    lines = result.lines()
    assert "class_id = 0, name = RBC, ap = 50.00%   \t (TP = 1, FP = 1) " in lines
    assert " for conf_thresh = 0.25, precision = 0.50, recall = 0.50, F1-score = 0.50 " in lines
    assert " for conf_thresh = 0.25, TP = 1, FP = 1, FN = 1, average IoU = 50.00 % " in lines
    assert " IoU threshold = 50 %, used Area-Under-Curve for each unique Recall " in lines
    assert lines[-1] == " mean average precision (mAP@0.50) = 0.500000, or 50.00 % "
    assert "used 101 Recall-points" in evaluator.result(points=101).lines()[-2]
    assert json.loads(json.dumps(result.as_dict()))["classes"][0]["ap"] == 0.5


def test_what_does_not_fit_is_refused() -> None:
    evaluator = DetectionEvaluator(["one", "two"])
    with pytest.raises(DataError, match=r"im\.jpg.*\[1, 1\]"):
        evaluator.add("im.jpg", boxes_at(0.2), np.asarray([[0.9]]), truth_at())
    with pytest.raises(DataError, match=r"im\.jpg.*class 2"):
        evaluator.add("im.jpg", boxes_at(), np.zeros((0, 2)), np.asarray([[0.5, 0.5, 0.1, 0.1, 2]]))
    with pytest.raises(ValueError, match="points=1"):
        evaluator.result(points=1)
    assert evaluator.image_ids == []


def test_undefined_boxes_match_nothing() -> None:
    wild = np.asarray([[np.nan, 0.5, 0.1, 0.1], [0.5, 0.5, np.inf, np.inf], [0.5, 0.5, 0.0, 0.0]], np.float32)
    assert box_iou(wild, np.repeat(truth_at(0.5)[:, :4], 3, axis=0)).tolist() == [0, 0, 0]


def test_average_precision_of_a_class_without_truths_is_zero() -> None:
    none = np.zeros(0, np.int64)
    assert average_precision(none, none, np.asarray([3, 0]), np.asarray([0, 2])).tolist() == [0, 0]


def test_five_thousand_images() -> None:
    rng = np.random.default_rng(0)
    evaluator = DetectionEvaluator([str(k) for k in range(80)])
    rows = np.arange(100)
    start = time.perf_counter()
    for image in range(5000):
        boxes = 0.1 + 0.4 * rng.random((100, 4), np.float32)
        prob = np.zeros((100, 80), np.float32)
        prob[rows, rng.integers(0, 80, 100)] = rng.random(100, np.float32)
        truth = np.concatenate([boxes[:7], prob[:7].argmax(axis=1)[:, None]], axis=1)
        evaluator.add(image, boxes, prob, truth)
    result = evaluator.result()
    # Takes 1 s, the random data included; a loop over detections takes minutes.
    assert time.perf_counter() - start < 8
    assert result.detections_count == 500_000 and result.unique_truth_count == 35_000


def test_a_detection_of_a_difficult_object_is_not_ranked() -> None:
    found, prob = boxes_at(0.2, 0.5, 0.8), np.asarray([[0.9], [0.8], [0.7]])
    evaluator = DetectionEvaluator(["only"])
    evaluator.add("a", found, prob, truth_at(0.2, 0.8), truth_at(0.5))
    result = evaluator.result()
    assert result.map == 1.0 and result.detections_count == 2
    assert (result.true_positives, result.false_positives) == (2, 1)  # Darknet counts it at the threshold
    evaluator.add("b", boxes_at(0.5), prob[:1], truth_at())
    assert evaluator.result().map < 1


def test_curves_are_what_the_area_is_taken_of() -> None:
    evaluator = DetectionEvaluator(["one", "none"])
    prob = np.asarray([[0.9, 0], [0.8, 0], [0.7, 0]])
    evaluator.add("a", boxes_at(0.2, 0.4, 0.6), prob, truth_at(0.2, 0.6, 0.9))
    one, none = evaluator.curves()
    assert one.recall.tolist() == [1 / 3, 2 / 3] and one.precision.tolist() == [1, 2 / 3]
    assert len(none.recall) == len(none.precision) == 0
    assert evaluator.result().classes[0].ap == pytest.approx(1 / 3 + 1 / 3 * 2 / 3)
