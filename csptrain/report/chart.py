"""The training chart: loss on a logarithmic axis on the left, mAP or accuracy in percent on the right, one PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from csptrain.errors import DataError
from csptrain.formats.files import write_atomically

FloatArray = NDArray[np.float64]
Colour = tuple[int, int, int]  # blue, green, red

WIDTH, HEIGHT = 1000, 700
LEFT, RIGHT, TOP, BOTTOM = 78, 922, 104, 636

# Drawn larger and shrunk at the end: OpenCV's font has no fine strokes of its own.
_SCALE: Final = 2
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_FRACTION_BITS: Final = 4

_PAPER: Final[Colour] = (255, 255, 255)
_INK: Final[Colour] = (60, 56, 52)
_QUIET: Final[Colour] = (136, 130, 124)
_GRID: Final[Colour] = (234, 231, 228)
_FRAME: Final[Colour] = (188, 184, 180)
_RAW: Final[Colour] = (238, 214, 184)
_AVERAGE: Final[Colour] = (190, 96, 24)
_MEASURED: Final[Colour] = (30, 84, 214)
_BESIDE: Final[Colour] = (92, 140, 70)

_COLUMNS: Final = RIGHT - LEFT  # more points than this across the plot cannot be seen
_LOG_FROM: Final = 10.0  # ratio of the largest to the smallest loss above which the axis is logarithmic
_MOST_DOTS: Final = 60
_LABEL_GAP: Final = 64  # pixels between two percent labels


@dataclass(frozen=True)
class Axis:
    """Maps values to 0..1 from ``low`` to ``high``, linearly or by their logarithm."""

    low: float
    high: float
    log: bool = False

    def place(self, values: FloatArray) -> FloatArray:
        """Positions of ``values`` [P] along the axis; what is outside lies on its end."""
        low, high = self.low, self.high
        inside = np.clip(np.asarray(values, np.float64), low, high)
        if self.log:
            inside, low, high = np.log(inside), math.log(low), math.log(high)
        return np.asarray((inside - low) / (high - low), np.float64)

    def ticks(self, wanted: int) -> list[float]:
        """About ``wanted`` round values inside the axis, rising."""
        return _log_ticks(self.low, self.high, wanted) if self.log else _ticks(self.low, self.high, wanted)


def draw_chart(rows: Sequence[dict[str, float]], path: Path, max_batches: int) -> None:
    """Write the chart of a training as PNG, 1000 x 700 pixels, replacing an older one at once.

    Args:
        rows: one per iteration, rising, with ``iteration``, ``loss``, ``avg_loss``, and where known ``rate``
            and ``map``, or ``top1`` and ``topk`` (fractions). Any number of them; values that are not finite are
            left out.
        max_batches: iterations of the whole training, the length of the axis.

    Raises:
        DataError: the file cannot be written.
    """
    done, encoded = cv2.imencode(".png", render(rows, max_batches))
    if not done:
        raise DataError("the chart cannot be encoded as PNG", path=path)
    write_atomically(path, [encoded.tobytes()], DataError)


def render(rows: Sequence[dict[str, float]], max_batches: int) -> NDArray[np.uint8]:
    """The chart as uint8 [700, 1000, 3], BGR; arguments as for `draw_chart`."""
    raw, average = (_series(rows, key) for key in ("loss", "avg_loss"))
    measures = _measures(rows)
    last = max((row["iteration"] for row in rows), default=0.0)
    across = Axis(0, max(max_batches, last, 1))
    loss = loss_axis(average[:, 1])
    percent = Axis(0, 100)

    canvas = _Canvas()
    _draw_grid(canvas, across, loss)
    canvas.curve(across, loss, thin_to_range(raw, _COLUMNS), _RAW, 1)
    smooth = thin_to_mean(average, _COLUMNS)
    canvas.curve(across, loss, smooth, _AVERAGE, 2)
    if len(smooth):
        canvas.dot(*canvas.point(across, loss, smooth[-1]), _AVERAGE)
    for measure in reversed(measures):
        canvas.curve(across, percent, measure.points, measure.colour, 2 if len(measure.points) <= _MOST_DOTS else 1)
    _draw_scales(canvas, across, loss, percent, measures)
    if measures:
        _draw_measured_points(canvas, across, percent, measures[0].points)
    _draw_header(canvas, rows, max_batches, measures)
    return canvas.image()


@dataclass(frozen=True)
class Measure:
    """What an evaluation measured: points [P, 2] of (iteration, percent)."""

    name: str
    points: FloatArray
    colour: Colour


def _measures(rows: Sequence[dict[str, float]]) -> list[Measure]:
    """The measures that the rows have, the one that the best weights are chosen by first."""
    columns = (("map", "mAP", _MEASURED), ("top1", "top-1", _MEASURED), ("topk", "top-k", _BESIDE))
    found = [Measure(name, _series(rows, key) * (1, 100), colour) for key, name, colour in columns]
    return [measure for measure in found if len(measure.points)]


def loss_axis(average: FloatArray) -> Axis:
    """The axis for the average losses [P]: logarithmic when they span more than a factor of ten.

    A first loss in the thousands then leaves the rest of the curve its height.
    """
    positive = average[average > 0]
    if not len(positive):
        return Axis(0, 1)
    low, high = float(positive.min()), float(positive.max())
    if high / low > _LOG_FROM:
        return Axis(low / 1.6, high * 1.25, log=True)
    return Axis(0, high * 1.1)


def thin_to_mean(points: FloatArray, columns: int) -> FloatArray:
    """At most ``columns`` points [Q, 2] in place of ``points`` [P, 2]: means of runs of equal length."""
    if len(points) <= columns:
        return points
    starts = _run_starts(len(points), columns)
    lengths = np.diff(starts, append=len(points))[:, None]
    return np.asarray(np.add.reduceat(points, starts, axis=0) / lengths, np.float64)


def thin_to_range(points: FloatArray, columns: int) -> FloatArray:
    """At most 2 * ``columns`` points: lowest and highest of runs of equal length, so no peak is lost."""
    if len(points) <= 2 * columns:
        return points
    starts = _run_starts(len(points), columns)
    low, high = (
        np.minimum.reduceat(points[:, 1], starts),
        np.maximum.reduceat(points[:, 1], starts),
    )
    result = np.empty((2 * len(starts), 2), np.float64)
    result[:, 0] = np.repeat(points[starts, 0], 2)
    result[0::2, 1], result[1::2, 1] = low, high
    return result


def _run_starts(length: int, runs: int) -> NDArray[np.int64]:
    return np.arange(runs, dtype=np.int64) * length // runs


def _series(rows: Sequence[dict[str, float]], key: str) -> FloatArray:
    """Points [P, 2] (iteration, value) of the rows that have a finite value."""
    points = np.array([(row["iteration"], row[key]) for row in rows if key in row], np.float64).reshape(-1, 2)
    return points[np.isfinite(points).all(axis=1)]


def _ticks(low: float, high: float, wanted: int) -> list[float]:
    rough = (high - low) / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def _log_ticks(low: float, high: float, wanted: int) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for factors in ((1, 2, 3, 4, 5, 6, 8), (1, 2, 5), (1, 3), (1,)):
        found = [10.0**decade * factor for decade in decades for factor in factors]
        found = [value for value in found if low <= value <= high]
        if len(found) <= wanted:
            break
    return found[:: math.ceil(len(found) / wanted)] if len(found) > wanted else found


class _Canvas:
    """A white page addressed in final pixels; what is drawn on it is anti-aliased."""

    def __init__(self) -> None:
        self._pixels: NDArray[np.uint8] = np.full((HEIGHT * _SCALE, WIDTH * _SCALE, 3), _PAPER, np.uint8)

    def image(self) -> NDArray[np.uint8]:
        """The finished page, uint8 [HEIGHT, WIDTH, 3]."""
        return np.asarray(cv2.resize(self._pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)

    def point(self, across: Axis, up: Axis, value: FloatArray) -> tuple[float, float]:
        """Where (iteration, value) [2] lies on the page."""
        place = self._places(across, up, value[None])[0]
        return float(place[0]), float(place[1])

    def curve(self, across: Axis, up: Axis, points: FloatArray, colour: Colour, thickness: int) -> None:
        """A line through ``points`` [P, 2] of (iteration, value) inside the plot."""
        if len(points) > 1:
            self._lines([self._places(across, up, points)], colour, thickness)

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: Colour) -> None:
        """A hairline."""
        self._lines([np.array((start, end), np.float64)], colour, 1)

    def dot(self, x: float, y: float, colour: Colour) -> None:
        """A filled dot with a white rim."""
        for radius, paint in ((5.0, _PAPER), (3.5, colour)):
            cv2.circle(self._pixels, self._fixed(x, y), self._fixed(radius, 0)[0], paint, -1, cv2.LINE_AA,
                       _FRACTION_BITS)  # fmt: skip

    def text(
        self, text: str, x: float, y: float, colour: Colour, size: float = 0.42, align: float = 0.0,
        bold: bool = False, halo: bool = False,
    ) -> float:  # fmt: skip
        """Write ``text``, centred at ``y``; ``align`` 0 begins, 1 ends at ``x``. Gives its width."""
        thickness = 3 if bold else 2
        (width, height), _ = cv2.getTextSize(text, _FONT, size * _SCALE, thickness)
        origin = (round(x * _SCALE - align * width), round(y * _SCALE + height / 2))
        if halo:
            cv2.putText(self._pixels, text, origin, _FONT, size * _SCALE, _PAPER, thickness + 7, cv2.LINE_AA)
        cv2.putText(self._pixels, text, origin, _FONT, size * _SCALE, colour, thickness, cv2.LINE_AA)
        return width / _SCALE

    def _places(self, across: Axis, up: Axis, points: FloatArray) -> FloatArray:
        x = LEFT + across.place(points[:, 0]) * (RIGHT - LEFT)
        y = BOTTOM - up.place(points[:, 1]) * (BOTTOM - TOP)
        return np.stack((x, y), axis=1)

    def _lines(self, lines: list[FloatArray], colour: Colour, thickness: int) -> None:
        fixed = [np.rint(line * (_SCALE << _FRACTION_BITS)).astype(np.int32) for line in lines]
        cv2.polylines(self._pixels, fixed, False, colour, thickness * _SCALE, cv2.LINE_AA, shift=_FRACTION_BITS)

    @staticmethod
    def _fixed(x: float, y: float) -> tuple[int, int]:
        factor = _SCALE << _FRACTION_BITS
        return round(x * factor), round(y * factor)


def _draw_grid(canvas: _Canvas, across: Axis, loss: Axis) -> None:
    for value in across.ticks(10):
        x, _ = canvas.point(across, loss, np.array((value, loss.low)))
        canvas.line((x, TOP), (x, BOTTOM), _GRID)
    for value in loss.ticks(10):
        _, y = canvas.point(across, loss, np.array((0, value)))
        canvas.line((LEFT, y), (RIGHT, y), _GRID)


def _draw_scales(canvas: _Canvas, across: Axis, loss: Axis, percent: Axis, measures: Sequence[Measure]) -> None:
    corners = ((LEFT, TOP), (RIGHT, TOP), (RIGHT, BOTTOM), (LEFT, BOTTOM), (LEFT, TOP))
    for start, end in pairwise(corners):
        canvas.line(start, end, _FRAME)
    for value in across.ticks(10):
        x, _ = canvas.point(across, loss, np.array((value, loss.low)))
        canvas.line((x, BOTTOM), (x, BOTTOM + 5), _FRAME)
        canvas.text(_count(value), x, BOTTOM + 16, _INK, align=0.5)
    canvas.text("iteration", (LEFT + RIGHT) / 2, BOTTOM + 42, _QUIET, align=0.5)
    for value in loss.ticks(10):
        _, y = canvas.point(across, loss, np.array((0, value)))
        canvas.line((LEFT - 5, y), (LEFT, y), _FRAME)
        canvas.text(f"{value:g}", LEFT - 10, y, _INK, align=1)
    canvas.text("loss, log scale" if loss.log else "loss", LEFT, TOP - 16, _QUIET)
    if not measures:
        return
    for value in percent.ticks(10):
        _, y = canvas.point(across, percent, np.array((0, value)))
        canvas.line((RIGHT, y), (RIGHT + 5, y), _FRAME)
        canvas.text(f"{value:.0f}%", RIGHT + 10, y, _MEASURED)
    canvas.text(measures[0].name, RIGHT, TOP - 16, _MEASURED, align=1)


def _draw_measured_points(canvas: _Canvas, across: Axis, percent: Axis, measured: FloatArray) -> None:
    places = [canvas.point(across, percent, point) for point in measured]
    best = int(measured[:, 1].argmax())
    last = len(measured) - 1
    labelled = [last] if abs(places[best][0] - places[last][0]) < _LABEL_GAP else [best, last]
    for index in range(last - 1, -1, -1):
        if all(abs(places[index][0] - places[other][0]) >= _LABEL_GAP for other in labelled):
            labelled.append(index)
    for index in range(len(measured)) if len(measured) <= _MOST_DOTS else labelled:
        canvas.dot(*places[index], _MEASURED)
    for index in labelled:
        x, y = places[index]
        y += -14 if y > TOP + 24 else 16
        x = min(max(x, LEFT + 24), RIGHT - 24)
        canvas.text(f"{measured[index, 1]:.1f}%", x, y, _MEASURED, align=0.5, halo=True)


def _draw_header(
    canvas: _Canvas, rows: Sequence[dict[str, float]], max_batches: int, measures: Sequence[Measure]
) -> None:
    now = rows[-1] if rows else {"iteration": 0}
    canvas.text(f"iteration {now['iteration']:.0f} of {max_batches}", LEFT, 28, _INK, 0.62, bold=True)
    facts = [f"avg loss {now['avg_loss']:.4g}"] if "avg_loss" in now else ["no iteration is finished yet"]
    if "rate" in now:
        facts.append(f"rate {now['rate']:.4g}")
    for measure in measures:
        points = measure.points
        best = points[points[:, 1].argmax()]
        facts.append(f"{measure.name} {points[-1, 1]:.1f}%, best {best[1]:.1f}% at {best[0]:.0f}")
    canvas.text("    ".join(facts), LEFT, 56, _INK, 0.46)
    x = float(RIGHT)
    legend = [("loss", _RAW), ("average loss", _AVERAGE), *((measure.name, measure.colour) for measure in measures)]
    for name, colour in reversed(legend):
        x -= canvas.text(name, x, 28, _INK, align=1) + 8
        canvas.line((x - 24, 28), (x, 28), colour)
        canvas.line((x - 24, 29), (x, 29), colour)
        x -= 24 + 18


def _count(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 10000 else f"{value:g}"
