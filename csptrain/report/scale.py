"""The scale of an axis: round numbers that hold all values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """From ``low`` to ``high`` in steps of 1, 2, 2.5 or 5 times a power of ten."""

    low: float
    high: float
    step: float

    @classmethod
    def around(cls, low: float, high: float, most: int = 6) -> Scale:
        """The narrowest that holds ``low`` and ``high`` in about ``most`` steps."""
        if high <= low:
            high = low + (abs(low) or 1.0)
        rough = (high - low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
        return cls(step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9), step)

    def place(self, value: float) -> float:
        """0 for the low end, 1 for the high one."""
        return (value - self.low) / (self.high - self.low)

    def values(self) -> Iterator[float]:
        """The round numbers, rising."""
        return (self.low + number * self.step for number in range(round((self.high - self.low) / self.step) + 1))
