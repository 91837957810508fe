"""Sums of relus are the functions they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from csptrain.layers.piecewise import ACTIVATIONS, HARD_MISH_LINE, HARD_MISH_VALLEY, through
from csptrain.ops.activation import activation

X = np.linspace(-9, 9, 721)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    expected = activation(name)(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(ACTIVATIONS[name](X), expected, atol=1e-12)


def test_hard_mish() -> None:
    expected = activation("hard_mish")(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(HARD_MISH_LINE(X) + HARD_MISH_VALLEY(X) ** 2 / 2, expected, atol=1e-12)


def test_through_points() -> None:
    points = [(2.0, 1 / 2), (4.0, 1 / 4), (9.0, 1 / 9)]
    line = through(points)
    np.testing.assert_allclose(line(np.array([x for x, _ in points])), [y for _, y in points], atol=1e-15)
    np.testing.assert_allclose(line(np.array([1.0, 3.0])), [0.5, 0.375])
    assert through([(3.0, 7.0)])(np.array([5.0])) == 7
