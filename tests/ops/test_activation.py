"""Activations by their formulas; Darknet's own values are golden cases f04 and f05."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from csptrain.ops.activation import ACTIVATIONS, activation

X = torch.cat([torch.linspace(-30, 30, 601), torch.tensor([-2.0, -1.0, 0.0, 1.0, 4.0, -4.0, 6.0])])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


FORMULAS: dict[str, Callable[[float], float]] = {
    "linear": lambda x: x,
    "logistic": sigmoid,
    "loggy": lambda x: 2 * sigmoid(x) - 1,
    "relu": lambda x: max(x, 0),
    "relu6": lambda x: min(max(x, 0), 6),
    "relie": lambda x: x if x > 0 else 0.01 * x,
    "leaky": lambda x: x if x > 0 else 0.1 * x,
    "ramp": lambda x: max(x, 0) + 0.1 * x,
    "elu": lambda x: x if x >= 0 else math.exp(x) - 1,
    "selu": lambda x: 1.0507 * x if x >= 0 else 1.0507 * 1.6732 * (math.exp(x) - 1),
    "gelu": lambda x: 0.5 * x * (1 + math.tanh(0.797885 * x + 0.035677 * x**3)),
    "tanh": math.tanh,
    "swish": lambda x: x * sigmoid(x),
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "hard_mish": lambda x: x if x > 0 else x * x / 2 + x if x > -2 else 0,
    "hardtan": lambda x: max(-1, min(1, x)),
    "lhtan": lambda x: 0.001 * x if x < 0 else 0.001 * (x - 1) + 1 if x > 1 else x,
    "plse": lambda x: 0.01 * (x + 4) if x < -4 else 0.01 * (x - 4) + 1 if x > 4 else 0.125 * x + 0.5,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name: str) -> None:
    expected = torch.tensor([FORMULAS[name](x) for x in X.tolist()])
    torch.testing.assert_close(activation(name)(X), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extreme_values_stay_finite_and_the_argument_is_left_alone(name: str) -> None:
    x = torch.tensor([-1e4, -88.0, -1.0, 0.0, 1.0, 80.0, 1e4]).view(1, 7, 1, 1).requires_grad_()
    y = activation(name)(x)
    if name == "normalize_channels_softmax":
        return  # exp of the value itself, which Darknet lets overflow
    assert y.isfinite().all()
    y.sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
    assert x[0, 0, 0, 0] == -1e4


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_in_place_computes_the_same(name: str) -> None:
    x = torch.randn(2, 5, 3, 3) * 4
    assert torch.equal(activation(name, in_place=True)(x.clone()), activation(name)(x))


@pytest.mark.parametrize("name", ["normalize_channels", "normalize_channels_softmax_maxval"])
def test_normalized_channels_sum_to_one(name: str) -> None:
    total = activation(name)(torch.rand(2, 5, 3, 3) + 1).sum(1)
    torch.testing.assert_close(total, torch.ones(2, 3, 3), atol=1e-3, rtol=0)


def test_stair_climbs_every_second_unit() -> None:
    assert activation("stair")(torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 2.9, 3.25])).tolist() == [
        0, 0, 0, 0.5, 1, 1, 1.25,
    ]  # fmt: skip


def test_an_unknown_word() -> None:
    with pytest.raises(KeyError):
        activation("laeky")
