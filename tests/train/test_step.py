"""One iteration: sub-batches add up, pixels are scaled, a bad loss changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.network import Network
from csptrain.train.diagnosis import NotFinite
from csptrain.train.step import Trainer
from tests import tiny

CPU = torch.device("cpu")
TRUTH = torch.tensor([[[0.4, 0.5, 0.3, 0.6, 1.0]], [[0.6, 0.2, 0.5, 0.5, 0.0]]]).repeat(2, 1, 1)


def trainer(folder: Path, cfg: str) -> Trainer:
    (folder / "x.cfg").write_text(cfg)
    return Trainer(Network(graph.load(folder / "x.cfg"), seed=3), CPU)


def images(seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def weights(trained: Trainer) -> list[torch.Tensor]:
    return [stored.tensor.detach().clone() for layer in trained.network.stored() for stored in layer]


def test_sub_batches_add_up_to_the_batch(tmp_path: Path) -> None:
    results = []
    for subdivisions in (1, 2, 4):
        # Without batch normalization, whose statistics are those of a sub-batch.
        cfg = tiny.cfg(subdivisions=subdivisions).replace("batch_normalize=1\n", "").replace("ciou", "mse")
        trained = trainer(tmp_path, cfg)
        results.append((trained.step(5, images(), TRUTH), weights(trained), trained.network.seen))
    (whole, first, seen), *others = results
    assert seen == 4
    for result, tensors, also_seen in others:
        assert also_seen == 4
        assert result.loss == pytest.approx(whole.loss, rel=1e-5)
        for a, b in zip(first, tensors, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_step_tells_loss_rate_and_what_the_heads_saw(tmp_path: Path) -> None:
    trained = trainer(tmp_path, tiny.cfg())
    result = trained.step(3, images(), TRUTH)
    assert result.rate == 0.01 and result.loss > 0
    assert set(result.heads) == {4} and result.heads[4]["count"] == 2  # per sub-batch of two images
    assert trained.network.training


def test_pixels_become_zero_to_one(tmp_path: Path) -> None:
    trained = trainer(tmp_path, tiny.cfg())
    seen: list[torch.Tensor] = []
    trained.network.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    given = images()
    trained.step(1, given, TRUTH)
    together = torch.cat(seen)
    assert together.shape == (4, 3, 32, 32)
    assert torch.equal(together, given.permute(0, 3, 1, 2).float() / 255)


def test_a_loss_that_is_no_number_stops_and_leaves_the_weights(tmp_path: Path) -> None:
    trained = trainer(tmp_path, tiny.cfg())
    trained.step(1, images(), TRUTH)
    with torch.no_grad():
        trained.network.stored()[2][0].tensor[0] = float("nan")
    before = weights(trained)
    with pytest.raises(NotFinite, match=r"iteration 2 is not finite \(loss nan\): first in the biases of layer 2 "):
        trained.step(2, images(), TRUTH)
    names = [stored.name for layer in trained.network.stored() for stored in layer]
    for name, a, b in zip(names, before, weights(trained), strict=True):
        assert name.startswith("rolling") or torch.equal(a.nan_to_num(), b.nan_to_num()), name


def test_bf16_trains_too(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_text(tiny.cfg())
    trained = Trainer(Network(graph.load(tmp_path / "x.cfg"), seed=3), CPU, torch.bfloat16)
    exact = trainer(tmp_path, tiny.cfg())
    losses = [one.step(1, images(), TRUTH).loss for one in (trained, exact)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert {tensor.dtype for tensor in weights(trained)} == {torch.float32}
