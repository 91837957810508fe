"""share_index=: two convolutions with the same tensors, stored once; values against Darknet are golden case f16."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from csptrain.errors import CfgError
from csptrain.formats.weights import load_weights, save_weights
from csptrain.layers.batchnorm import BatchNorm
from csptrain.network import Network
from csptrain.summary import summarize
from csptrain.train.optim import DarknetSGD
from tests.plans import built, planned, random_images

CONV = "[convolutional]\nfilters=3\nsize=3\npad=1\nbatch_normalize=1\nactivation=mish\n"
SHARED = CONV + CONV + "share_index={}\n[cost]\n"


@pytest.mark.parametrize("reference", ["-1", "0"])
def test_both_layers_compute_with_the_same_tensors(reference: str) -> None:
    network = built(SHARED.format(reference))
    first, second = (module for module in list(network.layers)[:2])
    x = random_images(network)
    a, b = network.layer_outputs(x)[:2]
    assert torch.equal(b, first(a)) and torch.equal(b, second(a))
    assert [len(layer) for layer in network.stored()] == [5, 0, 0]
    summary = summarize(network.graph)
    assert (summary.weights, summary.all, len(list(network.parameters()))) == (81, 81 + 4 * 3, 3)


def test_the_file_holds_them_once(tmp_path: Path) -> None:
    network = built(SHARED.format(-1))
    save_weights(network, tmp_path / "a.weights")
    assert (tmp_path / "a.weights").stat().st_size == 20 + 4 * (81 + 12)
    other = Network(network.graph, seed=5).eval()
    load_weights(other, tmp_path / "a.weights")
    x = random_images(network)
    assert torch.equal(other.layer_outputs(x)[1], network.layer_outputs(x)[1])


def test_gradients_add_up_and_one_step_is_taken() -> None:
    network = built(SHARED.format(-1), net="learning_rate=.5\nmomentum=.9\ndecay=0").train()
    twin = built(CONV + CONV + "[cost]\n").train()
    with torch.no_grad():
        for layer in (0, 1):
            for own, other in zip(network.stored()[0], twin.stored()[layer], strict=True):
                other.tensor.copy_(own.tensor)
    x, truth = random_images(network, 4), torch.rand(4, 192)
    for each in (network, twin):
        each.loss(x, truth).surrogate.backward()
    gradients = [item.tensor.grad for item in network.stored()[0] if item.tensor.grad is not None]
    parts = [[item.tensor.grad for item in twin.stored()[layer] if item.tensor.grad is not None] for layer in (0, 1)]
    for gradient, one, two in zip(gradients, *parts, strict=True):
        torch.testing.assert_close(gradient, one + two)
    norms = network.batch_norms()
    assert len(norms) == 1 and isinstance(norms[0], BatchNorm) and norms[0].batches == 2
    weight = network.stored()[0][-1].tensor
    before, step = weight.detach().clone(), 0.5 * weight.grad  # type: ignore[operator]
    DarknetSGD(network).step(1, 0.5)
    torch.testing.assert_close(weight, before - step)


def test_the_start_is_that_of_the_first_layer() -> None:
    alone = Network(planned(CONV), seed=3).stored()[0][-1].tensor
    assert torch.equal(Network(planned(SHARED.format(-1)), seed=3).stored()[0][-1].tensor, alone)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (CONV + CONV.replace("filters=3", "filters=4") + "share_index=-1\n", "layer 0 has filters 3, this one 4"),
        (CONV + CONV.replace("size=3", "size=1") + "share_index=0\n", "has size 3, this one 1"),
        (CONV.replace("filters=3", "filters=6") + CONV + CONV + "share_index=-1\n", "has input channels 6, this one 3"),
        (CONV + CONV.replace("batch_normalize=1\n", "") + "share_index=0\n", "has batch_normalize 1, this one 0"),
        (CONV + "[dropout]\n" + CONV + "share_index=-1\n", r"share_index=-1 is a \[dropout\]"),
        (CONV + CONV + "share_index=1\n", "points outside the layers before it"),
    ],
)
def test_layers_that_cannot_share(layers: str, words: str) -> None:
    with pytest.raises(CfgError, match=words) as caught:
        planned(layers)
    assert caught.value.line == layers.count("\n") + 5
