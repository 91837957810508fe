"""What a comparison found: the times of every side turn by turn, and ratios of sides of the same run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

MIB = 1 << 20


@dataclass(frozen=True)
class Figure:
    """One side: ``turns`` holds the seconds of each pass of each of its turns.

    ``start`` and ``peak`` are bytes in use before its work was prepared and at most. ``about``: words by the name of
    their column. ``left_out``: why there are no times.
    """

    side: str
    turns: tuple[tuple[float, ...], ...] = ()
    start: int = 0
    peak: int = 0
    about: Mapping[str, str] = field(default_factory=dict)
    left_out: str | None = None

    @property
    def taken(self) -> list[float]:
        """Seconds of all passes."""
        return [seconds for turn in self.turns for seconds in turn]

    @property
    def seconds(self) -> float:
        """Of the median pass."""
        return median(self.taken)

    @property
    def p95(self) -> float:
        """Seconds within which 95 of 100 passes end."""
        return float(np.percentile(self.taken, 95))

    @property
    def used(self) -> int:
        """Bytes of the work alone: the peak without what interpreter and packages take."""
        return self.peak - self.start


@dataclass(frozen=True)
class Comparison:
    """Sides that ran in turn, each in a process of its own with as many ``threads``.

    ``key`` is for programs, as `infer/yolov3-tiny`, ``title`` for people. ``baseline`` is the side that the others are
    put in relation to. A pass works on ``amount`` of a ``unit``. ``notes`` are said below the table. ``took``: seconds
    of the whole comparison; ``warm_up``: passes of each side before the first turn.
    """

    key: str
    title: str
    baseline: str
    threads: int
    unit: str = "image"
    amount: int = 1
    notes: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    took: float = 0.0
    warm_up: int = 0

    @property
    def part(self) -> str:
        """The verb that gives it."""
        return self.key.partition("/")[0]

    def figure(self, side: str) -> Figure | None:
        """A side that was timed."""
        return next((one for one in self.figures if one.side == side and one.turns), None)

    def speed(self, side: str, against: str | None = None) -> float | None:
        """How many times as fast a side is as another one (the baseline): the median over their turns."""
        one, other = self.figure(side), self.figure(against or self.baseline)
        if one is None or other is None:
            return None
        return median(median(theirs) / median(ours) for ours, theirs in zip(one.turns, other.turns, strict=True))

    def memory(self, side: str, against: str | None = None) -> float | None:
        """How much memory a side's work takes, in parts of another one's (the baseline's)."""
        one, other = self.figure(side), self.figure(against or self.baseline)
        return one.used / other.used if one and other and other.used > 0 else None

    def per_second(self, figure: Figure) -> float:
        """Units a second of the median pass."""
        return self.amount / figure.seconds

    def as_dict(self) -> dict[str, Any]:
        """For JSON; seconds and bytes."""
        return {
            "key": self.key,
            "title": self.title,
            "baseline": self.baseline,
            "threads": self.threads,
            "unit": self.unit,
            "amount": self.amount,
            "notes": list(self.notes),
            "took_seconds": self.took,
            "warm_up": self.warm_up,
            "sides": [self._side_dict(figure) for figure in self.figures],
        }

    def _side_dict(self, figure: Figure) -> dict[str, Any]:
        about = {"side": figure.side, **figure.about}
        if not figure.turns:
            return {**about, "left_out": figure.left_out}
        return {
            **about,
            "seconds": figure.seconds,
            "p95_seconds": figure.p95,
            "per_second": self.per_second(figure),
            "speed": self.speed(figure.side),
            "passes": len(figure.taken),
            "turns": len(figure.turns),
            "start_bytes": figure.start,
            "peak_bytes": figure.peak,
            "memory": self.memory(figure.side),
        }
