"""The trials: a step at the largest size, and pictures learnt by heart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.cfg.dataset import read_dataset
from csptrain.datasets.lists import Samples
from csptrain.datasets.sources import read_split
from csptrain.doctor import trial
from csptrain.doctor.book import Book
from csptrain.graph import Graph
from tests import tiny
from tests.threads import one_thread

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    """Ten images of the tiny set."""
    return read_split(read_dataset(tiny.write_set(tmp_path, 10)), "train")


def plan(folder: Path, **options: object) -> Graph:
    path = folder / "x.cfg"
    path.write_text(tiny.cfg(**options))  # type: ignore[arg-type]
    return graph.load(path)


def test_the_dry_run_takes_the_largest_size_and_one_mini_batch(tmp_path: Path, samples: Samples) -> None:
    book = Book()
    planned = plan(tmp_path, yolo="random=1", net="resize_step=32")
    done = trial.dry_run(planned, samples, CPU, book)
    assert done is not None
    assert (done.width, done.height, done.images) == (64, 64, 2)
    assert done.iteration == pytest.approx(2 * done.seconds)
    assert done.course == pytest.approx(12 * done.iteration)
    assert 1 << 20 < done.memory < done.available
    assert book.chapters == []


def test_a_step_that_is_not_finite_or_needs_too_much_is_told(
    tmp_path: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Book()
    assert trial.dry_run(plan(tmp_path, learning_rate=1e38, burn_in=0), samples, CPU, book) is None
    assert [chapter.rule.name for chapter in book.chapters] == ["step-fails"]
    assert "not finite" in book.chapters[0].findings[0].found

    def full(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(trial.Trainer, "step", full)
    assert trial.dry_run(plan(tmp_path), samples, CPU, book) is None
    assert "do not fit into the memory" in book.chapters[0].findings[1].found


def test_memory_that_is_nearly_full_is_told(tmp_path: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_installed", lambda: 1 << 20)
    book = Book()
    trial.dry_run(plan(tmp_path), samples, CPU, book)
    assert [chapter.rule.name for chapter in book.chapters] == ["memory-tight"]


def test_eight_pictures_are_learnt_by_heart_or_it_is_told(tmp_path: Path, samples: Samples) -> None:
    book = Book()
    planned = plan(tmp_path)
    done = trial.overfit(planned, samples, tiny.NAMES, CPU, 150, book)
    assert done is not None
    assert (done.images, done.iterations) == (8, 150)
    assert done.last_loss < 0.5 * done.first_loss
    assert done.ap50 > 0.5
    assert book.chapters == []
    still = replace(planned, net=replace(planned.net, learning_rate=1e-9))
    assert trial.overfit(still, samples, tiny.NAMES, CPU, 10, book) is not None
    assert [chapter.rule.name for chapter in book.chapters] == ["overfit-fails"]


def test_pictures_that_are_not_found_again_are_told(tmp_path: Path, samples: Samples) -> None:
    book = Book()
    done = trial.overfit(plan(tmp_path), samples, tiny.NAMES, CPU, 30, book)
    assert done is not None
    assert done.ap50 < 0.5
    assert [chapter.rule.name for chapter in book.chapters] == ["overfit-weak"]
