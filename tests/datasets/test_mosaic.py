"""Where the four parts of a mosaic and their boxes come to lie."""

from __future__ import annotations

import numpy as np
import pytest

from csptrain.datasets.augment import Draw
from csptrain.datasets.colour import Distortion
from csptrain.datasets.degrade import Degradation
from csptrain.datasets.geometry import Crop
from csptrain.datasets.mosaic import Part, compose, place_part

NET = (40, 40)
PLAIN = Draw(Crop(0, 0, 40, 40), Distortion())


def part(level: int, row: tuple[float, ...], drawn: Draw = PLAIN) -> Part:
    return Part(np.full((40, 40, 3), level, np.uint8), np.array([row], np.float32), drawn)


def test_tiles_and_boxes() -> None:
    parts = [
        part(10, (0.9, 0.9, 0.1, 0.1, 0)),  # lower right corner: seen at the centre
        part(20, (0.9, 0.9, 0.1, 0.1, 1)),  # lies right of what the tile shows
        part(30, (0.85, 0.1, 0.3, 0.1, 2)),
        part(40, (0.5, 0.5, 1.0, 1.0, 3)),  # larger than its tile
    ]
    pixels, truth = compose(parts, NET, (16, 24), "mean")
    corners = pixels[[0, 0, 39, 39], [0, 39, 0, 39], 0]
    assert corners.tolist() == [10, 20, 30, 40]
    assert (pixels[:24, :16] == 10).all() and (pixels[24:, 16:] == 40).all()
    by_class = {int(row[4]): row[:4] for row in truth}
    assert sorted(by_class) == [0, 2, 3]
    np.testing.assert_allclose(by_class[0], [0.3, 0.5, 0.1, 0.1], atol=1e-6)
    np.testing.assert_allclose(by_class[2], [0.25, 0.7, 0.3, 0.1], atol=1e-6)
    np.testing.assert_allclose(by_class[3], [0.7, 0.8, 0.6, 0.4], atol=1e-6)


def test_margins_stay_out_of_sight() -> None:
    # The image covers the left half of its crop; the upper left tile would show the other half.
    wide = part(200, (0.5, 0.5, 0.5, 0.5, 0), Draw(Crop(0, 0, 80, 40), Distortion()))
    others = [part(10, (0.5, 0.5, 0.1, 0.1, 1))] * 3
    pixels, truth = compose([wide, *others], NET, (20, 20), "replicate")
    assert (pixels[:20, :20] == 200).all()
    np.testing.assert_allclose(truth[0], [0.25, 0.125, 0.25, 0.25, 0], atol=1e-6)

    flipped = part(200, (0.5, 0.5, 0.5, 0.5, 0), Draw(Crop(0, 0, 80, 40, flip=True), Distortion()))
    _, truth = compose([others[0], flipped, *others[:2]], NET, (20, 20), "replicate")
    row = truth[truth[:, 4] == 0][0]
    np.testing.assert_allclose(row, [0.75, 0.125, 0.25, 0.25, 0], atol=1e-6)


@pytest.mark.parametrize(("bound", "right"), [(False, 0.625), (True, 0.5)])
def test_a_box_that_leaves_its_image_ends_at_the_tile_when_bound(bound: bool, right: float) -> None:
    # The label reaches a quarter of the image beyond it; the crop's space there is moved out of sight.
    beyond = part(200, (0.9, 0.5, 0.7, 0.5, 0), Draw(Crop(0, 0, 80, 40), Distortion()))
    others = [part(10, (0.5, 0.5, 0.1, 0.1, 1))] * 3
    _, truth = compose([beyond, *others], NET, (20, 20), "mean", bound)
    row = truth[truth[:, 4] == 0][0]
    assert row[0] + row[2] / 2 == pytest.approx(right, abs=1e-6)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("number", range(4))
def test_half_of_the_parts_are_moved_to_their_own_corner(number: int, flip: bool) -> None:
    rng = np.random.default_rng(0)
    drawn = Draw(Crop(-3, 4, 50, 30, flip), Distortion())
    one = part(10, (0.5, 0.5, 0.1, 0.1, 0), drawn)
    crops = [place_part(rng, one, number).drawn.crop for _ in range(200)]
    moved = {crop for crop in crops if crop != drawn.crop}
    assert 70 < sum(crop != drawn.crop for crop in crops) < 130
    right = (number % 2 == 1) != flip
    assert moved == {Crop(-10 if right else 0, 10 if number >= 2 else 0, 50, 30, flip)}


def test_a_tile_is_blurred_with_what_lies_beyond_it() -> None:
    striped = np.zeros((40, 40, 3), np.uint8)
    striped[:, :20] = 200
    soft = Part(striped, np.zeros((0, 5), np.float32), Draw(Crop(0, 0, 40, 40), Distortion(), Degradation(1)))
    others = [part(10, (0.5, 0.5, 0.1, 0.1, 1))] * 3
    pixels, _ = compose([soft, *others], NET, (20, 20), "mean")
    # The tile shows the dark half, next to the bright one.
    assert 60 < pixels[10, 0, 0] < 110 and pixels[10, 19, 0] == 0
