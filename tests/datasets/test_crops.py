"""How a box is cut out of its image; the sets made of crops are tested with their script and in paper/."""

from __future__ import annotations

import numpy as np
import pytest

from csptrain.datasets.crops import cut_rectangle, cut_square

#: uint8 [40, 60, 3]: each pixel tells its column, its row, and 7.
IMAGE = np.stack([*np.meshgrid(np.arange(60), np.arange(40)), np.full((40, 60), 7)], axis=-1).astype(np.uint8)


def box(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """Pixels to x y w h class."""
    rows = (left + right) / 120, (top + bottom) / 80, (right - left) / 60, (bottom - top) / 40, 1
    return np.array(rows, np.float32)


def test_a_rectangle_ends_where_the_image_does() -> None:
    crop = cut_rectangle(IMAGE, box(10, 20, 30, 30))
    assert crop is not None and np.array_equal(crop, IMAGE[20:30, 10:30])
    crop = cut_rectangle(IMAGE, box(0, 20, 30, 30), margin=0.1)
    assert crop is not None and np.array_equal(crop, IMAGE[19:31, :33])


def test_a_square_is_of_one_size_and_repeats_the_edge() -> None:
    crop = cut_square(IMAGE, box(10, 20, 30, 30), side=20)
    assert crop is not None and np.array_equal(crop, IMAGE[15:35, 10:30])
    crop = cut_square(IMAGE, box(0, 20, 20, 30), side=40, margin=0.5)
    assert crop is not None and crop.shape == (40, 40, 3)
    assert np.array_equal(crop[5:35, 10:], IMAGE[10:40, :30]) and not crop[:, :10, 0].any()
    crop = cut_square(IMAGE, box(10, 20, 30, 30), side=5)
    assert crop is not None and crop[0].tolist() == [[x, 16, 7] for x in (12, 16, 20, 24, 28)]  # means of 4x4 pixels


@pytest.mark.parametrize(("least", "there"), [(10, True), (11, False)])
def test_what_is_too_small_is_left_out(least: int, there: bool) -> None:
    assert (cut_rectangle(IMAGE, box(10, 20, 30, 30), least=least) is not None) is there
    assert (cut_square(IMAGE, box(10, 20, 20, 25), side=8, least=least) is not None) is there
