"""Small plots of a training's figures over its iterations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csptrain.report.chart import Axis, loss_axis, thin_to_mean
from csptrain.report.picture import Box, Line, Picture, Words
from csptrain.report.scale import Scale

FloatArray = NDArray[np.float64]

COLOURS = ("#2f6fb3", "#d9772b", "#3c8c5a", "#a0407e", "#6b7785", "#8a7a1f")
PALE = "#b9d3ec"
WIDTH, HEIGHT = 480.0, 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 12.0, 30.0, 26.0
_INK, _FAINT, _GRID, _FRAME = "#1f2933", "#66727f", "#edf0f3", "#c6cdd4"
_MOST_DOTS = 40
_LETTER, _KEY, _SIZE = 6.4, 5, 10.5  # of the legend: width of a letter; letters that a line of colour and a gap take


@dataclass(frozen=True)
class Curve:
    """A line of a plot: points [P, 2] of (iteration, value); of more than ``most`` the means of runs of them."""

    name: str
    points: FloatArray
    colour: str = COLOURS[0]
    width: float = 1.8
    dots: bool = False
    most: int = 1000

    @property
    def places(self) -> FloatArray:
        """The points that are drawn."""
        return thin_to_mean(self.points, self.most)


def plot(
    curves: Sequence[Curve],
    last: int,
    *,
    logarithmic: bool = False,
    within: tuple[float, float] | None = None,
    unit: str = "",
) -> Picture:
    """The curves over the iterations 0 to ``last``, the newest value of each in the legend.

    ``logarithmic`` where the values span more than a factor of ten; ``within`` are values that the axis holds at least.
    """
    shown = [curve for curve in curves if len(curve.points)]
    up = _axis(shown, logarithmic, within)
    frame = _Frame(Axis(0, max(last, 1)), up, _LEFT, WIDTH - _RIGHT, HEIGHT - _BOTTOM, _TOP)
    items: list[Box | Line | Words] = [*_grid(frame), *_legend(shown, unit)]
    for curve in shown:
        places = frame.places(curve.places)
        if len(places) > 1:
            items.append(Line(places, curve.colour, curve.width, 0))
        if len(places) == 1 or (curve.dots and len(places) <= _MOST_DOTS):
            items += [Box(x - 3, y - 3, 6, 6, curve.colour, "#ffffff") for x, y in places]
    return Picture(WIDTH, HEIGHT, items)


@dataclass(frozen=True)
class _Frame:
    """Where the plot lies in its picture."""

    across: Axis
    up: Axis
    left: float
    right: float
    bottom: float
    top: float

    def x(self, iteration: float) -> float:
        return self.left + float(self.across.place(np.array([iteration]))[0]) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - float(self.up.place(np.array([value]))[0]) * (self.bottom - self.top)

    def places(self, points: FloatArray) -> tuple[tuple[float, float], ...]:
        xs = self.left + self.across.place(points[:, 0]) * (self.right - self.left)
        ys = self.bottom - self.up.place(points[:, 1]) * (self.bottom - self.top)
        return tuple(zip(xs.tolist(), ys.tolist(), strict=True))


def _axis(curves: Sequence[Curve], logarithmic: bool, within: tuple[float, float] | None) -> Axis:
    values = np.concatenate([np.zeros(0), *(curve.places[:, 1] for curve in curves)])
    if logarithmic:
        return loss_axis(values)
    low, high = (0.0, 0.0) if within is None else within
    if len(values):
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    scale = Scale.around(low, high, 5)
    return Axis(scale.low, scale.high)


def _grid(frame: _Frame) -> Iterator[Line | Words]:
    for value in frame.up.ticks(6):
        y = frame.y(value)
        yield Line(((frame.left, y), (frame.right, y)), _GRID, 1, 0)
        yield Words(frame.left - 6, y + 3.5, _short(value), 10, _FAINT, "end", room=frame.left - 8)
    for value in frame.across.ticks(6):
        x = frame.x(value)
        yield Line(((x, frame.bottom), (x, frame.bottom + 4)), _FRAME, 1, 0)
        yield Words(x, frame.bottom + 16, _short(value), 10, _FAINT, "middle")
    yield Line(((frame.left, frame.top), (frame.left, frame.bottom), (frame.right, frame.bottom)), _FRAME, 1, 0)


def _legend(curves: Sequence[Curve], unit: str) -> Iterator[Line | Words]:
    texts = [f"{curve.name} {_figure(float(curve.points[-1, 1]))}{unit}".strip() for curve in curves]
    letters = (WIDTH - _LEFT - _RIGHT) / max(sum(len(text) + _KEY for text in texts), 1)
    step = min(letters, _LETTER)
    x = _LEFT
    for curve, text in zip(curves, texts, strict=True):
        yield Line(((x, 14), (x + 14, 14)), curve.colour, 3, 0)
        yield Words(x + 19, 18, text, _SIZE, _INK, room=step * (len(text) + 1))
        x += step * (len(text) + _KEY)


def _figure(value: float) -> str:
    if abs(value) < 0.01:
        return f"{value:.2g}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _short(value: float) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 10_000 else f"{value:g}"
