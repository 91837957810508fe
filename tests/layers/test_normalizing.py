"""[batchnorm], [normalization], [activation], [dropout], [softmax], [cost]."""

from __future__ import annotations

import pytest
import torch

from csptrain.errors import CfgError
from csptrain.layers.batchnorm import MOMENTUM, BatchNorm
from tests.plans import built, planned, random_images


def test_batch_norm_trains_with_the_biased_and_keeps_the_unbiased_variance() -> None:
    norm = BatchNorm(3).train()
    norm.settle()
    x = torch.randn(4, 3, 5, 5) * 2 + 1
    y = norm(x)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var((0, 2, 3), unbiased=False), torch.ones(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(norm.running_mean, MOMENTUM * x.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, 1 - MOMENTUM + MOMENTUM * x.var((0, 2, 3)))


def test_a_fresh_norm_starts_at_its_first_batch_and_comes_to_the_rule() -> None:
    norm = BatchNorm(1).train()
    x = torch.randn(8, 1, 2, 2) + 5
    norm(x)
    assert float(norm.running_mean) == pytest.approx(float(x.mean()), abs=1e-5)
    norm.settle()
    before = float(norm.running_mean)
    norm(x + 1)
    assert float(norm.running_mean) == pytest.approx(before + MOMENTUM * (float(x.mean()) + 1 - before), abs=1e-5)


def test_the_count_of_batches_is_part_of_the_state() -> None:
    norm = BatchNorm(1).train()
    for _ in range(5):
        norm(torch.randn(8, 1, 2, 2))
    other = BatchNorm(1)
    other.load_state_dict(norm.state_dict())
    assert other.batches == norm.batches == 5


def test_folding_is_the_norm_at_inference() -> None:
    text = "[convolutional]\nfilters=5\nsize=3\nactivation=linear\nbatch_normalize=1\n"
    network = built(text)
    x = random_images(network)
    module = network.layers[0]
    weight, bias = module.norm.fold(module.weight)
    torch.testing.assert_close(
        network(x)[0].double(), torch.nn.functional.conv2d(x.double(), weight, bias), rtol=1e-5, atol=1e-5
    )


def test_standalone_batch_norm_is_stored_in_four_parts() -> None:
    network = built("[batchnorm]\n")
    names = [stored.name for stored in network.stored()[0]]
    assert names == ["biases", "scales", "rolling_mean", "rolling_variance"]
    bias, scale, mean, variance = (stored.tensor.view(1, 3, 1, 1) for stored in network.stored()[0])
    x = random_images(network)
    torch.testing.assert_close(network(x)[0], (x - mean) / (variance + 1e-5).sqrt() * scale + bias)


def test_response_normalization_sums_as_darknet_does() -> None:
    network = built("[normalization]\nsize=3\nalpha=.5\nbeta=.6\nkappa=2\n", (4, 2, 2))
    x = random_images(network) + 0.5
    a, b, c, d = x.square().unbind(1)
    # Channel 1 is what the first sum should have taken and did not; it is dropped again later all the same.
    sums = torch.stack([a, a + c, a + c + d - a, c + d - b], 1)
    torch.testing.assert_close(network(x)[0], x * (2 + 0.5 * sums).pow(-0.6))


def test_the_gradient_of_response_normalization_takes_the_sum_as_given() -> None:
    network = built("[lrn]\nsize=3\nalpha=.5\n", (4, 2, 2))
    x = random_images(network).requires_grad_()
    y = network(x)[0]
    y.sum().backward()
    torch.testing.assert_close(x.grad, (y / x).detach())


def test_activation_is_a_layer_of_its_own() -> None:
    network = built("[activation]\nactivation=leaky\n[activation]\n")
    x = random_images(network) - 0.5
    leaky, linear = network.layer_outputs(x)
    torch.testing.assert_close(leaky, torch.where(x > 0, x, 0.1 * x))
    assert torch.equal(leaky, linear) and not torch.equal(leaky, x)


def test_an_unknown_activation_is_named() -> None:
    with pytest.raises(CfgError, match=r"activation=laeky in \[convolutional\] \(did you mean leaky\?\)"):
        planned("[convolutional]\nfilters=2\nactivation=laeky\n")
    graph = planned("[convolutional]\nfilters=2\nactivation=laeky\n", lenient=True)
    assert graph.nodes[0].layer.activation == "relu"


def test_dropout_scales_what_it_keeps_and_only_in_training() -> None:
    network = built("[dropout]\nprobability=.25\n", (1, 64, 64))
    x = torch.ones(1, 1, 64, 64)
    assert torch.equal(network(x)[0], x)
    values, counts = network.train()(x)[0].unique(return_counts=True)
    torch.testing.assert_close(values, torch.tensor([0.0, 4 / 3]))
    assert 0.2 < float(counts[0]) / 4096 < 0.3


@pytest.mark.parametrize("probability", ["1", "-0.1", "1.5"])
def test_a_probability_that_is_none(probability: str) -> None:
    with pytest.raises(CfgError, match="legal: 0 up to but without 1"):
        planned(f"[dropout]\nprobability={probability}\n")


def test_softmax_groups_and_temperature() -> None:
    network = built("[softmax]\ngroups=2\ntemperature=3\n", (6, 1, 1))
    x = random_images(network)
    expected = (x.view(2, 2, 3) / 3).softmax(2).view(2, 6, 1, 1)
    torch.testing.assert_close(network(x)[0], expected)
    with pytest.raises(CfgError, match="no multiple of groups=4"):
        planned("[softmax]\ngroups=4\n", (6, 1, 1))


def test_cost_is_no_output() -> None:
    graph = planned("[convolutional]\nfilters=2\n[cost]\ntype=sse\n")
    assert graph.heads == (0,)
    with pytest.raises(CfgError, match=r"type=ssse.*did you mean sse"):
        planned("[convolutional]\n[cost]\ntype=ssse\n")
