"""Who is taken for whom, by hand."""

from __future__ import annotations

import numpy as np

from csptrain.evaluate.confusion import confusion, image_scores
from csptrain.evaluate.detection import DetectionEvaluator
from csptrain.evaluate.matching import pair_off

PLACES = {"left": 0.2, "middle": 0.5, "right": 0.8}


def boxes(*places: float) -> np.ndarray:
    return np.array([[x, 0.5, 0.1, 0.1] for x in places], np.float32).reshape(-1, 4)


def truth(*pairs: tuple[float, int]) -> np.ndarray:
    labels = np.array([[label] for _, label in pairs], np.float32).reshape(-1, 1)
    return np.concatenate([boxes(*(x for x, _ in pairs)), labels], axis=1)


def scores(*rows: tuple[float, float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_right_wrong_missed_and_false() -> None:
    evaluator = DetectionEvaluator(["a", "b"])
    found = scores((0.9, 0.3), (0.2, 0.8), (0.7, 0), (0.24, 0))
    evaluator.add(0, boxes(0.2, 0.5, 0.9, 0.8), found, truth((0.2, 0), (0.5, 0), (0.8, 1)))
    result = confusion(evaluator)
    # b of the first box is above the threshold too, but a box is one thing.
    assert result.counts.tolist() == [[1, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_the_greatest_overlap_goes_first_whatever_the_scores() -> None:
    evaluator = DetectionEvaluator(["a", "b"])
    evaluator.add(0, boxes(0.21, 0.2), scores((0.9, 0), (0, 0.3)), truth((0.2, 1)))
    evaluator.add(1, boxes(0.2), scores((0.9, 0)), truth())
    assert confusion(evaluator).counts.tolist() == [[0, 0, 0], [0, 1, 0], [2, 0, 0]]


def test_difficult_objects_excuse() -> None:
    evaluator = DetectionEvaluator(["a"])
    one = np.ones((3, 1), np.float32)
    evaluator.add(0, boxes(0.2, 0.5, 0.8), one, truth((0.2, 0)), truth((0.5, 0)))
    assert confusion(evaluator).counts.tolist() == [[1, 0], [1, 0]]


def test_how_each_image_came_off() -> None:
    evaluator = DetectionEvaluator(["a", "b"])
    sure = scores((0.9, 0), (0, 0.9))
    evaluator.add(7, boxes(0.2, 0.5), sure, truth((0.2, 0), (0.5, 0), (0.8, 1)))
    evaluator.add(3, boxes(0.2, 0.5), sure, truth((0.2, 0)), truth((0.5, 1)))
    evaluator.add(5, boxes(0.2), sure[:1], truth((0.8, 0)))
    evaluator.add(4, boxes(), np.zeros((0, 2), np.float32), truth())
    found = image_scores(evaluator)
    assert [(one.right, one.other, one.missed, one.false) for one in found] == [
        (1, 1, 1, 0), (1, 0, 0, 0), (0, 0, 1, 1), (0, 0, 0, 0),
    ]  # fmt: skip
    assert [round(one.share, 3) for one in found] == [0.333, 1, 0, 1]
    seen = evaluator.of_image(0, 0.25)
    assert (seen.label.tolist(), len(seen.truth), len(seen.boxes)) == ([0, 1], 3, 2)


def test_nothing_at_all() -> None:
    assert confusion(DetectionEvaluator(["a"])).counts.tolist() == [[0, 0], [0, 0]]


def test_pairs_are_those_of_taking_the_best_again_and_again() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        one, other = rng.integers(0, 12, 60), rng.integers(0, 9, 60)
        overlap = rng.integers(1, 8, 60) / 8  # many are equal
        left, expected = list(range(60)), []
        while left:
            best = max(left, key=lambda place: (overlap[place], -place))
            expected.append(best)
            left = [place for place in left if one[place] != one[best] and other[place] != other[best]]
        assert pair_off(one, other, overlap).tolist() == sorted(expected)
