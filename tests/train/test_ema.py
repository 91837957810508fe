"""Averages of the weights: when they begin, follow, and become the weights; Darknet's own numbers are golden t08."""

from __future__ import annotations

import torch

from csptrain.train.ema import Ema
from tests.plans import built

LAYERS = """[convolutional]
filters=2
activation=linear
batch_normalize=1
[convolutional]
filters=2
activation=linear
[shortcut]
from=-2
weights_type=per_feature
weights_normalization=relu
"""


def averages(max_batches: int) -> tuple[torch.nn.Parameter, torch.nn.Parameter, torch.Tensor, Ema]:
    """Weights of the second layer, mixing weights of the third, rolling mean of the first, and the averages."""
    network = built(LAYERS, net=f"ema_alpha=.5\nmax_batches={max_batches}\n")
    (mixing,) = network.stored()[2]
    weights = network.stored()[1][1].tensor
    assert isinstance(weights, torch.nn.Parameter) and isinstance(mixing.tensor, torch.nn.Parameter)
    return weights, mixing.tensor, network.stored()[0][2].tensor, Ema(network)


def set_to(value: float, *tensors: torch.Tensor) -> None:
    with torch.no_grad():
        for tensor in tensors:
            tensor.fill_(value)


def value(tensor: torch.Tensor) -> float:
    """The first of the values."""
    return tensor.detach().flatten()[0].item()


def test_a_course_of_darknets() -> None:
    weights, mixing, rolling, ema = averages(4000)
    set_to(8, weights, mixing, rolling)
    ema.update(1999)
    assert ema.averages is None
    ema.update(2000)
    set_to(4, weights, mixing, rolling)
    ema.update(2001)
    with ema.in_place():
        assert value(weights) == 6 and value(mixing) == value(rolling) == 4
    assert value(weights) == 4
    set_to(2, weights, mixing, rolling)
    ema.update(3000)
    assert value(weights) == 6, "the averages without the weights of now"
    assert value(mixing) == value(rolling) == 2
    set_to(1, weights)
    ema.update(3001)
    assert value(weights) == 1, "only once"


def test_a_short_run_takes_them_at_nine_tenths() -> None:
    weights, _, _, ema = averages(600)
    for iteration, given, expected in ((300, 8, 8), (539, 4, 4), (540, 0, 6), (541, 0, 0)):
        set_to(given, weights)
        ema.update(iteration)
        assert value(weights) == expected


def test_after_their_time_fresh_averages_change_nothing() -> None:
    weights, _, _, ema = averages(4000)
    set_to(3, weights)
    ema.update(3500)
    assert value(weights) == 3


def test_they_go_back_where_they_came_from() -> None:
    weights, _, _, first = averages(4000)
    other, _, _, second = averages(4000)
    assert set(first.state()) == {"ema_swapped"}
    second.restore(first.state())
    assert second.averages is None
    set_to(8, weights)
    first.update(2500)
    second.restore(first.state())
    assert second.averages is not None and first.averages is not None
    assert all(torch.equal(a, b) and a is not b for a, b in zip(first.averages, second.averages, strict=True))
    second.update(3000)
    assert value(other) == 8
    set_to(1, weights)
    first.restore(second.state())
    first.update(3001)
    assert value(weights) == 1, "that they have been used is part of the state"
