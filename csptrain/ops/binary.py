"""Binarization of weights and inputs with gradients passed straight through.

Source: Darknet behaviour (`binary` and `xnor` of [convolutional]; its float arithmetic, on which its bit arithmetic
is modelled). Read only: no golden case.
"""

from __future__ import annotations

from torch import Tensor


def binary_weights(weight: Tensor) -> Tensor:
    """Each filter's mean magnitude times its signs, zero counting as negative; [filters, ...] in and out.

    The gradient is that of the weights themselves.
    """
    mean = weight.abs().mean(tuple(range(1, weight.dim())), keepdim=True)
    return mean.where(weight > 0, -mean).detach() + (weight - weight.detach())


def signs(x: Tensor) -> Tensor:
    """+1 above zero, else -1; the gradient passes where |x| < 1."""
    limited = x.clamp(-1, 1)
    return (2 * (x > 0).to(x.dtype) - 1) + (limited - limited.detach())
