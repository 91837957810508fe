"""Binarized weights and inputs, by hand."""

from __future__ import annotations

import torch

from csptrain.ops.binary import binary_weights, signs
from tests.plans import built, planned, random_images

CONV = "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=linear\n"


def test_weights_are_the_mean_magnitude_with_a_sign() -> None:
    weight = torch.tensor([[[[1.0, -2.0, 0.0]]], [[[-3.0, 3.0, 6.0]]]], requires_grad=True)
    binary = binary_weights(weight)
    assert binary.detach().flatten(1).tolist() == [[1.0, -1.0, -1.0], [-4.0, 4.0, 4.0]]
    binary.mul(torch.arange(6.0).view(2, 1, 1, 3)).sum().backward()
    assert weight.grad is not None and weight.grad.flatten().tolist() == [0, 1, 2, 3, 4, 5]


def test_inputs_are_signs_and_their_gradient_passes_near_zero() -> None:
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0], requires_grad=True)
    y = signs(x)
    assert y.tolist() == [-1, -1, -1, 1, 1]
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 1, 1, 1, 0]


def test_binary_and_xnor_convolutions() -> None:
    plain, binary, xnor = (built(CONV + keys) for keys in ("", "binary=1\n", "xnor=1\nbin_output=1\n"))
    x = random_images(plain) - 0.5
    weight = plain.stored()[0][-1].tensor.detach()
    bias = plain.stored()[0][0].tensor
    flat = weight.abs().mean((1, 2, 3), keepdim=True) * weight.sign()
    torch.testing.assert_close(binary(x)[0], torch.nn.functional.conv2d(x, flat, bias, padding=1))
    torch.testing.assert_close(xnor(x)[0], torch.nn.functional.conv2d(x.sign(), flat, bias, padding=1))


def test_an_xnor_convolution_counts_a_thirty_second() -> None:
    plain, xnor = (planned(CONV + keys).nodes[0].cost for keys in ("", "xnor=1\n"))
    assert plain.darknet is not None and xnor.darknet == plain.darknet / 32
    assert xnor.operations == plain.operations
