"""What is not finite: named, undone once with half the rate, then the end; all of it the same after a resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.datasets.loader import Batch
from csptrain.formats.checkpoint import load_state
from csptrain.network import Network
from csptrain.train import state
from csptrain.train.diagnosis import NotFinite
from csptrain.train.log import RunLog, read_results
from csptrain.train.loop import Plan, Watcher, fit
from csptrain.train.state import Progress
from csptrain.train.step import Trainer
from tests import tiny

CPU = torch.device("cpu")
STOP = 12
FILES = ("a.jpg", "b.jpg")
CFG = tiny.cfg(max_batches=STOP, burn_in=0, net="ema_alpha=.5\nadam=1\n", middle="[dropout]\nprobability=.2\n")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def trainer(folder: Path, cfg: str = CFG) -> Trainer:
    (folder / "x.cfg").write_text(cfg)
    torch.manual_seed(7)
    return Trainer(Network(graph.load(folder / "x.cfg"), seed=3), CPU)


def weights(trained: Trainer) -> list[torch.Tensor]:
    return [stored.tensor.detach().clone() for layer in trained.network.stored() for stored in layer]


def truth_of(iteration: int, bad: frozenset[int]) -> torch.Tensor:
    width = float("nan") if iteration in bad else 0.3
    return torch.tensor([[[0.5, 0.5, width, 0.4, 1.0]]]).repeat(4, 1, 1)


def batches(first: int, bad: frozenset[int]) -> Iterator[Batch]:
    """Batches whose truth is no number in some iterations."""
    for iteration in range(first, STOP + 1):
        draw = torch.Generator().manual_seed(iteration)
        images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8, generator=draw)
        yield Batch(iteration, images, truth_of(iteration, bad), (), FILES)


class Run:
    """A training in a folder, from its state where there is one."""

    def __init__(self, folder: Path, bad: frozenset[int] = frozenset(), cfg: str = CFG) -> None:
        folder.mkdir(exist_ok=True)
        self.trainer = trainer(folder, cfg)
        self.plan = Plan(base="x", backup=folder, cfg=cfg, stop=STOP, save_every=100, save_last=3)
        self.bad = bad
        self.told: list[str] = []

    def go(self, kill_after: int = 0) -> Run:
        """To the end, or until the iteration after which it is interrupted."""
        start = Progress(seed=1)
        if self.plan.state_file.exists():
            start = state.restore(self.plan.state_file, self.trainer, self.plan.cfg)
        log = RunLog(self.plan.backup, None, start.iteration + 1)

        def iteration(record: object, left: float) -> None:
            if start.iteration == kill_after:
                raise KeyboardInterrupt

        watcher = Watcher(iteration, lambda *_: None, self.told.append)
        try:
            fit(self.trainer, batches(start.iteration + 1, self.bad), start, self.plan, log, watcher)
        except KeyboardInterrupt:
            assert kill_after
        finally:
            log.close()
        return self

    def final(self) -> bytes:
        return self.plan.file("final").read_bytes()

    def state(self) -> bytes:
        return self.plan.state_file.read_bytes()


def test_a_bad_step_is_undone_and_the_rate_halved(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", frozenset({8})).go()
    (told,) = run.told
    assert told.startswith("iteration 8 is not finite (loss nan): first in head layer 5 [yolo] (")
    assert f"{tmp_path}/run/not_finite.list lists the 2 images of the batch" in told
    assert "the weights are those after iteration 6 again, the rate is halved" in told
    assert (tmp_path / "run" / "not_finite.list").read_text() == "a.jpg\nb.jpg\n"
    rows = read_results(tmp_path / "run" / "results.csv")
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]
    rates = [row["rate"] for row in rows]
    assert rates[:7] == pytest.approx([0.01] * 7) and rates[7:] == pytest.approx([0.0005] * 4)
    assert all(tensor.isfinite().all() for tensor in weights(run.trainer))
    assert run.trainer.network.seen == 4 * STOP
    meta = load_state(run.plan.state_file).meta
    assert (meta["rate_factor"], meta["iteration"], meta["seen"]) == (0.5, 12, 48)


@pytest.mark.parametrize("killed", [4, 7, 10])
def test_a_resumed_run_is_the_same_bit_for_bit(killed: int, tmp_path: Path) -> None:
    bad = frozenset({8})
    whole = Run(tmp_path / "whole", bad).go()
    Run(tmp_path / "parts", bad).go(kill_after=killed)
    parts = Run(tmp_path / "parts", bad).go()
    assert parts.final() == whole.final()
    assert parts.state() == whole.state()


def test_all_that_the_trainer_holds_goes_back(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", frozenset({5}))
    seen: list[list[torch.Tensor]] = []
    spared = run.trainer.step

    def step(iteration: int, *more: torch.Tensor) -> object:
        buffers = (buffer.clone() for buffer in run.trainer.optimizer.state().values())
        seen.append([*weights(run.trainer), *buffers, torch.get_rng_state()])
        return spared(iteration, *more)

    run.trainer.step = step  # type: ignore[method-assign,assignment]
    run.go()
    after_3, after_5 = seen[3], seen[5]
    assert len(after_3) == len(after_5) and all(torch.equal(a, b) for a, b in zip(after_3, after_5, strict=True))


def test_the_second_time_it_stops_with_advice(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", frozenset({5, 10}))
    with pytest.raises(NotFinite) as caught:
        run.go()
    words = str(caught.value)
    assert words.startswith("iteration 10 is not finite")
    assert "the rate has been halved before (lower learning_rate or lengthen burn_in" in words
    assert f"start again from {tmp_path}/run/x_last.weights" in words
    assert len(run.told) == 1
    with pytest.raises(NotFinite, match="iteration 10"):
        Run(tmp_path / "run", frozenset({5, 10})).go()


def test_nothing_is_advised_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFinite) as caught:
        Run(tmp_path / "run", frozenset({1, 2})).go()
    assert "start again" not in str(caught.value)


def test_images_that_cannot_be_listed_are_said(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", frozenset({5}))
    (tmp_path / "run" / "not_finite.list").mkdir()
    run.go()
    assert "its images cannot be listed" in run.told[0]


def test_a_rate_that_is_far_too_large(tmp_path: Path) -> None:
    cfg = tiny.cfg(max_batches=STOP, burn_in=0, learning_rate=1e25)
    run = Run(tmp_path / "run", cfg=cfg)
    with pytest.raises(NotFinite, match="the rate has been halved before"):
        run.go()
    assert run.told[0].startswith("the update of iteration 1 is not finite (loss ")
    assert "): first in the biases of layer 0 [convolutional] (" in run.told[0]
    assert "the weights are those after iteration 0 again" in run.told[0]


def step_with(folder: Path, spoil: Callable[[Trainer], object], cfg: str = CFG) -> str:
    """What a step says of a trainer that has been spoiled."""
    trained = trainer(folder, cfg)
    trained.step(1, next(batches(1, frozenset())).images, truth_of(1, frozenset()))
    spoil(trained)
    with pytest.raises(NotFinite) as caught:
        trained.step(2, next(batches(2, frozenset())).images, truth_of(2, frozenset()))
    return str(caught.value)


def plant(layer: int, place: int, value: float) -> Callable[[Trainer], object]:
    def spoil(trained: Trainer) -> None:
        with torch.no_grad():
            tensor = trained.network.stored()[layer][place].tensor
            tensor[(0,) * tensor.dim()] = value

    return spoil


@pytest.mark.parametrize("loss", ["mse", "ciou"])
def test_a_weight_that_is_no_number(loss: str, tmp_path: Path) -> None:
    cfg = CFG.replace("iou_loss=ciou", f"iou_loss={loss}")
    words = step_with(tmp_path, plant(1, 4, float("nan")), cfg)
    assert words.endswith("x.cfg:26)") and ": first in the weights of layer 1 [convolutional] (" in words


def test_the_output_of_a_layer(tmp_path: Path) -> None:
    def spoil(trained: Trainer) -> None:
        trained.network.layers[1].register_forward_hook(lambda _module, _given, output: output * float("inf"))

    words = step_with(tmp_path, spoil)
    assert ": first in the output of layer 1 [convolutional] (" in words
    assert "then in head layer 5 [yolo] (" in words


def test_it_may_not_come_again(tmp_path: Path) -> None:
    def spoil(trained: Trainer) -> None:
        runs = iter(range(100))

        def once(_module: object, _given: object, output: torch.Tensor) -> torch.Tensor:
            return output * (float("nan") if next(runs) == 0 else 1)

        trained.network.layers[1].register_forward_hook(once)

    assert step_with(tmp_path, spoil).endswith("nowhere when the batch was run once more")


def test_a_gradient_is_traced_to_the_layer_nearest_to_the_heads(tmp_path: Path) -> None:
    def spoil(trained: Trainer) -> None:
        trained.network.layers[3].register_full_backward_hook(
            lambda _module, _given, _taken: (torch.full((2, 16, 8, 8), float("nan")),)
        )

    cfg = tiny.cfg(max_batches=STOP, burn_in=0, middle="[dropout]\nprobability=.2\n")
    words = step_with(tmp_path, spoil, cfg)
    assert words.startswith("the update of iteration 2 is not finite (loss ")
    assert "): first in the gradient of layer 1 [convolutional] (" in words
