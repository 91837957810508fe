"""The clock of all measurements."""

from __future__ import annotations

import time
from collections.abc import Callable

#: What is cold after another program's turn matters to passes shorter than this many seconds.
SHORT = 0.5


def passes(work: Callable[[], object], most: int, seconds: float = float("inf")) -> list[float]:
    """Seconds of each call of ``work``: ``most`` of them, or those that begin within ``seconds``; at least one."""
    taken: list[float] = []
    while not taken or (len(taken) < most and sum(taken) < seconds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return taken
