"""The deltas that hide what a head sees, cell by cell as Darknet's loop does."""

from __future__ import annotations

from math import exp, sqrt

import pytest
import torch

from csptrain.losses.gaussian import GaussianSpec, gaussian_activate, gaussian_attack
from csptrain.losses.yolo import YoloSpec, yolo_activate, yolo_attack

ANCHORS = ((5.0, 6.0), (9.0, 7.0), (8.0, 14.0))
NET = 32


def spec(**options: float) -> YoloSpec:
    return YoloSpec(classes=3, anchors=ANCHORS, mask=(0, 2), obj_normalizer=0.5, **options)  # type: ignore[arg-type]


def expected(entries: torch.Tensor, anchor: tuple[float, float], all_entries: bool) -> list[float]:
    """Deltas of one prediction [x y w h objectness classes]."""
    x, y, w, h, objectness, *classes = entries.tolist()
    weight = sqrt(exp(w) * anchor[0] / NET * exp(h) * anchor[1] / NET)
    seen = [value * objectness > 0.25 for value in classes]
    found = any(seen) and all_entries
    box = [-value if found else 0.0 for value in (x, y, w, h)]
    labels = [-value if this else 1 - value if found else 0.0 for value, this in zip(classes, seen, strict=True)]
    return [weight * delta for delta in (*box, -0.5 * objectness, *labels)]


@pytest.mark.parametrize("normalizer", [1.0, 0.25])
def test_it_is_darknets_loop(normalizer: float) -> None:
    of = spec(delta_normalizer=normalizer)
    raw = torch.randn(2, 16, 3, 4, generator=torch.Generator().manual_seed(1)) * 2
    output = yolo_activate(raw, of)
    attack = yolo_attack(output, of, NET, NET)
    kinds = set()
    for image in range(2):
        for anchor in range(2):
            for row in range(3):
                for column in range(4):
                    part = slice(8 * anchor, 8 * anchor + 8)
                    entries = output[image, part, row, column]
                    wanted = torch.tensor(expected(entries, ANCHORS[of.mask[anchor]], True)) * normalizer
                    kinds.add(bool(wanted[0]))
                    torch.testing.assert_close(attack.delta[image, part, row, column], wanted)
    assert kinds == {True, False}, "cells with and without an object"
    torch.testing.assert_close(attack.cost, attack.delta.square().sum())


def test_gaussian_boxes_are_left_alone() -> None:
    of = GaussianSpec(classes=3, anchors=ANCHORS, mask=(1,), obj_normalizer=0.5)
    raw = torch.randn(1, 12, 2, 2, generator=torch.Generator().manual_seed(2)) * 2
    output = gaussian_activate(raw, of)
    delta = gaussian_attack(output, of, NET, NET).delta
    assert delta.shape == output.shape
    for row in range(2):
        for column in range(2):
            means, rest = output[0, 0:8:2, row, column], output[0, 8:, row, column]
            wanted = expected(torch.cat((means, rest)), ANCHORS[1], False)
            torch.testing.assert_close(delta[0, 8:, row, column], torch.tensor(wanted[4:]))
    assert not delta[:, :8].any()


def test_what_is_not_finite_is_left_out() -> None:
    output = yolo_activate(torch.full((1, 16, 2, 2), float("inf")), spec())
    assert not yolo_attack(output, spec(), NET, NET).delta.any()
