"""VOC's average precision, against its rules written out one detection at a time, on its result files."""

from __future__ import annotations

import numpy as np
import pytest

from csptrain.evaluate.pixels import objects_of
from csptrain.evaluate.voc import overlap_with_edges, voc_result
from csptrain.report.records import voc_lines
from tests.evaluate.found import SIZES, made_up

CLASSES = 3


def by_the_book(k: int, files: list[list[str]], truths: list[list[tuple[int, list[float], bool]]]) -> np.ndarray:
    """Recall and precision [2, D] of class ``k``, from lines of its file and the objects of each image."""
    rows = [line.split() for line in files[k]]
    scores = np.array([float(row[1]) for row in rows])
    taken: set[tuple[int, int]] = set()
    right, wrong = [], []
    for place in np.argsort(-scores, kind="stable"):
        image, box = int(rows[place][0]), [float(edge) for edge in rows[place][2:]]
        best, which = 0.0, -1
        for number, (kind, edges, _) in enumerate(truths[image]):
            width = min(box[2], edges[2]) - max(box[0], edges[0]) + 1
            height = min(box[3], edges[3]) - max(box[1], edges[1]) + 1
            if kind != k or width <= 0 or height <= 0:
                continue
            area = (box[2] - box[0] + 1) * (box[3] - box[1] + 1) + (edges[2] - edges[0] + 1) * (edges[3] - edges[1] + 1)
            share = width * height / (area - width * height)
            if share > best:
                best, which = share, number
        if best >= 0.5 and truths[image][which][2]:
            right.append(0), wrong.append(0)
        elif best >= 0.5 and (image, which) not in taken:
            taken.add((image, which))
            right.append(1), wrong.append(0)
        else:
            right.append(0), wrong.append(1)
    total = sum(kind == k and not hard for image in truths for kind, _, hard in image)
    hits, misses = np.cumsum(right), np.cumsum(wrong)
    return np.stack([hits / total, hits / np.maximum(hits + misses, 1)])


def eleven(recall: np.ndarray, precision: np.ndarray) -> float:
    return float(np.mean([precision[recall >= r].max(initial=0.0) for r in np.arange(11) / 10]))


def area(recall: np.ndarray, precision: np.ndarray) -> float:
    recall, precision = np.concatenate([[0], recall, [1]]), np.concatenate([[0], precision, [0]])
    for place in range(len(precision) - 2, -1, -1):
        precision[place] = max(precision[place], precision[place + 1])
    steps = np.flatnonzero(np.diff(recall))
    return float(((recall[steps + 1] - recall[steps]) * precision[steps + 1]).sum())


def test_figures_are_those_of_the_files() -> None:
    samples, pixels, found = made_up(60, CLASSES)
    objects = objects_of(samples, pixels, CLASSES)
    files: list[list[str]] = [[] for _ in range(CLASSES)]
    for index, detections in enumerate(found):
        for k, line in voc_lines(detections, SIZES[index % len(SIZES)], str(index)):
            files[k].append(line)
    truths: list[list[tuple[int, list[float], bool]]] = [[] for _ in found]
    for place, image in enumerate(objects.image):
        left, top, width, height = objects.boxes[place].tolist()
        edges = [left + 1, top + 1, left + width + 1, top + height + 1]
        truths[image].append((int(objects.label[place]), edges, bool(objects.difficult[place])))
    assert any(hard for image in truths for _, _, hard in image)

    result = voc_result(pixels, objects)
    for k in range(CLASSES):
        recall, precision = by_the_book(k, files, truths)
        assert 0.05 < result.area[k] < 0.9
        assert result.area[k] == pytest.approx(area(recall, precision), abs=1e-12)
        assert result.eleven[k] == pytest.approx(eleven(recall, precision), abs=1e-12)
    assert result.map_area == pytest.approx(np.mean(result.area))


def test_classes_without_objects_are_no_part_of_the_mean() -> None:
    samples, pixels, _ = made_up(20, CLASSES)
    objects = objects_of(samples, pixels, CLASSES)
    gone = objects.label == 1
    objects.difficult[gone] = True
    result = voc_result(pixels, objects)
    assert result.truths[1] == 0 and result.area[1] == 0
    assert result.map_area == pytest.approx((result.area[0] + result.area[2]) / 2)
    assert result.as_dict()["map_11_points"] == result.map_eleven


def test_pixels_of_both_edges_belong_to_a_box() -> None:
    one = np.array([[1.0, 1, 10, 10], [1, 1, 10, 10], [1, 1, 10, 10], [3, 3, 2, 2]])
    other = np.array([[1.0, 1, 10, 10], [10, 10, 20, 20], [11, 1, 20, 10], [3, 3, 2, 2]])
    np.testing.assert_allclose(overlap_with_edges(one, other), [1, 1 / 220, 0, 0])
