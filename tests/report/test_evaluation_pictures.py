"""Precision-recall curves and the confusion of classes: what is where on the pictures."""

from __future__ import annotations

import numpy as np
import pytest

from csptrain.evaluate.average_precision import Curve
from csptrain.evaluate.confusion import Confusion
from csptrain.evaluate.map_result import ClassResult, MapResult
from csptrain.report import confusion_picture, curves
from csptrain.report.confusion_picture import draw_confusion
from csptrain.report.curves import draw_curves, sampled
from csptrain.report.draw import class_colour

SCALE = 2


def result(*aps: float, truths: int = 10, points: int = 0) -> MapResult:
    classes = tuple(ClassResult(k, f"class {k}", ap, 1, 1, truths) for k, ap in enumerate(aps))
    return MapResult(classes, 0.5, 0.25, points, 100, truths * len(aps), 0.5)


def near(picture: np.ndarray, colour: tuple[int, ...], place: tuple[float, float]) -> bool:
    """Whether a colour shows around a point of the picture's own units."""
    x, y = (round(value * SCALE) for value in place)
    around = picture[y - 4 : y + 5, x - 4 : x + 5].reshape(-1, 3).astype(int)
    return bool((np.abs(around - colour).max(axis=1) < 40).any())


def test_a_curve_lies_where_its_axes_say() -> None:
    curve = Curve(np.array([0.25, 0.5]), np.array([1.0, 0.6]))
    picture = draw_curves([curve], result(0.4))
    colour = class_colour(0)
    for recall, precision in ((0.1, 1.0), (0.4, 0.6), (0.5, 0.3)):
        assert near(picture, colour, curves._place(recall, precision))
    assert not near(picture, colour, curves._place(0.4, 0.3))
    assert not near(picture, colour, curves._place(0.7, 0.6))


def test_long_curves_are_the_same_line() -> None:
    recall = np.arange(1, 4001) / 8000
    curve = Curve(recall, 1 - recall)
    values = sampled(curve, 100)
    assert values[0] == pytest.approx(1, abs=1e-3)
    assert values[50] == pytest.approx(0.5, abs=1e-3) and values[51] == 0
    assert near(draw_curves([curve], result(0.4)), class_colour(0), curves._place(0.3, 0.7))


@pytest.mark.parametrize("count", [1, 20, 80])
def test_the_legend_has_room_for_every_class(count: int) -> None:
    curve = Curve(np.array([0.5]), np.array([1.0]))
    picture = draw_curves([curve] * count, result(*np.linspace(0.9, 0.1, count)))
    columns = -(-(count + 1) // curves._LEGEND_ROWS)
    assert picture.shape[1] == SCALE * (curves._LEFT + curves._SIDE + curves._GAP + columns * curves._COLUMN)
    assert (picture[:, -2:] == 255).all()


def test_classes_without_objects_and_other_rules() -> None:
    none = Curve(np.zeros(0), np.zeros(0))
    assert draw_curves([none], result(0.0, truths=0)).shape[2] == 3
    with pytest.raises(ValueError, match="points=0"):
        draw_curves([none], result(0.0, points=11))


def shade(picture: np.ndarray, confusion: Confusion, row: int, column: int) -> np.ndarray:
    """The colour of a cell near its corner, found from the right lower end of the table."""
    count = len(confusion.names) + 1
    cell = min(
        max(confusion_picture._LARGEST_SIDE / count, confusion_picture._LEAST_CELL), confusion_picture._MOST_CELL
    )
    bottom = picture.shape[0] / SCALE - confusion_picture._BOTTOM_ROOM
    labels = [*confusion.names, "background"]
    letter = min(cell * 0.62, 12.0)
    room = min(max(map(len, labels)) * letter * confusion_picture._LETTER_WIDTH + 16, 190.0)
    x = confusion_picture._EDGE + 22 + room + (column + 0.15) * cell
    y = bottom - (count - row - 0.15) * cell
    return picture[round(y * SCALE), round(x * SCALE)].astype(int)


@pytest.mark.parametrize("classes", [2, 30, 80])
def test_cells_are_blue_where_right_and_red_where_wrong(classes: int) -> None:
    counts = np.zeros((classes + 1, classes + 1), np.int64)
    counts[0, 0], counts[1, 0], counts[0, classes], counts[classes, 1] = 90, 5, 10, 3
    confusion = Confusion(tuple(f"class {k}" for k in range(classes)), counts, 0.5, 0.25)
    picture = draw_confusion(confusion)
    right, wrong = shade(picture, confusion, 0, 0), shade(picture, confusion, 1, 0)
    missed, false = shade(picture, confusion, 0, classes), shade(picture, confusion, classes, 1)
    assert right[2] > right[0] + 60
    assert wrong[0] > wrong[2] + 60 and false[0] > false[2] + 60
    assert missed[0] > missed[2] + 10 and missed[2] > wrong[2]  # a smaller share is paler
    assert (shade(picture, confusion, 1, 1) == 255).all()
    assert (picture[:, -2:] == 255).all()


def test_no_objects_at_all() -> None:
    assert draw_confusion(Confusion(("a",), np.zeros((2, 2), np.int64), 0.5, 0.25)).shape[2] == 3
