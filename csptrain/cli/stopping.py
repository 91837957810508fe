"""When a training is to end before its last iteration: a signal, its time, or the end of who started it."""

from __future__ import annotations

import argparse
import os
import re
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
EXIT_TIME_IS_UP = 124  # as of the command `timeout`
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_PARTS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)")


def duration(text: str) -> float:
    """Seconds of ``90``, ``1h30m``, ``2d``, or as Slurm writes them ``1-12:00:00``; raises ArgumentTypeError."""
    if text.isdecimal():
        found: list[str | None] = [None, None, None, text]
    else:
        match = _CLOCK.fullmatch(text) or _PARTS.fullmatch(text)
        found = list(match.groups()) if match and text else []
    seconds = sum(int(count or 0) * unit for count, unit in zip(found, _UNITS.values(), strict=False))
    if seconds < 1:
        raise argparse.ArgumentTypeError(f"{text} is no time: 90, 45m, 1h30m, 2d or 1-12:00:00")
    return float(seconds)


def exit_code(reason: str) -> int:
    """Of a training that ended so: 128 and the number of a signal, else that of a time that is up."""
    return 128 + signal.Signals[reason] if reason in signal.Signals.__members__ else EXIT_TIME_IS_UP


class Stopping:
    """Within its block the first signal asks for an end after the iteration; the second one ends at once.

    The time of ``limit`` seconds begins when it is made.
    """

    def __init__(self, limit: float | None = None) -> None:
        self._end = None if limit is None else time.monotonic() + limit
        self._limit = limit
        self._received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._launcher = os.getppid() if "CSPTRAIN_STORE" in os.environ else None

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def reason(self) -> str | None:
        """Why the training is to end now, or None."""
        if self._received is not None:
            return self._received.name
        if self._end is not None and time.monotonic() >= self._end:
            return f"the time limit of {self._limit:g} s"
        if self._launcher is not None and os.getppid() != self._launcher:
            return "the end of the process that started it"
        return None

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            raise KeyboardInterrupt
        self._received = signal.Signals(number)
