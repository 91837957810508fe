"""Darknet's activations by their cfg words: tensor functions without state.

Source: Darknet behaviour, golden cases f04, f05 (forward); the derivatives are those of the functions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Activation = Callable[[Tensor], Tensor]


def _hard_mish(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, x * x / 2 + x) * (x > -2)


def _plse(x: Tensor) -> Tensor:
    outer = torch.where(x < -4, 0.01 * (x + 4), 0.01 * (x - 4) + 1)
    return torch.where(x.abs() > 4, outer, 0.125 * x + 0.5)


def _stair(x: Tensor) -> Tensor:
    floor = x.floor()
    odd = floor.remainder(2) != 0
    return (x / 2).floor() + torch.where(odd, x - floor, torch.zeros_like(x))


def _lhtan(x: Tensor) -> Tensor:
    return torch.where(x < 0, 0.001 * x, torch.where(x > 1, 0.001 * (x - 1) + 1, x))


def _normalize_channels(x: Tensor) -> Tensor:
    positive = x.clamp(min=0)
    return positive / (positive.sum(1, keepdim=True) + 1e-4)


def _normalize_channels_softmax(x: Tensor) -> Tensor:
    power = x.exp()
    return power / (power.sum(1, keepdim=True) + 1e-4)


def _normalize_channels_softmax_maxval(x: Tensor) -> Tensor:
    return _normalize_channels_softmax(x - x.amax(1, keepdim=True))


ACTIVATIONS: dict[str, Activation] = {
    "linear": lambda x: x,
    "logistic": torch.sigmoid,
    "loggy": lambda x: 2 * torch.sigmoid(x) - 1,
    "relu": torch.relu,
    "relu6": F.relu6,
    "relie": lambda x: F.leaky_relu(x, 0.01),
    "leaky": lambda x: F.leaky_relu(x, 0.1),
    "revleaky": lambda x: F.leaky_relu(x, 0.1),
    "ramp": lambda x: torch.relu(x) + 0.1 * x,
    "elu": F.elu,
    # Limited, because the branch not taken must not overflow either: its gradient would be NaN.
    "selu": lambda x: torch.where(x >= 0, 1.0507 * x, 1.0507 * 1.6732 * torch.expm1(x.clamp(max=0))),
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "tanh": torch.tanh,
    "swish": F.silu,
    "mish": F.mish,
    "hard_mish": _hard_mish,
    "plse": _plse,
    "stair": _stair,
    "hardtan": F.hardtanh,
    "lhtan": _lhtan,
    "normalize_channels": _normalize_channels,
    "normalize_channels_softmax": _normalize_channels_softmax,
    "normalize_channels_softmax_maxval": _normalize_channels_softmax_maxval,
}

_IN_PLACE: dict[str, Activation] = {
    "leaky": lambda x: F.leaky_relu_(x, 0.1),
    "relu": torch.relu_,
    "relu6": lambda x: F.relu6(x, inplace=True),
    "logistic": lambda x: x.sigmoid_(),
}
#: Words whose function can overwrite its argument, or gives it itself.
WORKS_IN_PLACE = frozenset(_IN_PLACE) | {"linear"}


def activation(name: str, in_place: bool = False) -> Activation:
    """The function of a cfg word; with ``in_place`` it may overwrite its argument when that is cheaper.

    Raises KeyError for a word that is not in ``ACTIVATIONS``.
    """
    return _IN_PLACE.get(name, ACTIVATIONS[name]) if in_place else ACTIVATIONS[name]
