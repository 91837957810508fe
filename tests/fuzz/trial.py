"""One cfg before every reader: each gives a result or a CspError, within two seconds and a gibibyte."""

from __future__ import annotations

import contextlib
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from csptrain import graph
from csptrain.cfg import edit, text
from csptrain.cfg.layout import tidy
from csptrain.cfg.text import Reading
from csptrain.errors import CspError
from csptrain.layers.contents import BY_NAME
from csptrain.lint.advice import advise
from csptrain.lint.check import check_file
from csptrain.lint.repair import repair
from csptrain.lint.targets import TARGETS, check_target
from csptrain.report.diagram import draw
from csptrain.report.picture import svg
from csptrain.summary import summarize

SECONDS = 2.0  # of the processor: the machine may be busy
BYTES = 1 << 30
WAITS = 4  # times as long, by the clock
NAMES = {name: kind.kind for name, kind in BY_NAME.items()}


class TooSlow(BaseException):
    """Raised in the reader that overdraws its time."""


def strict(path: Path) -> None:
    summarize(graph.load(path))


def lenient(path: Path) -> None:
    graph.load(path, lenient=True)


def checked(path: Path) -> None:
    found = check_file(path)
    for finding in [*found.findings, *advise(found), *(f for target in TARGETS for f in check_target(found, target))]:
        assert len(str(finding)) < 4000


def repaired(path: Path) -> None:
    once = repair(text.read_text(path, errors="surrogateescape"))
    once.encode("utf-8", "surrogateescape")


def formatted(path: Path) -> None:
    before = text.read_text(path, errors="surrogateescape")
    old = text.parse(before, reading=Reading(lenient=True))
    after = tidy(before, NAMES)
    new = text.parse(after, reading=Reading(lenient=True))
    assert [NAMES.get(s.kind, s.kind) for s in old] == [s.kind for s in new]
    assert [(o.key, o.value) for s in old for o in s.options] == [(o.key, o.value) for s in new for o in s.options]
    assert tidy(after, NAMES) == after


def adapted(path: Path) -> None:
    sections = text.read(path, Reading(lenient=True))
    graph.plan(edit.set_classes(sections, 7)[0], Reading(lenient=True))


def drawn(path: Path) -> None:
    svg(draw(graph.load(path, lenient=True)))


READERS: tuple[Callable[[Path], None], ...] = (strict, lenient, checked, repaired, formatted, adapted, drawn)


def trial(path: Path) -> tuple[list[str], dict[str, float]]:
    """What went wrong, reader by reader, and the seconds that each took."""
    wrong: list[str] = []
    seconds: dict[str, float] = {}
    for reader in READERS:
        start = time.process_time()
        try:
            with limits():
                reader(path)
        except CspError:
            pass
        except (Exception, TooSlow) as error:  # noqa: BLE001 - whatever it is, it is what we look for
            wrong.append(f"{reader.__name__}: {type(error).__name__}: {str(error)[:200]}")
        seconds[reader.__name__] = time.process_time() - start
    return wrong, seconds


@contextlib.contextmanager
def limits(seconds: float = SECONDS, memory: int = BYTES) -> Iterator[None]:
    """Within this, TooSlow is raised after so many seconds of the processor, and there are so many bytes at most."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"more than {seconds:g} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGPROF, stop)
    waiting = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory, hard))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    # One that waits, for a pipe for instance, uses no processor.
    signal.setitimer(signal.ITIMER_REAL, WAITS * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, waiting)
        signal.signal(signal.SIGPROF, handler)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
