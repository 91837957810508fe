"""Self-adversarial training: which mini-batches are attacked, how, and what stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.net import Net
from csptrain.network import Network
from csptrain.train.adversarial import attack_rate, attacked
from csptrain.train.step import Trainer
from tests import tiny
from tests.plans import built, random_images

CPU = torch.device("cpu")
TRUTH = torch.tensor([[[0.4, 0.5, 0.3, 0.6, 1.0]]]).repeat(4, 1, 1)
ATTACK = "adversarial_lr=.5\n"


def load(folder: Path, **lines: str) -> Network:
    (folder / "x.cfg").write_text(tiny.cfg(max_batches=100, burn_in=10, **lines))  # type: ignore[arg-type]
    return Network(graph.load(folder / "x.cfg"), seed=3)


def pictures(count: int = 4) -> torch.Tensor:
    draw = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (count, 32, 32, 3), dtype=torch.uint8, generator=draw)


def net_of(folder: Path, line: str = ATTACK) -> Net:
    return load(folder, net=line).graph.net


def test_half_of_the_mini_batches_after_burn_in(tmp_path: Path) -> None:
    net = net_of(tmp_path)
    assert not any(attack_rate(net, 0, iteration, part) for iteration in range(1, 12) for part in range(20))
    rates = [attack_rate(net, 0, 51, part) for part in range(1000)]
    assert set(rates) == {0.0, 0.25}, "half of the way, half of adversarial_lr"
    assert 450 < sum(rate > 0 for rate in rates) < 550
    assert rates == [attack_rate(net, 0, 51, part) for part in range(1000)], "a pure function"
    assert rates != [attack_rate(net, 1, 51, part) for part in range(1000)]
    assert not any(attack_rate(net_of(tmp_path, ""), 0, 51, part) for part in range(20))


def test_the_network_sees_less_and_is_not_changed(tmp_path: Path) -> None:
    network = load(tmp_path, net=ATTACK)
    trainer = Trainer(network, CPU)
    for iteration in range(1, 11):
        trainer.step(iteration, pictures(), TRUTH)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items() if isinstance(tensor, torch.Tensor)}
    buffers = {name: tensor.clone() for name, tensor in trainer.optimizer.state().items()}
    x = pictures().permute(0, 3, 1, 2).float() / 255

    def seen(images: torch.Tensor) -> float:
        network.eval()
        with torch.no_grad():
            map_ = network(images)[0].unflatten(1, (2, 7))
        network.train()
        return float(map_[:, :, 4].mean())

    changed = attacked(network, x, TRUTH, 5.0)
    assert seen(changed) < seen(x)
    assert network.training and not changed.requires_grad
    assert float(changed.min()) >= 0 and float(changed.max()) <= 1 and not torch.equal(changed, x)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items() if name in before)
    assert all(torch.equal(tensor, buffers[name]) for name, tensor in trainer.optimizer.state().items())


def test_the_step_is_along_the_gradient(tmp_path: Path) -> None:
    network = load(tmp_path, net=ATTACK)
    x = 0.25 + 0.5 * torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    small, large = (attacked(network, x, TRUTH[:2], rate) - x for rate in (0.001, 0.01))
    torch.testing.assert_close(large, 10 * small, rtol=1e-2, atol=1e-6)
    assert float(large.abs().max()) > 0


def test_the_attacked_images_are_what_is_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: dict[str, list[torch.Tensor]] = {}
    for name, line in (("plain", ""), ("attacked", ATTACK)):
        trainer = Trainer(load(tmp_path, net=line), CPU, seed=2)
        given = fed.setdefault(name, [])

        def loss(x: torch.Tensor, truth: torch.Tensor, *more: object, given=given, trainer=trainer, **named: object):  # type: ignore[no-untyped-def]
            if not named.get("adversarial"):
                given.append(x.detach().clone())
            return Network.loss(trainer.network, x, truth, *more, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(trainer.network, "loss", loss)
        for iteration in range(60, 64):
            trainer.step(iteration, pictures(), TRUTH)
    rates = [attack_rate(net_of(tmp_path), 2, iteration, part) for iteration in range(60, 64) for part in range(2)]
    same = [torch.equal(a, b) for a, b in zip(fed["plain"], fed["attacked"], strict=True)]
    assert same == [rate == 0 for rate in rates] and set(same) == {True, False}


def test_a_frozen_part_hands_the_delta_on(tmp_path: Path) -> None:
    network = load(tmp_path, net=ATTACK, middle="stopbackward=1\n")
    x = pictures().permute(0, 3, 1, 2).float() / 255
    assert not torch.equal(attacked(network, x, TRUTH, 1.0), x)


def test_classifiers_are_attacked_too() -> None:
    network = built("[convolutional]\nfilters=3\nsize=8\nactivation=linear\n[softmax]\n").train()
    x = random_images(network)
    changed = attacked(network, x, torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]), 0.1)
    assert changed.shape == x.shape and not torch.equal(changed, x)
