"""Frames a second as Darknet counts them."""

from __future__ import annotations

import time
from collections import deque

#: Seconds that the average looks back.
WINDOW = 3.0
_INERTIA = 0.9


class Pace:
    """``now``: the rate of the last frame, smoothed; ``average``: of the last three seconds, 0 in the beginning."""

    def __init__(self) -> None:
        self.now = 0.0
        self.average = 0.0
        self._ends: deque[float] = deque([time.perf_counter()])

    def frame(self, now: float | None = None) -> None:
        """Count a frame that is done at ``now`` (seconds of `time.perf_counter`)."""
        end = time.perf_counter() if now is None else now
        rate = 1 / max(end - self._ends[-1], 1e-6)
        self.now = rate if not self.now else _INERTIA * self.now + (1 - _INERTIA) * rate
        self._ends.append(end)
        while end - self._ends[0] > WINDOW and len(self._ends) > 2:
            self._ends.popleft()
            self.average = (len(self._ends) - 1) / (end - self._ends[0])
