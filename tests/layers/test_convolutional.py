"""[convolutional], [connected], [local] against arithmetic done by hand; values against Darknet are golden cases."""

from __future__ import annotations

import pytest
import torch

from csptrain.errors import CfgError
from csptrain.layers.base import Shape
from csptrain.layers.convolutional import Convolutional
from tests.plans import built, planned, random_images, shapes


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("size=3\npad=1", (4, 10, 9)),
        ("size=3", (4, 8, 7)),
        ("size=3\npadding=2", (4, 12, 11)),
        ("size=3\npad=1\npadding=9", (4, 10, 9)),  # pad wins
        ("size=4\npad=1", (4, 11, 10)),  # size/2 on both sides
        ("size=3\npad=1\nstride=2", (4, 5, 5)),
        ("size=3\npad=1\nstride_x=3\nstride_y=2", (4, 5, 3)),
        ("size=3\npad=1\nstride=2\nstride_x=1", (4, 5, 9)),
        ("size=3\npad=1\ndilation=3", (4, 10, 9)),
        ("size=1\ndilation=3", (4, 10, 9)),
    ],
)
def test_sizes(options: str, expected: tuple[int, int, int]) -> None:
    text = f"[convolutional]\nfilters=4\nactivation=linear\n{options}\n"
    assert shapes(text, (2, 10, 9)) == [Shape(*expected)]
    network = built(text, (2, 10, 9))
    assert network(random_images(network))[0].shape == (2, *expected)


@pytest.mark.parametrize("options", ["size=4\npad=1\ndilation=2", "size=3\ndilation=2"])
def test_a_dilation_that_darknet_plans_wrongly_is_refused(options: str) -> None:
    with pytest.raises(CfgError, match="not defined"):
        planned(f"[convolutional]\nfilters=4\n{options}\n", (2, 10, 9))


def test_groups_must_divide() -> None:
    with pytest.raises(CfgError, match="3 input channels are no multiple of groups=2"):
        planned("[convolutional]\nfilters=4\ngroups=2\n")
    with pytest.raises(CfgError, match="filters=5 is no multiple of groups=3"):
        planned("[convolutional]\nfilters=5\ngroups=3\n")


@pytest.mark.parametrize("key", sorted(Convolutional.refused))
def test_what_is_not_computed_is_refused_in_use_only(key: str) -> None:
    planned(f"[convolutional]\nfilters=4\n{key}=0\n")
    with pytest.raises(CfgError, match=f"{key}=1 of .convolutional. is not supported"):
        planned(f"[convolutional]\nfilters=4\n{key}=1\n")


def test_file_order_and_cost() -> None:
    text = "[convolutional]\nfilters=6\nsize=3\nstride=2\npad=1\ngroups=3\nbatch_normalize=1\n"
    network = built(text + "[connected]\noutput=5\nbatch_normalize=1\n[connected]\noutput=2\n")
    names = [[stored.name for stored in layer] for layer in network.stored()]
    assert names[0] == ["biases", "scales", "rolling_mean", "rolling_variance", "weights"]
    assert names[1] == ["biases", "weights", "scales", "rolling_mean", "rolling_variance"]
    assert names[2] == ["biases", "weights"]
    conv, first, _ = (node.cost for node in network.graph.nodes)
    assert conv.darknet == 2 * 9 * 1 * 6 * 16 and conv.operations == 3 * conv.darknet
    assert (first.darknet, first.operations) == (None, 2 * 96 * 5)


def test_connected_sees_channels_rows_columns() -> None:
    network = built("[connected]\noutput=4\nactivation=linear\n", (2, 3, 5))
    x = random_images(network)
    bias, weight = (stored.tensor for stored in network.stored()[0])
    torch.testing.assert_close(network(x)[0][:, :, 0, 0], x.reshape(2, -1) @ weight.T + bias)


def test_the_start_depends_on_the_seed_alone() -> None:
    text = "[convolutional]\nfilters=64\nsize=3\npad=1\nbatch_normalize=1\n[connected]\noutput=9\n"
    first, again, other = (built(text, seed=seed) for seed in (1, 1, 2))
    weights = [network.stored()[0][-1].tensor for network in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    reach = (2 / 27) ** 0.5
    assert 0.95 * reach < weights[0].abs().max() <= reach


def local_by_hand(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, stride: int, pad: int) -> torch.Tensor:
    x = torch.nn.functional.pad(x, (pad,) * 4)
    filters, rows, columns = bias.shape
    y = torch.zeros(len(x), filters, rows, columns)
    for row in range(rows):
        for column in range(columns):
            patch = x[:, :, row * stride : row * stride + 3, column * stride : column * stride + 3].flatten(1)
            y[:, :, row, column] = patch @ weight[row * columns + column].T + bias[:, row, column]
    return y


@pytest.mark.parametrize(("stride", "pad", "sides"), [(1, 1, (6, 7)), (2, 1, (3, 4)), (1, 0, (4, 5)), (2, 0, (2, 3))])
def test_local_has_weights_for_each_place(stride: int, pad: int, sides: tuple[int, int]) -> None:
    text = f"[local]\nfilters=3\nsize=3\nstride={stride}\npad={pad}\nactivation=linear\n"
    network = built(text, (2, 6, 7))
    bias, weight = (stored.tensor for stored in network.stored()[0])
    assert weight.shape == (sides[0] * sides[1], 3, 18)
    x = random_images(network)
    torch.testing.assert_close(network(x)[0], local_by_hand(x, weight, bias, stride, pad))


def test_local_with_a_padding_that_darknet_plans_wrongly_is_refused() -> None:
    with pytest.raises(CfgError, match="not defined"):
        planned("[local]\nfilters=3\nsize=5\npad=1\n")
