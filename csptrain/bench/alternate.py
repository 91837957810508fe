"""Sides take turns, so that what disturbs the machine meets all of them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from csptrain.bench.result import Comparison, Figure
from csptrain.bench.side import Process, Side, SideFailed

Say = Callable[[str], None]


@dataclass(frozen=True)
class Turns:
    """How sides alternate: ``rounds`` turns of each, of at most ``passes`` passes that begin within ``seconds``.

    Before the first turn each makes ``warm_up`` passes that do not count, and one before every turn of short passes.
    """

    rounds: int = 5
    passes: int = 10
    seconds: float = 1.0
    warm_up: int = 2

    def single(self, warm_up: int = 1) -> Turns:
        """The same with one pass a turn, for what takes long."""
        return replace(self, passes=1, warm_up=warm_up)


@dataclass
class _Runner:
    """A side while it runs."""

    side: Side
    say: Say
    process: Process | None = None
    turns: list[tuple[float, ...]] = field(default_factory=list)
    memory: tuple[int, int] = (0, 0)
    left_out: str | None = None

    @contextmanager
    def unless_it_fails(self) -> Iterator[None]:
        """Leave the side out, and say so, where it fails."""
        try:
            yield
        except SideFailed as error:
            self.left_out = error.message
            self.say(f"{self.side.name} is left out: {error.message}")

    def figure(self) -> Figure:
        """What is known of it in the end."""
        about = self.process.about if self.process else self.side.about
        if self.left_out is not None:
            return Figure(self.side.name, about=about, left_out=self.left_out)
        return Figure(self.side.name, tuple(self.turns), *self.memory, about)


def alternate(
    what: Comparison, sides: Sequence[Side], turns: Turns, say: Say, started: Callable[[Process], None] | None = None
) -> Comparison:
    """Run the sides in turn, each in a process of its own: ``what``, with a figure for each in their order.

    ``started`` is called with each process before its first pass. A SideFailed, its own or the process's, leaves the
    side out.
    """
    begun = time.perf_counter()
    runners = [_Runner(side, say) for side in sides]
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="csptrain.")))
        for number, runner in enumerate(runners):
            say(f"{what.title}: preparing {runner.side.name}")
            with runner.unless_it_fails():
                runner.process = Process(runner.side, logs / str(number))
                stack.callback(runner.process.close)
                if started is not None:
                    started(runner.process)
                if turns.warm_up:
                    runner.process.take_turn(turns.warm_up, float("inf"))
        for number in range(turns.rounds):
            say(f"{what.title}: turn {number + 1} of {turns.rounds}")
            for runner, process in _running(runners):
                with runner.unless_it_fails():
                    runner.turns.append(tuple(process.take_turn(turns.passes, turns.seconds)))
        for runner, process in _running(runners):
            with runner.unless_it_fails():
                runner.memory = process.memory()
        figures = tuple(runner.figure() for runner in runners)
    return replace(what, figures=figures, took=time.perf_counter() - begun, warm_up=turns.warm_up)


def _running(runners: Sequence[_Runner]) -> Iterator[tuple[_Runner, Process]]:
    for runner in runners:
        if runner.process is not None and runner.left_out is None:
            yield runner, runner.process
