"""Darknet's SGD against torch's, and the rules that single layers set."""

from __future__ import annotations

import pytest
import torch

from csptrain.network import Network
from csptrain.train.optim import DarknetSGD
from tests.plans import built, random_images

CONV = "[convolutional]\nfilters=4\nactivation=linear\nbatch_normalize=1\n"
LAST = "[convolutional]\nfilters=2\nactivation=linear\n"
SGD = "batch=2\nmomentum=.8\ndecay=.01\nburn_in=10\n"


def backward(network: Network) -> None:
    """Gradients of some function of the output."""
    network.train()
    y = network(random_images(network))[0]
    (y * y).mean().backward()


def parameters(network: Network) -> dict[str, torch.Tensor]:
    return {
        f"{index}.{stored.name}": stored.tensor.detach().clone()
        for index, layer in enumerate(network.stored())
        for stored in layer
        if stored.tensor.requires_grad
    }


def changed(before: dict[str, torch.Tensor], network: Network) -> set[str]:
    return {name for name, tensor in parameters(network).items() if not torch.equal(tensor, before[name])}


def test_it_is_sgd_with_momentum_and_decay_of_the_weights_alone() -> None:
    ours, theirs = (built(CONV + LAST, net=SGD) for _ in range(2))
    optimizer = DarknetSGD(ours)
    named = [
        (stored.name, stored.tensor) for layer in theirs.stored() for stored in layer if stored.tensor.requires_grad
    ]
    groups = [
        {"params": [tensor for name, tensor in named if name == "weights"], "weight_decay": 0.01},
        {"params": [tensor for name, tensor in named if name != "weights"], "weight_decay": 0},
    ]
    reference = torch.optim.SGD(groups, lr=0.05, momentum=0.8)
    for iteration in range(1, 6):
        backward(ours)
        optimizer.step(iteration, 0.05)
        reference.zero_grad()
        backward(theirs)
        reference.step()
    for name, tensor in parameters(theirs).items():
        torch.testing.assert_close(parameters(ours)[name], tensor, rtol=1e-5, atol=1e-6)


def test_a_layers_own_rate_multiplies() -> None:
    plain, double = (built(CONV + LAST + line, net="momentum=0\ndecay=0\n") for line in ("", "learning_rate=2\n"))
    moves = []
    for network in (plain, double):
        before = parameters(network)
        backward(network)
        DarknetSGD(network).step(1, 0.1)
        moves.append({name: tensor - before[name] for name, tensor in parameters(network).items()})
    torch.testing.assert_close(moves[1]["1.weights"], 2 * moves[0]["1.weights"], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(moves[1]["0.weights"], moves[0]["0.weights"])


@pytest.mark.parametrize(
    ("line", "held", "free"), [("dont_update=3", 3, 4), ("burnin_update=2", 19, 20), ("train_only_bn=1", 99, None)]
)
def test_layers_that_wait_go_on_collecting(line: str, held: int, free: int | None) -> None:
    network = built(CONV + LAST + line + "\n", net=SGD)
    optimizer = DarknetSGD(network)
    before = parameters(network)
    backward(network)
    first = network.stored()[1][1].tensor.grad.clone()
    optimizer.step(held, 0.1)
    assert changed(before, network) == {"0.weights", "0.biases", "0.scales"}
    assert torch.equal(network.stored()[1][1].tensor.grad, first), "neither used nor faded"
    if free is not None:
        optimizer.step(free, 0.1)
        assert {"1.weights", "1.biases"} <= changed(before, network)


def test_before_stopbackward_nothing_moves_and_the_marked_layer_decays() -> None:
    network = built(CONV + CONV + "stopbackward=1\n" + LAST, net=SGD)
    before = parameters(network)
    network.train()
    loss_input = network.layers[0](random_images(network)).detach()
    y = network.layers[2](network.layers[1](loss_input).detach())
    y.mean().backward()
    DarknetSGD(network).step(1, 0.1)
    assert changed(before, network) == {"1.weights", "2.weights", "2.biases"}
    after = parameters(network)["1.weights"]
    torch.testing.assert_close(after, before["1.weights"] * (1 - 0.1 * 0.01))


def test_mixing_weights_are_clipped_and_do_not_decay() -> None:
    text = f"{LAST}{LAST}[shortcut]\nfrom=0\nweights_type=per_feature\nweights_normalization=relu\n"
    network = built(text, net="batch=4\nmomentum=0\ndecay=.5\n")
    (stored,) = network.stored()[2]
    stored.tensor.grad = torch.tensor([100.0, -0.01])
    DarknetSGD(network).step(1, 0.1)
    torch.testing.assert_close(stored.tensor.detach(), torch.tensor([1 - 0.1 / 4, 1 + 0.001]))


def test_buffers_go_back_where_they_came_from() -> None:
    first, second = (built(CONV + LAST, net=SGD) for _ in range(2))
    optimizers = [DarknetSGD(network) for network in (first, second)]
    backward(first)
    optimizers[0].step(1, 0.1)
    optimizers[1].restore(optimizers[0].state())
    for a, b in zip(optimizers[0].state(), optimizers[1].state(), strict=True):
        assert a is not None and b is not None and torch.equal(a, b) and a is not b
    with pytest.raises(ValueError, match="4 buffers for 5 tensors"):
        optimizers[1].restore(optimizers[0].state()[:-1])
    with pytest.raises(ValueError, match="a buffer of"):
        optimizers[1].restore(optimizers[0].state()[::-1])
