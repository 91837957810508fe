"""All of training that has a state or draws at random, at once: interrupted and resumed it ends with the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.cli.main import main
from csptrain.cli.progress import Display
from csptrain.formats.checkpoint import load_state
from csptrain.train.adversarial import attack_rate
from csptrain.train.log import Record
from csptrain.train.multiscale import batch_at, size_at
from tests import tiny

ITERATIONS = 24
SEED = 2
NET = "mosaic=1\nhue=.1\nsaturation=1.5\nexposure=1.5\nema_alpha=.8\nadversarial_lr=1\ndynamic_minibatch=1\n"
CFGS = {
    name: tiny.cfg(
        max_batches=ITERATIONS,
        burn_in=3,
        net=NET + line,
        middle="[dropout]\nprobability=.3\n",
        yolo="random=1\njitter=.3\n",
    )
    for name, line in {"sgd": "", "adam": "adam=1\n"}.items()
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_set(tmp_path_factory.mktemp("set"))


def words(folder: Path, data: Path, name: str) -> list[str]:
    folder.mkdir(exist_ok=True)
    (folder / "x.cfg").write_text(CFGS[name])
    return [
        "detector", "train", str(data), str(folder / "x.cfg"), "--device", "cpu", "--workers", "0", "--amp", "off",
        "--backup", str(folder / "backup"), "--save_last", "5", "--seed", str(SEED),
    ]  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "backup").glob("x*") if path.suffix != ".cfg"}


@pytest.mark.parametrize("name", CFGS)
def test_every_byte_is_the_same(
    name: str, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path / "whole", data, name)) == 0
    told = Display.iteration
    # Before the averages begin (12), between that and where they become the weights (22), and after it.
    for stop in (8, 17, 23):

        def interrupted(display: Display, record: Record, hours_left: float, stop: int = stop) -> None:
            told(display, record, hours_left)
            if record.iteration == stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(Display, "iteration", interrupted)
        assert main([*words(tmp_path / "parts", data, name), "--resume"]) == 130
    monkeypatch.setattr(Display, "iteration", told)
    assert main([*words(tmp_path / "parts", data, name), "--resume"]) == 0
    said = capsys.readouterr().out
    assert all(f"resumed after iteration {number} of {ITERATIONS}" in said for number in (5, 15, 20))
    whole, parts = files(tmp_path / "whole"), files(tmp_path / "parts")
    assert set(whole) == {"x_final.weights", "x_last.weights", "x_ema.weights", "x.state", "x_previous.state"}
    assert parts == whole
    assert whole["x_ema.weights"] != whole["x_final.weights"]
    tensors = load_state(tmp_path / "whole" / "backup" / "x.state").tensors
    moments = {"mean", "square"} if name == "adam" else set()
    assert {key.partition(".")[0] for key in tensors} == {"layer", "momentum", "ema", "ema_swapped", "rng", *moments}
    assert bool(tensors["ema_swapped"])


def test_the_run_draws_what_it_should(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_text(CFGS["sgd"])
    plan = graph.load(tmp_path / "x.cfg")
    iterations = range(1, ITERATIONS + 1)
    assert len({size_at(plan, SEED, iteration) for iteration in iterations}) > 1
    assert len({batch_at(plan, SEED, iteration) for iteration in iterations}) > 1
    attacks = [attack_rate(plan.net, SEED, iteration, part) > 0 for iteration in iterations for part in range(2)]
    assert 10 < sum(attacks) < 30
