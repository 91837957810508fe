"""What an evaluation while training has shown, as parts of a page: curves, confusion, best and worst images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from csptrain.evaluate.classification import ClassificationResult, Guesses
from csptrain.evaluate.confusion import ImageScore, confusion, image_scores
from csptrain.evaluate.detection import DetectionEvaluator
from csptrain.evaluate.map_result import MapResult
from csptrain.evaluate.matching import IntArray
from csptrain.report.confusion_picture import class_confusion_picture, confusion_picture
from csptrain.report.curves import curves_picture
from csptrain.report.page import cards, drawing, folded, heading, paragraph, table
from csptrain.report.picture import svg
from csptrain.report.run.photos import class_photo, detected_photo

MOST_CLASSES = 100  # in tables and pictures; a page has no room for more
BEST, WORST = 4, 8


def detector_parts(evaluator: DetectionEvaluator, result: MapResult, images: Sequence[str]) -> Iterator[str]:
    """Of a detector; ``images`` are the paths of the list, by the ids that the evaluator was given.

    ``result`` gives the thresholds.
    """
    iou, conf = result.iou_thresh, result.conf_thresh
    area = evaluator.result(iou, conf)
    if len(evaluator.names) <= MOST_CLASSES:
        yield cards(
            drawing(svg(curves_picture(evaluator.curves(iou), area))),
            drawing(svg(confusion_picture(confusion(evaluator, iou, conf)))),
        )
    yield folded(f"Average precision of {len(result.classes)} classes", _classes(result))
    scores = image_scores(evaluator, iou, conf)
    worst = sorted((one for one in scores if one.share < 1), key=lambda one: (one.share, -_errors(one)))
    best = sorted((one for one in scores if one.right), key=lambda one: (-one.share, -one.right))
    words = (
        f"Left the labels, right the boxes above {conf:.2f}. {{}} by the share of right boxes in all objects and false "
        f"boxes, paired above {iou:.2f} IoU."
    )
    for title, chosen in (("Worst", worst[:WORST]), ("Best", best[:BEST])):
        if chosen:
            yield heading(f"{title} validation pictures")
            yield paragraph(words.format(title))
            pairs = ((one, images[_place(evaluator, one)]) for one in chosen)
            yield "".join(detected_photo(evaluator, one, path, evaluator.names, conf) for one, path in pairs)


def classifier_parts(
    guesses: Guesses, result: ClassificationResult, truth: IntArray, images: Sequence[str]
) -> Iterator[str]:
    """Of a classifier; ``truth`` int64 and ``images`` are those of the whole list."""
    names = [one.name for one in result.classes]
    kinds, first = truth[guesses.indices], guesses.classes[:, 0]
    if 1 < len(names) <= MOST_CLASSES:
        cells = np.bincount(kinds * len(names) + first, minlength=len(names) ** 2)
        yield cards(drawing(svg(class_confusion_picture(names, cells.reshape(len(names), -1)))))
    rows = sorted(result.classes, key=lambda one: one.recall)[:MOST_CLASSES]
    cells_of = [
        [one.name, f"{one.recall:.1%}", f"{one.precision:.1%}", str(one.right), str(one.images)] for one in rows
    ]
    header = ["class", "accuracy", "precision", "right", "images"]
    yield folded(f"Accuracy of {len(result.classes)} classes, the worst first", table(header, cells_of))
    likely = guesses.probabilities[:, 0]
    order = np.argsort(-likely, kind="stable")
    sides = (("Most certain and wrong", kinds != first, WORST), ("Most certain and right", kinds == first, BEST))
    for title, side, most in sides:
        chosen = order[side[order]][:most].tolist()
        if chosen:
            yield heading(f"{title}")
            yield "".join(
                class_photo(
                    images[int(guesses.indices[row])],
                    f"{images[int(guesses.indices[row])]}: {names[kinds[row]]}, called {names[first[row]]} "
                    f"({likely[row]:.2f})",
                )
                for row in chosen
            )


def _classes(result: MapResult) -> str:
    order = sorted(result.classes, key=lambda one: (-one.ap, one.index))[:MOST_CLASSES]
    rows = [
        [
            one.name,
            f"{one.ap:.1%}" if one.truths else "-",
            *map(str, (one.true_positives, one.false_positives, one.truths)),
        ]
        for one in order
    ]
    return table(["class", "AP", "true positives", "false positives", "objects"], rows)


def _errors(score: ImageScore) -> int:
    return score.other + score.missed + score.false


def _place(evaluator: DetectionEvaluator, score: ImageScore) -> int:
    """The number of an image in the list."""
    number = evaluator.image_ids[score.image]
    assert isinstance(number, int)
    return number
