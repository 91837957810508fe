"""The executor: what it gives, what it holds, and how heads' deltas become gradients."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

import csptrain
from csptrain import network as executor
from csptrain.errors import CfgError
from csptrain.losses.base import HeadLoss
from csptrain.network import Network
from tests import tiny
from tests.plans import built, planned, random_images

CONV = "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"
TWO_HEADS = CONV + (
    "[convolutional]\nfilters=14\nactivation=linear\n[yolo]\nclasses=2\nnum=4\nmask=0,1\nanchors=2,2, 3,3, 5,5, 7,7\n"
    "[route]\nlayers=0\n[convolutional]\nfilters=14\nactivation=linear\n[yolo]\nclasses=2\nnum=4\nmask=2,3\n"
    "anchors=2,2, 3,3, 5,5, 7,7\n"
)


def test_calling_gives_the_heads_and_layer_outputs_everything() -> None:
    network = built(TWO_HEADS)
    x = random_images(network)
    outputs = network.layer_outputs(x)
    assert len(outputs) == 6
    heads = network(x)
    assert len(heads) == 2
    for head, index in zip(heads, network.graph.heads, strict=True):
        assert torch.equal(head, outputs[index])


def test_an_output_is_gone_after_its_last_reader() -> None:
    network = built(CONV * 6)
    alive: list[int] = []
    kept: list[weakref.ref[torch.Tensor]] = []

    def watch(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        kept.append(weakref.ref(output))
        gc.collect()
        alive.append(sum(reference() is not None for reference in kept))

    for module in network.layers:
        module.register_forward_hook(watch)
    with torch.no_grad():
        network(random_images(network))
    assert max(alive) == 2


def test_loading_through_the_package(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("net")
    (folder / "x.cfg").write_text(tiny.cfg())
    network = csptrain.load(folder / "x.cfg")
    assert isinstance(network, csptrain.Network) and not network.training and network.seen == 0
    network.seen = 640
    csptrain.save_weights(network, folder / "x.weights")
    again = csptrain.load(folder / "x.cfg", folder / "x.weights")
    x = random_images(network)
    assert again.seen == 640
    assert all(torch.equal(a, b) for a, b in zip(network(x), again(x), strict=True))


def test_the_start_is_drawn_from_the_seed_and_leaves_the_global_numbers_alone() -> None:
    graph = planned(CONV)
    state = torch.get_rng_state()
    weights = [Network(graph, seed).stored()[0][-1].tensor for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), state)


def test_shapes_only_allocates_nothing() -> None:
    network = Network(planned("[convolutional]\nfilters=9999\nsize=3\npad=1\n" * 4), shapes_only=True)
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}


def test_too_many_parameters_are_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "MAX_PARAMETERS", 100)
    with pytest.raises(CfgError, match=r"x\.cfg: has 112 parameters, more than 100"):
        built(CONV)


def test_the_surrogates_gradient_is_minus_the_delta() -> None:
    network = built(TWO_HEADS).train()
    truth = torch.tensor([[[0.4, 0.5, 0.3, 0.6, 1.0]], [[0.6, 0.2, 0.9, 0.9, 0.0]]])
    outputs: list[torch.Tensor] = []
    loss = network.loss(random_images(network), truth, outputs=outputs)
    for output in outputs[:2] + outputs[3:5]:
        output.retain_grad()
    loss.surrogate.backward()
    assert set(loss.heads) == {2, 5}
    for index, head in loss.heads.items():
        assert isinstance(head, HeadLoss)
        gradient = outputs[index - 1].grad
        assert gradient is not None and torch.equal(gradient, -head.delta)
    costs = [float(head.cost.detach()) for head in loss.heads.values()]
    assert float(loss.cost.detach()) == pytest.approx(sum(costs) / 2)


def test_freeing_does_not_change_the_gradient() -> None:
    results = []
    for keep in (None, []):
        network = built(TWO_HEADS).train()
        truth = torch.tensor([[[0.4, 0.5, 0.3, 0.6, 1.0]], [[0.6, 0.2, 0.9, 0.9, 0.0]]])
        network.loss(random_images(network), truth, outputs=keep).surrogate.backward()
        results.append([stored.tensor.grad for layer in network.stored() for stored in layer])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_layers_before_stopbackward_get_no_gradient() -> None:
    text = TWO_HEADS.replace("[route]\nlayers=0\n", "[route]\nlayers=0\nstopbackward=1\n")
    network = built(text).train()
    assert network.frozen_before(1) == network.frozen_before(10**6) == 3
    network.loss(random_images(network), torch.zeros(2, 1, 5)).surrogate.backward()
    gradients = [layer[-1].tensor.grad is not None for layer in network.stored() if layer]
    assert gradients == [False, False, True]


def test_stopbackward_may_end_at_an_iteration() -> None:
    network = built(CONV + CONV + "stopbackward=50\n")
    assert [network.frozen_before(number) for number in (1, 49, 50, 51)] == [1, 1, -1, -1]


def test_a_network_without_a_cost_cannot_train() -> None:
    with pytest.raises(CfgError, match="has no layer with a cost"):
        built(CONV).train().loss(torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 5))


def test_an_image_of_another_size_runs_where_the_layers_allow_it() -> None:
    network = built(CONV)
    assert network(torch.rand(1, 3, 13, 9))[0].shape == (1, 4, 13, 9)
