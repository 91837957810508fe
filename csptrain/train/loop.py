"""The training loop: next batch, step, log, evaluate, save."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from csptrain.datasets.loader import Batch
from csptrain.errors import CspError
from csptrain.evaluate.measured import Measured
from csptrain.formats.checkpoint import save_state
from csptrain.formats.weights import save_weights
from csptrain.train import state
from csptrain.train.distributed import Processes
from csptrain.train.guard import Guard
from csptrain.train.log import Record, RunLog
from csptrain.train.state import Progress
from csptrain.train.step import Trainer

SAVE_LAST = 100
SPEED_WINDOW = 20


@dataclass(frozen=True)
class Plan:
    """What a training writes, and how often; iterations count from 1.

    ``evaluate`` runs on the validation set every ``map_every`` iterations (0: never) and after the last one; of several
    processes each calls it, and the first one gets the figures.
    ``cfg`` is the network's text as it is trained, overrides included, ``data`` tells its training set from others,
    ``valid`` its validation set.
    """

    base: str
    backup: Path
    cfg: str
    stop: int
    save_every: int
    data: Mapping[str, Any] = field(default_factory=dict)
    valid: Mapping[str, Any] = field(default_factory=dict)
    save_last: int = SAVE_LAST
    map_every: int = 0
    map_from: int = 0
    evaluate: Callable[[], Measured | None] | None = None

    def file(self, word: str) -> Path:
        """``backup/<base>_<word>.weights``, Darknet's names."""
        return self.backup / f"{self.base}_{word}.weights"

    @property
    def state_file(self) -> Path:
        """The full state for --resume."""
        return self.backup / f"{self.base}.state"

    def evaluates_at(self, iteration: int) -> bool:
        """Whether the validation set is due after this iteration."""
        if self.evaluate is None:
            return False
        due = self.map_every > 0 and iteration >= self.map_from and iteration % self.map_every == 0
        return due or iteration == self.stop


@dataclass(frozen=True)
class Watcher:
    """Whoever wants to know: each is called from the loop. ``stop`` tells why it is to end after an iteration."""

    iteration: Callable[[Record, float], None]
    evaluated: Callable[[int, Measured, bool], None]
    warned: Callable[[str], None]
    stop: Callable[[], str | None] = lambda: None


def darknet_interval(max_batches: int) -> int:
    """How many iterations lie between two ``<base>_<iteration>.weights``."""
    return 1000 if max_batches < 10000 else 10000


def fit(
    trainer: Trainer, batches: Iterable[Batch], progress: Progress, plan: Plan, log: RunLog | None, watch: Watcher
) -> str | None:
    """Train from ``progress`` to ``plan.stop`` iterations; raises CspError as `Guard.step` and the loader do.

    A weights file or log that cannot be written on the way is a warning; for the last one, ``_final``, it is an error.
    Of several processes only the first one writes; the others have no ``log``. Gives the reason where it ended before
    the last iteration, with its state saved.
    """
    network = trainer.network
    guard = Guard(trainer, state.capture(trainer, progress, plan.cfg, plan.data), plan.backup, plan.file("last"))
    speed, logged = _Speed(), True
    source = iter(batches)
    while progress.iteration < plan.stop:
        started = time.perf_counter()
        batch = next(source)
        waited = time.perf_counter() - started
        result = guard.step(batch, watch.warned)
        progress.iteration = batch.iteration
        seconds = time.perf_counter() - started
        stop, bad = _agree(trainer.processes, batch, watch)
        note_bad(bad, log, watch.warned)
        measured = _evaluate(trainer, progress, plan, watch)
        if result is not None:
            height, width = batch.images.shape[1:3]
            record = Record(
                iteration=batch.iteration,
                loss=result.loss,
                avg_loss=progress.add(result.loss),
                rate=result.rate,
                seconds=seconds,
                data_wait=waited,
                images=batch.iteration * network.graph.net.effective_batch,
                width=width,
                height=height,
                heads=result.heads,
            ).measured(measured)
            logged = _log(log, record, logged, watch)
            watch.iteration(record, speed.seconds_left(seconds, plan.stop - batch.iteration) / 3600)
        _save(guard, progress, plan, watch, at_once=stop is not None)
        if stop is not None and progress.iteration < plan.stop:
            return stop
    if trainer.processes.first:
        save_weights(network, plan.file("final"))
    return None


def _agree(processes: Processes, batch: Batch, watch: Watcher) -> tuple[str | None, tuple[str, ...]]:
    """Why to stop, if any process has a reason, and the images that none could decode; tells all warnings."""
    own: dict[str, Any] = {"stop": watch.stop(), "bad": batch.bad, "warnings": batch.warnings}
    found = [own] if processes.count == 1 else [*map(json.loads, processes.gather_texts(json.dumps(own)))]
    for each in found:
        for warning in each["warnings"]:
            watch.warned(warning)
    stop: str | None = next((each["stop"] for each in found if each["stop"]), None)
    return stop, tuple(path for each in found for path in each["bad"])


def _log(log: RunLog | None, record: Record, before: bool, watch: Watcher) -> bool:
    """Whether the record is written; told when that changes."""
    try:
        if log is not None:
            log.add(record)
    except CspError as error:
        if before:
            watch.warned(f"{error}; the training goes on, and writes what is missing when it can")
        return False
    if not before:
        watch.warned("the log can be written again")
    return True


def note_bad(paths: Iterable[str], log: RunLog | None, warned: Callable[[str], None]) -> None:
    """Name the images that could not be decoded, each once in a run."""
    if log is None:
        return
    try:
        for message in log.bad_images(paths):
            warned(message)
    except CspError as error:
        warned(f"{error}; the training goes on")


def _evaluate(trainer: Trainer, progress: Progress, plan: Plan, watch: Watcher) -> dict[str, float]:
    """The columns of an evaluation where one is due; the best weights so far are kept."""
    if not plan.evaluates_at(progress.iteration) or plan.evaluate is None:
        return {}
    try:
        found = plan.evaluate()
    except CspError as error:
        watch.warned(f"the validation set cannot be measured: {error}; the training goes on")
        return {}
    if found is None:
        return {}
    best = found.score > progress.best_map
    if best:
        progress.best_map = found.score
        _keep(trainer, plan, "best", watch)
    watch.evaluated(progress.iteration, found, best)
    return found.columns()


def _save(guard: Guard, progress: Progress, plan: Plan, watch: Watcher, at_once: bool) -> None:
    trainer, iteration = guard.trainer, progress.iteration
    if iteration % plan.save_every == 0:
        _keep(trainer, plan, str(iteration), watch)
    if at_once or iteration % plan.save_last == 0 or iteration == plan.stop:
        _keep(trainer, plan, "last", watch)
        if trainer.ema is not None and trainer.ema.averages is not None:
            with trainer.ema.in_place():
                _keep(trainer, plan, "ema", watch)
        guard.good = state.capture(trainer, progress, plan.cfg, plan.data)
        if not trainer.processes.first:
            return
        try:
            save_state(plan.state_file, guard.good)
        except CspError as error:
            watch.warned(f"{error}; the training goes on, the state before it stays")


def _keep(trainer: Trainer, plan: Plan, word: str, watch: Watcher) -> None:
    if not trainer.processes.first:
        return
    try:
        save_weights(trainer.network, plan.file(word))
    except CspError as error:
        watch.warned(f"{error}; the training goes on")


class _Speed:
    """Seconds an iteration over the last few."""

    def __init__(self) -> None:
        self._recent: list[float] = []

    def seconds_left(self, seconds: float, iterations: int) -> float:
        self._recent = [*self._recent[-SPEED_WINDOW + 1 :], seconds]
        return sum(self._recent) / len(self._recent) * iterations
