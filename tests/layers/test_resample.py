"""[upsample], [reorg], [reorg3d], [crop]: the same values at other places."""

from __future__ import annotations

import pytest
import torch

from csptrain.errors import CfgError
from csptrain.layers.base import Shape
from tests.plans import built, planned, random_images, shapes


def run(text: str, image: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    network = built(text, image)
    x = random_images(network)
    return x, network(x)[0]


def test_upsample_repeats_and_scales() -> None:
    x, y = run("[upsample]\nstride=3\nscale=.5\n", (2, 3, 4))
    torch.testing.assert_close(y, x.repeat_interleave(3, 2).repeat_interleave(3, 3) / 2)


def test_a_negative_stride_sums_blocks() -> None:
    x, y = run("[upsample]\nstride=-2\nscale=2\n", (2, 4, 6))
    torch.testing.assert_close(y, x.unflatten(2, (2, 2)).unflatten(4, (3, 2)).sum((3, 5)) * 2)
    assert shapes("[upsample]\nstride=-2\n", (2, 5, 7)) == [Shape(2, 2, 3)]


def test_reorg3d_puts_pixels_into_channels_and_reorg_the_flat_vector() -> None:
    x, y = run("[reorg3d]\nstride=2\n", (3, 4, 6))
    for dy in range(2):
        for dx in range(2):
            first = (dy * 2 + dx) * 3
            assert torch.equal(y[:, first : first + 3], x[:, :, dy::2, dx::2])
    x, y = run("[reorg]\nstride=2\n", (4, 4, 6))
    view = x.reshape(2, 1, 8, 12)
    parts = [view[:, :, dy::2, dx::2] for dy in range(2) for dx in range(2)]
    assert torch.equal(y, torch.cat(parts, 1).reshape(2, 16, 2, 3))


def test_reorg_reversed_puts_channels_into_pixels() -> None:
    # It undoes [reorg3d], not [reorg].
    text = "[reorg3d]\nstride=2\n[reorg]\nstride=2\nreverse=1\n"
    x, y = run(text, (4, 4, 6))
    assert torch.equal(x, y)


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("[upsample]\nstride=0\n", (3, 4, 4)),
        ("[upsample]\nstride=-5\n", (3, 4, 4)),
        ("[reorg]\nstride=2\n", (3, 4, 4)),
        ("[reorg3d]\nstride=2\n", (3, 5, 4)),
        ("[reorg3d]\nstride=2\nreverse=1\n", (4, 4, 4)),
        ("[crop]\ncrop_height=5\ncrop_width=2\n", (3, 4, 4)),
        ("[crop]\ncrop_height=0\ncrop_width=2\n", (3, 4, 4)),
    ],
)
def test_what_has_no_shape_is_refused(text: str, image: tuple[int, int, int]) -> None:
    with pytest.raises(CfgError, match=r"x\.cfg:\d+: "):
        planned(text, image)


def test_crop_takes_the_middle_and_spreads_values() -> None:
    text = "[crop]\ncrop_height=4\ncrop_width=3\nflip=1\n"
    x, y = run(text, (3, 9, 8))
    torch.testing.assert_close(y, x[:, :, 2:6, 2:5] * 2 - 1)
    x, y = run(text + "noadjust=1\n", (3, 9, 8))
    assert torch.equal(y, x[:, :, 2:6, 2:5])


def test_crop_draws_place_and_direction_in_training() -> None:
    network = built("[crop]\ncrop_height=4\ncrop_width=3\nflip=1\nnoadjust=1\n", (1, 6, 5)).train()
    x = torch.arange(30.0).view(1, 1, 6, 5)
    seen = {tuple(network(x)[0][0, 0, 0, :2].int().tolist()) for _ in range(300)}
    windows = [(top * 5 + left, top * 5 + left + 1) for top in range(3) for left in range(3)]
    assert seen == {*windows, *((start + 2, start + 1) for start, _ in windows)}


def test_colours_of_crop_are_said_to_do_nothing() -> None:
    graph = planned("[crop]\ncrop_height=4\ncrop_width=3\nangle=7\nsaturation=1.5\nexposure=1\n")
    assert [finding.line for finding in graph.findings] == [9, 10]
