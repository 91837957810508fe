"""A side of a comparison, and the process in which it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from csptrain.bench import child
from csptrain.errors import CspError


class SideFailed(CspError):
    """A side whose process ended before it was done."""


@dataclass(frozen=True)
class Side:
    """What runs against others: its name in the tables, one of ``work.WORKS`` with options, and its threads.

    ``python`` is another interpreter for it; ``about`` is said of it, words by the name of their column.
    """

    name: str
    work: str
    options: Mapping[str, Any]
    threads: int
    python: str | None = None
    about: Mapping[str, str] = field(default_factory=dict)


class Process:
    """A side in a process of its own, so that its memory can be told and nothing of another one is in its way."""

    def __init__(self, side: Side, log: Path) -> None:
        """Start it and wait until it is prepared; ``log`` gets what it writes for people. Raises SideFailed."""
        self.side = side
        self._log = log
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(side.threads))
        pipe = subprocess.PIPE
        words = [side.python or sys.executable, child.__file__]
        with log.open("wb") as stream:
            try:
                self._process = subprocess.Popen(
                    words, stdin=pipe, stdout=pipe, stderr=stream, env={**os.environ, **threads}, text=True
                )
            except OSError as error:
                raise SideFailed(f"{words[0]} cannot be started: {error.strerror}") from None
        try:
            request = {"work": side.work, "options": dict(side.options), "threads": side.threads}
            self.about: dict[str, str] = {**side.about, **self._ask(request)["about"]}
        except SideFailed:
            self.close()
            raise

    def take_turn(self, passes: int, seconds: float) -> list[float]:
        """Seconds of each of at most ``passes`` passes, those that begin within ``seconds``; raises SideFailed."""
        taken: list[float] = self._ask({"passes": passes, "seconds": seconds})["taken"]
        return taken

    def save(self, path: Path) -> None:
        """Run a pass and write the arrays that it gives to an ``.npz``; raises SideFailed."""
        self._ask({"save": str(path)})

    def memory(self) -> tuple[int, int]:
        """Bytes in use before the work was prepared, and the most so far; raises SideFailed."""
        found = self._ask({"memory": True})
        return found["start"], found["peak"]

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed() from None
        line = self._process.stdout.readline()
        if not line:
            raise self._failed()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failed(self) -> SideFailed:
        code = self._process.wait()
        said = self._log.read_text(errors="replace").strip().splitlines()[-1:]
        if code < 0:
            why = "out of memory?" if code == -9 else f"signal {-code}"
            return SideFailed(f"its process was ended ({why})")
        return SideFailed(said[0][:300] if said else f"its process ended with code {code}")
