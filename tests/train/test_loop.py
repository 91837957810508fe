"""The loop: what is saved when, who is told, and what a full disk does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.datasets.loader import Batch
from csptrain.errors import WeightsError
from csptrain.evaluate.map_result import ClassResult, MapResult
from csptrain.evaluate.measured import Measured
from csptrain.formats.darknet import load
from csptrain.network import Network
from csptrain.train import loop
from csptrain.train.log import Record, RunLog, read_results
from csptrain.train.loop import Plan, Watcher, darknet_interval, fit
from csptrain.train.state import Progress
from csptrain.train.step import Trainer
from tests import tiny


class Watched(list[str]):
    """Everything that the loop tells."""

    def watcher(self) -> Watcher:
        return Watcher(self.iteration, self.evaluated, self.append)

    def iteration(self, record: Record, hours_left: float) -> None:
        assert hours_left >= 0
        self.append(f"iteration {record.iteration}")

    def evaluated(self, iteration: int, result: Measured, best: bool) -> None:
        self.append(f"map {result.score:.2f} at {iteration}{' best' if best else ''}")


def batches(count: int, bad: tuple[str, ...] = ()) -> Iterator[Batch]:
    for iteration in range(1, count + 1):
        draw = torch.Generator().manual_seed(iteration)
        images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8, generator=draw)
        yield Batch(iteration, images, torch.tensor([[[0.5, 0.5, 0.3, 0.4, 1.0]]]).repeat(4, 1, 1), bad)


def measured(*values: float) -> Callable[[], MapResult]:
    rest = iter(values)
    return lambda: MapResult((ClassResult(0, "a", next(rest), 0, 0, 1),), 0.5, 0.25, 0, 0, 1, 0.0)


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    (tmp_path / "x.cfg").write_text(tiny.cfg(max_batches=7))
    return Trainer(Network(graph.load(tmp_path / "x.cfg")), torch.device("cpu"))


def plan(folder: Path, **changes: object) -> Plan:
    made = Plan(base="x", backup=folder / "backup", cfg="", stop=7, save_every=3, save_last=2)
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def run(trainer: Trainer, planned: Plan, folder: Path, bad: tuple[str, ...] = ()) -> Watched:
    told, log = Watched(), RunLog(planned.backup, None, 1)
    fit(trainer, batches(planned.stop, bad), Progress(), planned, log, told.watcher())
    log.close()
    return told


def test_files_and_words_of_a_run(trainer: Trainer, tmp_path: Path) -> None:
    planned = plan(tmp_path, map_every=2, map_from=4, evaluate=measured(0.3, 0.2, 0.5))
    told = run(trainer, planned, tmp_path)
    assert told == [
        "iteration 1", "iteration 2", "iteration 3", "map 0.30 at 4 best", "iteration 4", "iteration 5",
        "map 0.20 at 6", "iteration 6", "map 0.50 at 7 best", "iteration 7",
    ]  # fmt: skip
    names = sorted(path.name for path in planned.backup.iterdir())
    assert names == [
        "results.csv", "x.state", "x_3.weights", "x_6.weights", "x_best.weights", "x_final.weights", "x_last.weights",
        "x_previous.state",
    ]  # fmt: skip
    seen = {word: load(tmp_path / "x.cfg", planned.file(word)).seen for word in ("3", "6", "best", "final", "last")}
    assert seen == {"3": 12, "6": 24, "best": 28, "final": 28, "last": 28}
    assert planned.file("final").read_bytes() == planned.file("last").read_bytes()
    assert [row.get("map") for row in read_results(planned.backup / "results.csv")] == [None] * 3 + [
        0.3, None, 0.2, 0.5,
    ]  # fmt: skip


def test_it_is_measured_at_the_end_whatever_the_interval(trainer: Trainer, tmp_path: Path) -> None:
    planned = plan(tmp_path, map_every=100, evaluate=measured(0.1))
    assert [iteration for iteration in range(1, 8) if planned.evaluates_at(iteration)] == [7]
    assert "map 0.10 at 7 best" in run(trainer, planned, tmp_path)
    assert not any(plan(tmp_path).evaluates_at(iteration) for iteration in range(1, 8))


def test_bad_images_are_told_once_and_listed(trainer: Trainer, tmp_path: Path) -> None:
    planned = plan(tmp_path)
    told = run(trainer, planned, tmp_path, bad=("a.jpg",))
    assert sum("a.jpg: cannot be decoded" in word for word in told) == 1
    assert (planned.backup / "bad.list").read_text() == "a.jpg\n"


def test_a_full_disk_on_the_way_is_a_warning_and_at_the_end_an_error(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, path: Path) -> None:
        raise WeightsError("cannot be written: No space left on device", path=path)

    planned = plan(tmp_path)
    told, log = Watched(), RunLog(planned.backup, None, 1)
    monkeypatch.setattr(loop, "save_weights", full)
    with pytest.raises(WeightsError, match=r"x_final\.weights: cannot be written: No space left"):
        fit(trainer, batches(7), Progress(), planned, log, told.watcher())
    log.close()
    warnings = [word for word in told if "No space" in word]
    assert len(warnings) == 6 and all(word.endswith("the training goes on") for word in warnings)
    assert sorted(path.name for path in planned.backup.iterdir()) == ["results.csv", "x.state", "x_previous.state"]


def test_a_finished_run_writes_its_final_weights_again(trainer: Trainer, tmp_path: Path) -> None:
    planned = plan(tmp_path)
    log = RunLog(planned.backup, None, 8)
    fit(trainer, iter(()), Progress(iteration=7), planned, log, Watched().watcher())
    log.close()
    assert planned.file("final").is_file()


def test_darknets_interval() -> None:
    assert [darknet_interval(count) for count in (500, 9999, 10000, 500000)] == [1000, 1000, 10000, 10000]
