"""Layers that a step, or a weights file, is told to leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.errors import WeightsError
from csptrain.formats.weights import load_weights, save_weights
from csptrain.network import Network
from csptrain.train.step import Trainer
from tests import tiny

TRUTH = torch.tensor([[[0.4, 0.5, 0.3, 0.6, 1.0]]]).repeat(4, 1, 1)
STATISTICS = {"rolling_mean", "rolling_variance"}
TRAINED = {"biases", "scales", "weights"}
# The options of the second of four convolutions stand behind this.
MARK = "filters=16\n"


def network(folder: Path, line: str, seed: int = 3) -> Network:
    assert tiny.cfg().count(MARK) == 1
    (folder / "x.cfg").write_text(tiny.cfg().replace(MARK, MARK + line))
    return Network(graph.load(folder / "x.cfg"), seed)


def moved_by(trained: Network, iteration: int, *before: int) -> list[set[str]]:
    """Per convolution, the names of the tensors that a step changes."""
    trainer = Trainer(trained, torch.device("cpu"))
    for number in (*before, iteration):
        kept = [[stored.tensor.detach().clone() for stored in layer] for layer in trained.stored()]
        draw = torch.Generator().manual_seed(number)
        trainer.step(number, torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8, generator=draw), TRUTH)
    return [
        {stored.name for stored, old in zip(layer, olds, strict=True) if not torch.equal(stored.tensor, old)}
        for layer, olds in zip(trained.stored()[:4], kept, strict=False)
    ]


ALL = [STATISTICS | TRAINED] * 3 + [{"biases", "weights"}]


@pytest.mark.parametrize(
    ("line", "iteration", "second"),
    [
        ("", 5, STATISTICS | TRAINED),
        ("train_only_bn=1\n", 5, STATISTICS),
        ("learning_rate=0\n", 5, STATISTICS),
        ("dont_update=5\n", 5, STATISTICS),
        ("dont_update=5\n", 6, STATISTICS | TRAINED),
        ("burnin_update=2\n", 5, STATISTICS),
        ("burnin_update=2\n", 6, STATISTICS | TRAINED),
    ],
)
def test_one_layer_waits_and_the_others_learn(line: str, iteration: int, second: set[str], tmp_path: Path) -> None:
    assert moved_by(network(tmp_path, line), iteration) == [ALL[0], second, ALL[2], ALL[3]]


@pytest.mark.parametrize("iteration", [5, 60])
def test_stopbackward(iteration: int, tmp_path: Path) -> None:
    ended = iteration >= 50
    for line, thaws in (("stopbackward=1\n", False), ("stopbackward=50\n", ended)):
        trained = network(tmp_path, line)
        before = trained.stored()[1][4].tensor.detach().clone()
        moved = moved_by(trained, iteration)
        if thaws:
            assert moved == ALL
        else:
            assert moved == [STATISTICS, {*STATISTICS, "weights"}, ALL[2], ALL[3]]
            rate = 0.01 if iteration < 9 else 0.001
            decayed = before * (1 - rate * 0.0005)
            torch.testing.assert_close(trained.stored()[1][4].tensor.detach(), decayed, rtol=1e-6, atol=1e-9)


def test_dontload_says_that_a_file_holds_nothing_for_the_layer(tmp_path: Path) -> None:
    whole, path = network(tmp_path, "", seed=1), tmp_path / "x.weights"
    save_weights(whole, path)
    raw = path.read_bytes()
    sizes = [sum(4 * stored.tensor.numel() for stored in layer) for layer in whole.stored()]
    start = 20 + sizes[0]
    path.write_bytes(raw[:start] + raw[start + sizes[1] :])
    with pytest.raises(WeightsError):
        load_weights(network(tmp_path, "", seed=2), path)
    fresh, loaded = network(tmp_path, "dontload=1\n", seed=2), network(tmp_path, "dontload=1\n", seed=2)
    assert load_weights(loaded, path).read == (0, 2, 3)
    for index in range(4):
        source = fresh if index == 1 else whole
        for a, b in zip(loaded.stored()[index], source.stored()[index], strict=True):
            assert torch.equal(a.tensor, b.tensor), (index, a.name)
