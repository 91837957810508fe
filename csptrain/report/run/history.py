"""The figures of a training, iteration by iteration, in bounded memory: old iterations are kept as means."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csptrain.train.log import MEASURES, Record

FloatArray = NDArray[np.float64]

MOST_WINDOWS = 300  # twice as many are more than a plot has columns
_OF_TRUTHS = ("iou", "obj", "class", "recall")  # a head's means; without a truth to learn they say nothing
_ELEMENT = '<script type="application/json" id="csptrain-history">'
_FOUND = re.compile(re.escape(_ELEMENT) + r"(.*?)</script>", re.DOTALL)


@dataclass
class Window:
    """Some iterations in a row, up to ``last``: the sum of each figure, and how many iterations had it."""

    last: int
    count: int
    sums: dict[str, float] = field(default_factory=dict)
    having: dict[str, int] = field(default_factory=dict)

    def mean(self, name: str) -> float | None:
        """Of a figure over the iterations that have it, None where none has."""
        return self.sums[name] / self.having[name] if name in self.sums else None

    def take(self, other: Window) -> None:
        """Take in the iterations that follow."""
        self.last = other.last
        self.count += other.count
        for name, value in other.sums.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.having[name] = self.having.get(name, 0) + other.having[name]


class History:
    """Figures by name over the iterations; a head's are ``head.<layer>.<name>``.

    At most twice ``MOST_WINDOWS`` windows are kept: when there are more, each two become one. ``measured`` are the
    evaluations: iteration and the columns of results.csv.
    """

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.measured: list[dict[str, float]] = []
        self._length = 1

    @property
    def last(self) -> int:
        """The newest iteration, 0 where there is none."""
        return self.windows[-1].last if self.windows else 0

    def add(self, record: Record, beside: Mapping[str, float]) -> None:
        """Take in an iteration and what else is known of it; a figure that is not finite is left out."""
        figures = {
            "loss": record.loss,
            "avg_loss": record.avg_loss,
            "rate": record.rate,
            "seconds": record.seconds,
            "data_wait": record.data_wait,
            "width": float(record.width),
            "height": float(record.height),
            **beside,
        }
        for layer, numbers in record.heads.items():
            idle = _OF_TRUTHS if numbers.get("count") == 0 else ()
            figures.update({f"head.{layer}.{name}": value for name, value in numbers.items() if name not in idle})
        kept = {name: value for name, value in figures.items() if math.isfinite(value)}
        self._append(Window(record.iteration, 1, kept, dict.fromkeys(kept, 1)))
        found = {name: getattr(record, name) for name in MEASURES if getattr(record, name) is not None}
        if found:
            self.measured.append({"iteration": record.iteration, **found})

    def mean(self, name: str) -> FloatArray:
        """Points [P, 2] of (iteration, mean); none where nothing has this name."""
        rows = [(one.last, mean) for one in self.windows if (mean := one.mean(name)) is not None]
        return np.array(rows, np.float64).reshape(-1, 2)

    def ratio(self, upper: str, lower: str) -> FloatArray:
        """Points [P, 2] of (iteration, sum of ``upper`` by sum of ``lower``)."""
        both = [one for one in self.windows if upper in one.sums and one.sums.get(lower, 0.0) > 0]
        return np.array([(one.last, one.sums[upper] / one.sums[lower]) for one in both], np.float64).reshape(-1, 2)

    def total(self, name: str) -> float:
        """The sum of a figure over all iterations."""
        return sum(one.sums.get(name, 0.0) for one in self.windows)

    def measure(self, name: str) -> FloatArray:
        """Points [P, 2] of (iteration, figure) of the evaluations."""
        rows = [(row["iteration"], row[name]) for row in self.measured if name in row]
        return np.array(rows, np.float64).reshape(-1, 2)

    def heads(self) -> dict[int, list[str]]:
        """The names of the figures of each head, by its layer."""
        found: dict[int, list[str]] = {}
        for name in self._names():
            if name.startswith("head."):
                _, layer, figure = name.split(".", 2)
                found.setdefault(int(layer), []).append(figure)
        return found

    def as_element(self) -> str:
        """All of it as an element of a page that shows nothing, for `read_history`."""
        names = self._names()
        found = {
            "length": self._length,
            "names": names,
            "windows": [[one.last, one.count, [_short(one.mean(name)) for name in names]] for one in self.windows],
            "measured": self.measured,
        }
        # Within a script nothing is an entity; a "<" that could end it is written as JSON may.
        return _ELEMENT + json.dumps(found, separators=(",", ":")).replace("<", "\\u003c") + "</script>"

    def _names(self) -> list[str]:
        return sorted({name for one in self.windows for name in one.sums})

    def _append(self, window: Window) -> None:
        newest = self.windows[-1] if self.windows else None
        if newest is not None and newest.count < self._length:
            newest.take(window)
            return
        self.windows.append(window)
        if len(self.windows) > 2 * MOST_WINDOWS:
            for one, other in zip(self.windows[::2], self.windows[1::2], strict=False):
                one.take(other)
            self.windows = self.windows[::2]
            self._length *= 2


def read_history(page: str, before: int) -> History:
    """What a page holds of the iterations before ``before``; an empty history where it holds none that can be read."""
    found = History()
    match = _FOUND.search(page)
    if match is None:
        return found
    try:
        kept: Any = json.loads(match[1])
        found.windows = list(_windows(kept, before))
        found.measured = [dict(row) for row in kept["measured"] if row["iteration"] < before]
        found._length = max(int(kept["length"]), 1)
    except (ValueError, KeyError, TypeError):
        return History()
    return found


def _windows(kept: Any, before: int) -> Iterator[Window]:
    for last, count, means in kept["windows"]:
        if last < before:
            known = {name: mean for name, mean in zip(kept["names"], means, strict=True) if mean is not None}
            sums = {name: float(mean) * count for name, mean in known.items()}
            yield Window(int(last), int(count), sums, dict.fromkeys(sums, int(count)))


def _short(figure: float | None) -> float | None:
    return None if figure is None else float(f"{figure:.6g}")
