"""Precision over recall for every class, one picture, with the average precisions as its legend."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from csptrain.evaluate.average_precision import Curve
from csptrain.evaluate.map_result import MapResult
from csptrain.report.draw import class_colour
from csptrain.report.picture import Box, Line, Picture, Pixels, Point, Words, paint

DoubleArray = NDArray[np.float64]

_LEFT, _TOP, _SIDE, _BOTTOM = 64.0, 74.0, 560.0, 58.0
_GAP, _COLUMN, _STEP = 34.0, 186.0, 17.0
_LEGEND_ROWS = int(_SIDE // _STEP) - 1
_STEPS = 560  # along the recall axis: one for each point of the plot
_INK, _FAINT, _GRID, _FRAME, _MEAN = "#1f2933", "#66727f", "#e6eaee", "#b4bcc4", "#111827"
_LIGHT = 0.42  # how far a class's line is mixed with white where there are many


def draw_curves(curves: Sequence[Curve], result: MapResult) -> Pixels:
    """The picture of `curves_picture`, painted as uint8 [H, W, 3] RGB."""
    return paint(curves_picture(curves, result))


def curves_picture(curves: Sequence[Curve], result: MapResult) -> Picture:
    """The curves of all classes in one plot.

    ``curves`` are those of ``DetectionEvaluator.curves`` at the overlap of ``result``, whose rule must be the area:
    it is what the legend tells, best class first. The mean is of the classes that have objects.
    """
    if result.points:
        raise ValueError("the figures of the legend are the areas below the curves: ask for points=0")
    order = sorted(range(len(curves)), key=lambda k: (-result.classes[k].ap, k))
    columns = math.ceil((len(order) + 1) / _LEGEND_ROWS)
    width = _LEFT + _SIDE + _GAP + columns * _COLUMN
    items = [*_frame(result), *_lines(curves, result, order), *_legend(result, order)]
    return Picture(width, _TOP + _SIDE + _BOTTOM, items)


def sampled(curve: Curve, steps: int = _STEPS) -> DoubleArray:
    """Precision [steps + 1] at equally spaced recalls from 0 to 1; 0 beyond the last."""
    at = np.arange(steps + 1) / steps
    return np.append(curve.precision, 0.0)[np.searchsorted(curve.recall, at - 1e-12, side="left")]


def _place(recall: float, precision: float) -> Point:
    return _LEFT + recall * _SIDE, _TOP + (1 - precision) * _SIDE


def _frame(result: MapResult) -> Iterator[Box | Line | Words]:
    yield Words(_LEFT, 32, "Precision and recall", 18, _INK, bold=True)
    rated = [one for one in result.classes if one.truths]
    facts = f"{len(rated)} classes, {result.unique_truth_count} objects, {result.detections_count} detections"
    yield Words(_LEFT, 54, f"right above {result.iou_thresh:.2f} IoU; {facts}", 12, _FAINT)
    for tenth in range(11):
        x, y = _place(tenth / 10, tenth / 10)
        yield Line(((x, _TOP), (x, _TOP + _SIDE)), _GRID, 1, 0)
        yield Line(((_LEFT, y), (_LEFT + _SIDE, y)), _GRID, 1, 0)
        if tenth % 2 == 0:
            yield Words(x, _TOP + _SIDE + 18, f"{tenth / 10:.1f}", 11, _INK, "middle")
            yield Words(_LEFT - 8, y + 4, f"{tenth / 10:.1f}", 11, _INK, "end")
    corners = (_place(0, 1), _place(1, 1), _place(1, 0), _place(0, 0), _place(0, 1))
    yield Line(corners, _FRAME, 1, 0)
    yield Words(_LEFT + _SIDE / 2, _TOP + _SIDE + 42, "recall", 12, _FAINT, "middle")
    yield Words(_LEFT - 42, _TOP + _SIDE / 2, "precision", 12, _FAINT, "middle", turned=True)


def _lines(curves: Sequence[Curve], result: MapResult, order: Sequence[int]) -> Iterator[Line]:
    many = len(order) > _LEGEND_ROWS
    for k in reversed(order):
        if len(curves[k].recall):
            yield Line(_steps(curves[k]), _colour(k, many), 1.1 if many else 1.6, 0)
    rated = [sampled(curves[k]) for k in order if result.classes[k].truths]
    if len(rated) > 1:
        mean = np.mean(rated, axis=0)
        last = min(int(np.count_nonzero(mean)), _STEPS)  # one step beyond the last that is not 0
        points = tuple(_place(place / _STEPS, value) for place, value in enumerate(mean[: last + 1].tolist()))
        yield Line(points, _MEAN, 3.2, 0)


def _steps(curve: Curve) -> tuple[Point, ...]:
    """Corners of the line: level up to a recall, then down; a long curve as one point for each of the plot."""
    if len(curve.recall) > _STEPS:
        values = sampled(curve)
        last = int(np.flatnonzero(values)[-1])
        points = [_place(place / _STEPS, value) for place, value in enumerate(values[: last + 1].tolist())]
    else:
        starts = [0.0, *curve.recall[:-1].tolist()]
        ends = zip(starts, curve.recall.tolist(), curve.precision.tolist(), strict=True)
        points = [_place(recall, value) for begin, end, value in ends for recall in (begin, end)]
    return (*points, (points[-1][0], _place(0, 0)[1]))


def _legend(result: MapResult, order: Sequence[int]) -> Iterator[Box | Line | Words]:
    many = len(order) > _LEGEND_ROWS
    rated = [one.ap for one in result.classes if one.truths]
    mean = sum(rated) / len(rated) if rated else 0.0
    entries = [("mean of classes", f"{mean * 100:.1f} %", _MEAN, True)]
    for k in order:
        one = result.classes[k]
        figure = f"{one.ap * 100:.1f} %" if one.truths else "no objects"
        entries.append((one.name, figure, _colour(k, many), False))
    for place, (name, figure, colour, strong) in enumerate(entries):
        x = _LEFT + _SIDE + _GAP + place // _LEGEND_ROWS * _COLUMN
        y = _TOP + 10 + place % _LEGEND_ROWS * _STEP
        yield Line(((x, y - 4), (x + 18, y - 4)), colour, 3.2 if strong else 2.2, 0)
        yield Words(x + 26, y, name, 11.5, _INK, bold=strong, room=_COLUMN - 26 - 74)
        yield Words(x + _COLUMN - 22, y, figure, 11.5, _INK if strong else _FAINT, "end", strong)


def _colour(k: int, many: bool) -> str:
    mixed = (round(part + (255 - part) * _LIGHT) if many else part for part in class_colour(k))
    return "#{:02x}{:02x}{:02x}".format(*mixed)
