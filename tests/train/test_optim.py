"""Darknet's SGD and Adam against torch's, and the rules that single layers set."""

from __future__ import annotations

import pytest
import torch

from csptrain.network import Network
from csptrain.train.optim import Adam, DarknetSGD, make_optimizer
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
    given, taken = (optimizer.state() for optimizer in optimizers)
    assert list(given) == list(taken) == [f"momentum.{index}" for index in range(5)]
    assert all(torch.equal(given[name], taken[name]) and given[name] is not taken[name] for name in given)
    optimizers[1].restore({})
    assert optimizers[1].state() == {}, "a buffer that is not there is none"
    with pytest.raises(ValueError, match=r"no tensor for momentum\.5 among 5"):
        optimizers[1].restore({"momentum.5": given["momentum.0"]})
    with pytest.raises(ValueError, match=r"momentum\.0 of \(4, 3, 1, 1\) for \(4,\)"):
        optimizers[1].restore({**given, "momentum.0": given["momentum.2"]})


ADAM = "batch=4\nsubdivisions=2\nmomentum=.8\ndecay=.01\nadam=1\nB1=.8\nB2=.99\neps=1e-4\n"


def test_adam_is_torchs_on_the_sum_of_the_batch_with_decay_everywhere() -> None:
    ours, theirs = (built(CONV + LAST, net=ADAM) for _ in range(2))
    optimizer = make_optimizer(ours)
    assert isinstance(optimizer, Adam)
    tensors = list(theirs.parameters())
    reference = torch.optim.Adam(tensors, lr=0.05, betas=(0.8, 0.99), eps=1e-4, weight_decay=4 * 0.01)
    for iteration in range(1, 6):
        backward(ours)
        optimizer.step(iteration, 0.05)
        assert all(float(tensor.grad.abs().max()) == 0 for tensor in ours.parameters()), "the buffers are emptied"
        reference.zero_grad()
        backward(theirs)
        for tensor in tensors:
            tensor.grad *= 4
        reference.step()
    for name, tensor in parameters(theirs).items():
        torch.testing.assert_close(parameters(ours)[name], tensor, rtol=1e-5, atol=1e-6)


def test_adam_corrects_by_the_number_of_the_iteration() -> None:
    network = built(LAST, net=ADAM + "learning_rate=1\n")
    before = parameters(network)["0.biases"]
    for tensor in network.parameters():
        tensor.grad = torch.ones_like(tensor)
    make_optimizer(network).step(1000, 0.1)
    # 1 - B1 of the gradient over the root of 1 - B2 of its square, both hardly corrected any more.
    torch.testing.assert_close(parameters(network)["0.biases"], before - 0.1 * 0.2 / 0.1, rtol=1e-2, atol=1e-3)


def test_a_layer_that_waits_collects_for_adam_too() -> None:
    network = built(CONV + LAST + "dont_update=3\n", net=ADAM)
    optimizer = make_optimizer(network)
    before = parameters(network)
    for iteration in (3, 4):
        backward(network)
        optimizer.step(iteration, 0.1)
        moved = {name for name in changed(before, network) if name.startswith("1.")}
        assert moved == (set() if iteration == 3 else {"1.weights", "1.biases"})


def test_mixing_weights_keep_their_own_rule_under_adam() -> None:
    text = f"{LAST}{LAST}[shortcut]\nfrom=0\nweights_type=per_feature\nweights_normalization=relu\n"
    network = built(text, net="batch=4\nmomentum=0\ndecay=.5\nadam=1\n")
    (stored,) = network.stored()[2]
    stored.tensor.grad = torch.tensor([100.0, -0.01])
    make_optimizer(network).step(1, 0.1)
    torch.testing.assert_close(stored.tensor.detach(), torch.tensor([1 - 0.1 / 4, 1 + 0.001]))


def test_moments_go_back_where_they_came_from() -> None:
    first, second = (built(CONV + LAST, net=ADAM) for _ in range(2))
    optimizers = [make_optimizer(network) for network in (first, second)]
    backward(first)
    optimizers[0].step(1, 0.1)
    second.load_state_dict(first.state_dict())
    optimizers[1].restore(optimizers[0].state())
    for network, optimizer in zip((first, second), optimizers, strict=True):
        backward(network)
        optimizer.step(2, 0.1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    state = optimizers[0].state()
    with pytest.raises(KeyError, match=r"square\.4"):
        optimizers[1].restore({name: tensor for name, tensor in state.items() if name != "square.4"})
