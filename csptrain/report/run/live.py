"""The page of a training that runs: collects what happens and renews ``report.html`` now and then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import torch

from csptrain.datasets.loader import Batch
from csptrain.errors import CspError
from csptrain.formats.files import utf8, write_atomically
from csptrain.report.run.history import read_history
from csptrain.report.run.photos import sample_photos
from csptrain.report.run.sheet import Facts, Standing, run_page
from csptrain.train.log import Record

FILE = "report.html"
LEAST_SECONDS = 20.0
#: A page is made no sooner than this many times the seconds that the last one took.
PATIENCE = 50.0
_GIB = float(1 << 30)
_PAGES = Path("/proc/self/statm")


class RunReport:
    """Writes the page at the start, while the training runs, and when the block that it is used in is left.

    ``evidence`` gives the parts of the page that show the newest evaluation; it is asked once for each that is shown. A
    page that cannot be written is told to ``warn``, once.
    """

    def __init__(
        self,
        folder: Path,
        facts: Facts,
        start_iteration: int,
        *,
        device: torch.device,
        evidence: Callable[[], Sequence[str]] | None = None,
        warn: Callable[[str], None],
    ) -> None:
        self.path = folder / FILE
        self.facts = facts
        self._device = device
        self._evidence = evidence
        self._warn: Callable[[str], None] | None = warn
        self._history = read_history(_old_page(self.path), start_iteration)
        self._now = Standing()
        self._batch: Batch | None = None
        self._unseen = False
        self._due = time.monotonic()
        self._clock = _Clock()

    def passed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches as they are; the newest is kept for its pictures."""
        for batch in batches:
            self._batch = batch
            yield batch

    def iteration(self, record: Record, hours_left: float) -> None:
        """One iteration is done."""
        self._history.add(record, {**self._memory(), "cores": self._clock.cores()})
        self._now.hours_left = hours_left
        if time.monotonic() >= self._due:
            self._renew()

    def evaluated(self, iteration: int) -> None:
        """The validation set was measured."""
        self._now.evaluated = iteration
        self._unseen = True

    def warned(self, message: str) -> None:
        """Something went wrong that does not stop the training."""
        self._now.warnings.append(message)

    def ended(self, reason: str | None) -> None:
        """The training is over, before its last iteration where there is a ``reason``."""
        self._now.state = "finished" if reason is None else f"stopped ({reason})"

    def __enter__(self) -> RunReport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the last page, with what stopped the training; it is not read again by itself."""
        if error is not None:
            self._now.state = f"stopped by {_reason(error)}"
        self._renew()

    def _renew(self) -> None:
        started = time.monotonic()
        now = self._now
        if self._unseen and self._evidence is not None:
            now.evidence = list(self._evidence())
            self._unseen = False
        if self._batch is not None:
            now.samples = sample_photos(self._batch, self.facts.classes)
        now.written = time.strftime("%Y-%m-%d %H:%M:%S")
        now.hours_spent = self._history.total("seconds") / 3600
        try:
            write_atomically(self.path, [utf8(run_page(self.facts, self._history, now))], CspError)
        except CspError as error:
            if self._warn is not None:
                self._warn(f"{error}; the training goes on")
                self._warn = None
        ended = time.monotonic()
        self._due = ended + max(LEAST_SECONDS, PATIENCE * (ended - started))

    def _memory(self) -> dict[str, float]:
        """GiB that this process holds, and the most that its tensors have held on a GPU."""
        found = {}
        if _PAGES.exists():
            pages = int(_PAGES.read_text().split()[1])
            found["memory"] = pages * os.sysconf("SC_PAGE_SIZE") / _GIB
        if self._device.type == "cuda":
            found["gpu_memory"] = torch.cuda.max_memory_allocated(self._device) / _GIB
        return found


class _Clock:
    """How many cores this process has kept busy since it was last asked."""

    def __init__(self) -> None:
        self._wall, self._work = time.monotonic(), time.process_time()

    def cores(self) -> float:
        wall, work = time.monotonic(), time.process_time()
        found = (work - self._work) / max(wall - self._wall, 1e-9)
        self._wall, self._work = wall, work
        return found


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _old_page(path: Path) -> str:
    """The page of the run that is gone on with; "" where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
