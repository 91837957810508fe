"""Pooling windows as Darknet slides them, against plain loops."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from csptrain.errors import CfgError
from csptrain.layers.base import Shape
from tests.plans import built, planned, random_images, shapes

SIDES = (9, 7)


def windows() -> list[tuple[int, int, int | None]]:
    """Sizes, strides and paddings of which no window lies wholly in the padding; None is the default padding."""
    found = []
    for size, stride, padding in product((1, 2, 3, 5), (1, 2, 3), (None, 0, 1, 2, 4)):
        used = size - 1 if padding is None else padding
        last = [(side + used - size) // stride * stride - used // 2 for side in SIDES]
        if used // 2 < size and all(start < side for start, side in zip(last, SIDES, strict=True)):
            found.append((size, stride, padding))
    return found


def pooled(x: torch.Tensor, size: int, stride: int, padding: int, mean: bool) -> torch.Tensor:
    """Each window by itself; pixels outside do not count."""
    height, width = x.shape[2:]
    rows, columns = ((length + padding - size) // stride + 1 for length in (height, width))
    y = torch.zeros(*x.shape[:2], rows, columns)
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride - padding // 2, column * stride - padding // 2
            window = x[:, :, max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)].flatten(2)
            y[:, :, row, column] = window.mean(2) if mean else window.amax(2)
    return y


@pytest.mark.parametrize("kind", ["maxpool", "local_avgpool"])
@pytest.mark.parametrize(("size", "stride", "padding"), windows())
def test_every_window(kind: str, size: int, stride: int, padding: int | None) -> None:
    given = "" if padding is None else f"padding={padding}\n"
    used = size - 1 if padding is None else padding
    network = built(f"[{kind}]\nsize={size}\nstride={stride}\n{given}", (2, *SIDES))
    x = random_images(network) - 0.9
    torch.testing.assert_close(network(x)[0], pooled(x, size, stride, used, kind == "local_avgpool"))


def test_size_defaults_to_stride_and_padding_never_wins() -> None:
    assert shapes("[maxpool]\nstride=2\n", (3, 9, 8)) == [Shape(3, 5, 4)]
    network = built("[maxpool]\nsize=3\nstride=1\n")
    assert network(torch.full((1, 3, 8, 8), -5.0))[0].unique().tolist() == [-5.0]


def test_strides_may_differ() -> None:
    assert shapes("[maxpool]\nsize=2\nstride_x=1\nstride_y=2\n", (3, 8, 8)) == [Shape(3, 4, 8)]


@pytest.mark.parametrize(("channels", "out"), [(6, 3), (6, 2), (7, 3), (5, 4), (4, 4), (4, 1)])
def test_maxout_takes_every_so_manieth_channel(channels: int, out: int) -> None:
    network = built(f"[maxpool]\nmaxpool_depth=1\nout_channels={out}\n", (channels, 4, 4))
    x = random_images(network)
    expected = torch.stack([x[:, first::out].amax(1) for first in range(out)], 1)
    assert torch.equal(network(x)[0], expected)


def test_maxout_of_more_channels_than_there_are() -> None:
    with pytest.raises(CfgError, match="out_channels=4 of 3 input channels"):
        planned("[maxpool]\nmaxpool_depth=1\nout_channels=4\n")


def test_avgpool_is_the_mean_of_the_map() -> None:
    network = built("[avgpool]\n", (2, 3, 5))
    x = random_images(network)
    assert network(x)[0].shape == (2, 2, 1, 1)
    assert math.isclose(float(network(x)[0][1, 0]), float(x[1, 0].mean()), rel_tol=1e-6)


def test_costs_are_darknets() -> None:
    maximum, maxout = (
        node.cost for node in planned("[maxpool]\nsize=2\nstride=2\n[maxpool]\nmaxpool_depth=1\nout_channels=1\n").nodes
    )
    assert (maximum.darknet, maximum.paper) == (4 * 3 * 16, 4 * 3 * 16)
    assert (maxout.darknet, maxout.paper) == (48, 48)
