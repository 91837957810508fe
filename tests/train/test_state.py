"""The record of a training and what it refuses to be restored into."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.errors import WeightsError
from csptrain.formats.checkpoint import State
from csptrain.network import Network
from csptrain.train import state
from csptrain.train.state import Progress, fingerprint
from csptrain.train.step import Trainer
from tests import tiny

TRUTH = torch.tensor([[[0.4, 0.5, 0.3, 0.6, 1.0]]]).repeat(4, 1, 1)


def trainer(folder: Path, cfg: str, seed: int) -> Trainer:
    (folder / "x.cfg").write_text(cfg)
    return Trainer(Network(graph.load(folder / "x.cfg"), seed), torch.device("cpu"))


def images(seed: int) -> torch.Tensor:
    return torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_a_restored_trainer_goes_on_bit_for_bit(tmp_path: Path) -> None:
    cfg = tiny.cfg(middle="[dropout]\nprobability=.5\n")
    first, second = trainer(tmp_path, cfg, 1), trainer(tmp_path, cfg, 2)
    for iteration in range(1, 4):
        first.step(iteration, images(iteration), TRUTH)
    progress = Progress(3, 1.5, 0.25, 9)
    state.save(tmp_path / "x.state", first, progress, cfg)
    losses = [first.step(iteration, images(iteration), TRUTH).loss for iteration in (4, 5)]
    torch.manual_seed(99)
    assert state.restore(tmp_path / "x.state", second, cfg) == progress
    assert [second.step(iteration, images(iteration), TRUTH).loss for iteration in (4, 5)] == losses
    assert first.network.seen == second.network.seen == 20
    for a, b in zip(first.network.stored(), second.network.stored(), strict=True):
        assert all(torch.equal(x.tensor, y.tensor) for x, y in zip(a, b, strict=True))


def test_a_layer_made_of_others_keeps_all_their_tensors(tmp_path: Path) -> None:
    one = trainer(tmp_path, tiny.cfg(middle="[crnn]\noutput=8\nhidden=4\nsize=3\npad=1\nbatch_normalize=1\n"), 1)
    kept = state.capture(one, Progress(3), "").tensors
    names = [name for name in kept if name.startswith("layer.")]
    assert len(names) == sum(len(layer) for layer in one.network.stored())
    before = [stored.tensor.detach().clone() for layer in one.network.stored() for stored in layer]
    one.step(1, images(1), TRUTH)
    state.put_back(one, state.capture(one, Progress(1), ""))
    one.step(2, images(2), TRUTH)
    state.put_back(one, State(kept, state.capture(one, Progress(3), "").meta))
    after = [stored.tensor for layer in one.network.stored() for stored in layer]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_running_average_is_darknets() -> None:
    progress = Progress()
    assert [progress.add(loss) for loss in (10.0, 20.0, 0.0)] == pytest.approx([10, 11, 9.9])


def test_another_cfg_is_refused_and_another_network_too(tmp_path: Path) -> None:
    cfg = tiny.cfg()
    one = trainer(tmp_path, cfg, 1)
    state.save(tmp_path / "x.state", one, Progress(3), cfg)
    with pytest.raises(WeightsError, match=r"x\.state: belongs to a training with another cfg .*same cfg"):
        state.restore(tmp_path / "x.state", one, cfg + " ")
    assert fingerprint(cfg) != fingerprint(cfg + " ")
    other = trainer(tmp_path, cfg.replace("filters=24", "filters=28"), 1)
    with pytest.raises(WeightsError, match="does not fit the network"):
        state.restore(tmp_path / "x.state", other, cfg)
