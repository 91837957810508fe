"""antialiasing=: stride 1, then a fixed blur with the stride; values against Darknet are golden cases f16 and f17."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from csptrain.errors import CfgError
from csptrain.layers.base import Shape
from tests.plans import built, planned, random_images, shapes

CONV = "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"
KERNELS = {1: torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])) / 16, 2: torch.ones(2, 2) / 4}


@pytest.mark.parametrize("section", [CONV, "[maxpool]\nsize=3\n", "[maxpool]\nsize=2\n"])
@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("stride", ["stride=2", "stride=1", "stride_x=3\nstride_y=2"])
def test_the_blur_takes_the_stride_over(section: str, kind: int, stride: str) -> None:
    sharp = built(section + "stride=1\n", (3, 11, 8))
    blurred = built(f"{section}{stride}\nantialiasing={kind}\n", (3, 11, 8))
    x = random_images(sharp)
    y = sharp(x)[0]
    kernel = KERNELS[kind].expand(y.shape[1], 1, -1, -1)
    strides = [(2, 2), (1, 1), (2, 3)][["stride=2", "stride=1", "stride_x=3\nstride_y=2"].index(stride)]
    expected = F.conv2d(y, kernel, None, strides, 2 - kind, groups=y.shape[1])
    torch.testing.assert_close(blurred(x)[0], expected)
    assert blurred.graph.nodes[0].output == Shape(*expected.shape[1:])


def test_the_cost_is_that_of_the_sharp_map() -> None:
    conv, pool = (
        node.cost
        for node in planned(f"{CONV}stride=2\nantialiasing=1\n[maxpool]\nsize=2\nstride=2\nantialiasing=2\n").nodes
    )
    assert conv.darknet == conv.operations == 2 * 3 * 9 * 4 * 64
    assert pool.darknet == 4 * 4 * 16


def test_what_cannot_be_blurred() -> None:
    with pytest.raises(CfgError, match="a window of 2 does not fit a map of 1"):
        shapes("[maxpool]\nsize=2\nstride=2\nantialiasing=2\n", (3, 1, 4))
    with pytest.raises(CfgError, match="maxpool_depth=1 is not supported"):
        shapes("[maxpool]\nmaxpool_depth=1\nout_channels=1\nantialiasing=1\n")
    with pytest.raises(CfgError, match="legal: 0, 1, 2"):
        shapes(f"{CONV}antialiasing=3\n")
    with pytest.raises(CfgError, match="unknown key antialiasing="):
        shapes("[local_avgpool]\nsize=2\nantialiasing=1\n")
