"""[route], [shortcut], [scale_channels], [sam], [implicit]: what joins layers."""

from __future__ import annotations

import pytest
import torch

from csptrain.errors import CfgError
from csptrain.layers.base import Shape
from tests.plans import built, planned, random_images

CONV = "[convolutional]\nfilters={filters}\nsize=3\npad=1\nstride={stride}\nactivation=linear\n"


def conv(filters: int, stride: int = 1) -> str:
    return CONV.format(filters=filters, stride=stride)


def run(text: str, image: tuple[int, int, int] = (3, 8, 8)) -> list[torch.Tensor]:
    network = built(text, image)
    return network.layer_outputs(random_images(network))


def test_route_groups_cut_each_source() -> None:
    first, second, route = run(conv(6) + conv(4) + "[route]\nlayers=0,1\ngroups=2\ngroup_id=1\n")
    assert torch.equal(route, torch.cat([first[:, 3:], second[:, 2:]], 1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("groups=4", "6 channels of layer 0 are no multiple of groups=4"),
        ("groups=2\ngroup_id=2", "legal: 0..1"),
        ("groups=0", "must be 1 or more"),
    ],
)
def test_route_mistakes(options: str, words: str) -> None:
    with pytest.raises(CfgError, match=words):
        planned(f"{conv(6)}[route]\nlayers=0\n{options}\n")


def test_route_of_unequal_maps() -> None:
    with pytest.raises(CfgError, match="layer 0 is 8 x 8 x 4 and layer 1 is 4 x 4 x 4: the maps differ"):
        planned(f"{conv(4)}{conv(4, 2)}[route]\nlayers=-1,0\n")


def test_shortcut_adds_the_channels_there_are() -> None:
    few, many, more = run(conv(3) + conv(5) + "[shortcut]\nfrom=-2\nactivation=linear\n")
    assert torch.equal(more[:, :3], many[:, :3] + few) and torch.equal(more[:, 3:], many[:, 3:])
    many, few, fewer = run(conv(5) + conv(3) + "[shortcut]\nfrom=-2\nactivation=linear\n")
    assert torch.equal(fewer, few + many[:, :3])


def test_shortcut_of_several_sources() -> None:
    a, b, c, total = run(conv(4) * 3 + "[shortcut]\nfrom=-2,-3\nactivation=relu\n")
    torch.testing.assert_close(total, torch.relu(a + b + c))


def test_shortcut_samples_a_larger_and_spreads_a_smaller_map() -> None:
    large, small, total = run(conv(4) + conv(4, 2) + "[shortcut]\nfrom=0\nactivation=linear\n")
    assert torch.equal(total, small + large[:, :, ::2, ::2])
    small, large, total = run("[maxpool]\nstride=2\n[upsample]\nstride=2\n[shortcut]\nfrom=0\n")
    expected = large.clone()
    expected[:, :, ::2, ::2] += small
    assert torch.equal(total, expected)


def test_shortcut_of_maps_without_a_whole_ratio() -> None:
    with pytest.raises(CfgError, match="no whole ratio of map sizes"):
        planned(f"{conv(4)}[convolutional]\nfilters=4\nsize=4\n[shortcut]\nfrom=0\n")


@pytest.mark.parametrize("kind", ["per_feature", "per_layer", "per_channel"])
@pytest.mark.parametrize("normalization", ["relu", "avg_relu", "softmax"])
def test_mixing_weights_of_a_shortcut(kind: str, normalization: str) -> None:
    text = f"{conv(4)}{conv(4)}[shortcut]\nfrom=0\nweights_type={kind}\nweights_normalization={normalization}\n"
    network = built(text)
    (stored,) = network.stored()[2]
    assert stored.mixes and stored.tensor.numel() == (8 if kind == "per_channel" else 2)
    with torch.no_grad():
        stored.tensor.uniform_(-0.5, 1.5, generator=torch.Generator().manual_seed(0))
    raw = stored.tensor.detach().view(2, -1)
    power = (raw - raw.amax(0)).exp() if normalization == "softmax" else raw.clamp(min=0.001)
    share = (power / (power.sum(0) + 1e-4))[:, :, None, None]
    first, second, mixed = network.layer_outputs(random_images(network))
    torch.testing.assert_close(mixed, second * share[0] + first * share[1])


def test_weights_need_a_normalization() -> None:
    with pytest.raises(CfgError, match="needs weights_normalization"):
        planned(f"{conv(4)}{conv(4)}[shortcut]\nfrom=0\nweights_type=per_channel\n")


def test_scale_channels_and_sam_multiply() -> None:
    text = conv(4) + "[avgpool]\n[scale_channels]\nfrom=0\nactivation=relu\n[sam]\nfrom=0\n"
    image, mean, scaled, product = run(text)
    torch.testing.assert_close(scaled, torch.relu(image * mean))
    torch.testing.assert_close(product, scaled * image)


def test_scale_wh_multiplies_pixels_and_divides_the_gradient() -> None:
    network = built(conv(4) + conv(1) + "[scale_channels]\nfrom=0\nscale_wh=1\n")
    outputs: list[torch.Tensor] = []
    image, scale = torch.rand(1, 4, 8, 8), torch.rand(1, 1, 8, 8, requires_grad=True)
    outputs.append(network.layers[2](scale, image))
    torch.testing.assert_close(outputs[0], image * scale)
    outputs[0].sum().backward()
    assert scale.grad is not None
    torch.testing.assert_close(scale.grad, image.sum(1, keepdim=True) / 64)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (conv(4) + conv(5) + "[sam]\nfrom=0\n", "they must be equal"),
        (conv(4) + conv(4) + "[scale_channels]\nfrom=0\n", "needs 1 x 1 x 4"),
        (conv(4) + "[avgpool]\n[scale_channels]\nfrom=0\nscale_wh=1\n", "needs 8 x 8 x 1"),
        (conv(4) * 2 + "[sam]\nfrom=0,1\n", "more than one layer"),
    ],
)
def test_products_of_the_wrong_shape(text: str, words: str) -> None:
    with pytest.raises(CfgError, match=words):
        planned(text)


def test_implicit_is_the_same_for_every_image() -> None:
    network = built(conv(5) + "[implicit]\nfilters=5\nmean=2\nstd=.1\n[scale_channels]\nfrom=0\n")
    (stored,) = network.stored()[1]
    assert stored.tensor.min() >= 1.9 and stored.tensor.max() <= 2.1 and stored.tensor.std() > 0
    first, values, scaled = network.layer_outputs(random_images(network))
    assert values.shape == (2, 5, 1, 1) and torch.equal(values[0], values[1])
    torch.testing.assert_close(scaled, first * values)
    assert planned("[implicit]\nfilters=6\natoms=4\n").nodes[0].output == Shape(6, 4, 1)
