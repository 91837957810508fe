"""Batch normalization over processes against torch's own over one batch."""

from __future__ import annotations

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from csptrain.ops.sync_norm import sync_norm

EPS = 1e-5


class Adder:
    """Adds tensors up over threads that stand for processes."""

    def __init__(self, count: int) -> None:
        self.barrier = threading.Barrier(count)
        self.held: list[Tensor] = []

    def __call__(self, tensor: Tensor) -> None:
        self.barrier.wait(30)
        self.held.append(tensor.clone())
        self.barrier.wait(30)
        total = torch.stack(sorted(self.held, key=lambda held: float(held.flatten()[0]))).sum(0)
        self.barrier.wait(30)
        self.held = []
        self.barrier.wait(30)
        tensor.copy_(total)


@pytest.mark.parametrize("shape", [(5, 3, 4, 6), (5, 3)])
def test_parts_are_as_the_whole(shape: tuple[int, ...]) -> None:
    x = (torch.randn(shape) * 3 + 7).requires_grad_()
    delta = torch.randn(shape)
    weight, bias = (torch.randn(3).requires_grad_() for _ in range(2))
    mean, variance = torch.zeros(3), torch.zeros(3)
    whole = F.batch_norm(x, mean, variance, weight, bias, True, 1.0, EPS)
    whole.backward(delta)

    add_up = Adder(2)
    found: dict[int, tuple[Tensor, ...]] = {}

    def part(number: int, rows: slice) -> None:
        own = x.detach()[rows].clone().requires_grad_()
        scale, shift = (value.detach().clone().requires_grad_() for value in (weight, bias))
        output, own_mean, own_variance = sync_norm(own, scale, shift, EPS, add_up)
        gradients = torch.autograd.grad(output, (own, scale, shift), delta[rows])
        found[number] = (output.detach(), *gradients, own_mean, own_variance)

    threads = [threading.Thread(target=part, args=(n, rows)) for n, rows in enumerate((slice(0, 2), slice(2, 5)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    first, second = found[0], found[1]
    assert x.grad is not None and weight.grad is not None and bias.grad is not None
    torch.testing.assert_close(torch.cat((first[0], second[0])), whole.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(torch.cat((first[1], second[1])), x.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first[2] + second[2], weight.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first[3] + second[3], bias.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first[4], mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(first[5], variance, rtol=1e-5, atol=1e-5)
    assert torch.equal(first[4], second[4])
