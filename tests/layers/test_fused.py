"""Convolutions folded for inference give what the trained ones give, in oneDNN and without it."""

from __future__ import annotations

import weakref

import pytest
import torch

from csptrain.layers import fused
from csptrain.layers.fused import FusedConvolution
from csptrain.network import Network
from csptrain.ops.activation import ACTIVATIONS
from tests.plans import built, random_images

START = "[convolutional]\nfilters=8\nsize=3\npad=1\nbatch_normalize=1\nactivation=leaky\n"
KINDS = {
    "strides": "stride_x=2\nstride_y=1\nsize=3\npad=1\nbatch_normalize=1\nactivation=relu\n",
    "groups": "groups=4\nsize=3\npad=1\nbatch_normalize=1\nactivation=swish\n",
    "dilation": "size=3\npad=1\ndilation=2\nbatch_normalize=1\nactivation=leaky\n",
    "bias": "size=1\nactivation=linear\n",
    "blur": "size=3\npad=1\nstride=2\nantialiasing=1\nbatch_normalize=1\nactivation=mish\n",
    "binary": "size=3\npad=1\nbinary=1\nbatch_normalize=1\nactivation=leaky\n",
    "xnor": "size=3\npad=1\nxnor=1\nbatch_normalize=1\nactivation=leaky\n",
    "shared": "size=3\npad=1\nbatch_normalize=1\nactivation=leaky\n\n"
    "[convolutional]\nfilters=8\nsize=3\npad=1\nbatch_normalize=1\nactivation=relu\nshare_index=1\n",
}
EXACT = {"rtol": 1e-5, "atol": 1e-5}


def network(section: str) -> Network:
    return built(f"{START}\n[convolutional]\nfilters=8\n{section}")


def outputs(of: Network, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        (found,) = of(images)
    return found


@pytest.fixture(params=[True, False], ids=["onednn", "torch"])
def _engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(fused, "_has_onednn", lambda: False)
    elif not fused._has_onednn():
        pytest.skip("this torch has no oneDNN")


@pytest.mark.usefixtures("_engine")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_convolution(kind: str) -> None:
    plain = network(KINDS[kind])
    fast = plain.fused()
    assert isinstance(fast.layers[1], FusedConvolution) == (kind != "xnor")
    for count in (1, 3):
        images = random_images(plain, count)
        expected = outputs(plain, images)
        for layout in (torch.contiguous_format, torch.channels_last):
            torch.testing.assert_close(outputs(fast, images.contiguous(memory_format=layout)), expected, **EXACT)


@pytest.mark.usefixtures("_engine")
@pytest.mark.parametrize("word", ACTIVATIONS)
def test_every_activation(word: str) -> None:
    plain = network(f"size=1\nbatch_normalize=1\nactivation={word}\n")
    images = random_images(plain)
    torch.testing.assert_close(outputs(plain.fused(), images), outputs(plain, images), **EXACT)


def test_what_was_fused_stays_as_it_was() -> None:
    plain = network(KINDS["bias"])
    images = random_images(plain)
    fast, before = plain.fused(), outputs(plain, images)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.add_(0.1)
    torch.testing.assert_close(outputs(fast, images), before, **EXACT)
    assert not any(True for _ in fast.layers[0].parameters())
    with pytest.raises(ValueError, match="nothing to save"):
        fast.stored()


def test_a_consumed_network_gives_its_weights_away_layer_by_layer() -> None:
    plain = network(KINDS["bias"])
    images = random_images(plain)
    expected, held = outputs(plain, images), [weakref.ref(module) for module in plain.layers]
    fast = plain.fused(consume=True)
    torch.testing.assert_close(outputs(fast, images), expected, **EXACT)
    assert not plain.layers and held[1]() is None
    with pytest.raises(ValueError, match="shorter"):
        plain(images)


def test_bf16_keeps_two_digits_and_gives_float32_from_heads() -> None:
    yolo = "[yolo]\nmask=0,1\nanchors=2,3, 4,5\nclasses=1\nnum=2\n"
    plain = built(f"{START}\n[shortcut]\nfrom=-1\n\n[convolutional]\nfilters=12\nsize=1\nactivation=linear\n\n{yolo}")
    images = random_images(plain)
    expected, found = outputs(plain, images), outputs(plain.fused(torch.bfloat16), images)
    assert found.dtype == torch.float32
    worst = float((found - expected).abs().max() / expected.abs().max())
    assert 0 < worst < 0.02  # 0 would be no bf16
