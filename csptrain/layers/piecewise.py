"""Functions of one number as sums of relus: what an importer that knows relu can be told instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Piecewise:
    """f(x) = constant + the sum of height * relu(slope * x + offset) over ``pieces`` (slope, offset, height)."""

    constant: float
    pieces: tuple[tuple[float, float, float], ...]

    def __call__(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Any shape, float64."""
        total = np.full_like(x, self.constant)
        for slope, offset, height in self.pieces:
            total += height * np.maximum(slope * x + offset, 0)
        return total


def through(points: Sequence[tuple[float, float]]) -> Piecewise:
    """The line through points (x, y) of rising x; constant before the first, straight on after the last."""
    pieces = []
    before = 0.0
    for (x, y), (next_x, next_y) in zip(points, points[1:], strict=False):
        slope = (next_y - y) / (next_x - x)
        pieces.append((1.0, -x, slope - before))
        before = slope
    return Piecewise(points[0][1], tuple(pieces))


#: Darknet's activations that are straight in pieces; each agrees with ops.activation everywhere.
ACTIVATIONS: dict[str, Piecewise] = {
    "relu6": Piecewise(0.0, ((1.0, 0.0, 1.0), (1.0, -6.0, -1.0))),
    "relie": Piecewise(0.0, ((1.0, 0.0, 1.0), (-1.0, 0.0, -0.01))),
    "revleaky": Piecewise(0.0, ((1.0, 0.0, 1.0), (-1.0, 0.0, -0.1))),
    "ramp": Piecewise(0.0, ((1.0, 0.0, 1.1), (-1.0, 0.0, -0.1))),
    "hardtan": Piecewise(-1.0, ((1.0, 1.0, 1.0), (1.0, -1.0, -1.0))),
    "plse": Piecewise(0.0, ((-1.0, -4.0, -0.01), (1.0, 4.0, 0.125), (1.0, -4.0, -0.115))),
    "lhtan": Piecewise(0.0, ((-1.0, 0.0, -0.001), (1.0, 0.0, 1.0), (1.0, -1.0, -0.999))),
}

#: hard_mish is line + valley^2 / 2, both straight in pieces.
HARD_MISH_LINE = Piecewise(0.0, ((1.0, 0.0, 1.0), (-1.0, 0.0, -1.0), (-1.0, -2.0, 1.0)))
HARD_MISH_VALLEY = Piecewise(0.0, ((-1.0, 0.0, -1.0), (-1.0, -2.0, 1.0)))
