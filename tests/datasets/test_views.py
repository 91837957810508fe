"""What a trained classifier sees of an image; Darknet's own figures are in the golden cases clsimg_*."""

from __future__ import annotations

import numpy as np
import pytest

from csptrain.datasets.views import centre_crop, resize_shorter, ten_crops, whole


def ramp(width: int, height: int) -> np.ndarray:
    """Channel 0 rises to the right, channel 1 downwards, both from 0 to 1."""
    across, down = np.linspace(0, 1, width), np.linspace(0, 1, height)
    return np.stack(np.broadcast_arrays(across[None, :], down[:, None])).astype(np.float32)


@pytest.mark.parametrize(
    ("size", "expected"), [((60, 40), (48, 32)), ((40, 60), (32, 48)), ((50, 33), (48, 32)), ((20, 20), (32, 32))]
)
def test_the_shorter_side(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert resize_shorter(ramp(*size), 32).shape == (2, expected[1], expected[0])


def test_the_centre() -> None:
    (view,) = centre_crop(ramp(64, 32), (32, 32))
    assert view.shape == (2, 32, 32)
    assert view[0].min() == pytest.approx(16 / 63) and view[0].max() == pytest.approx(47 / 63)
    (tall,) = centre_crop(ramp(64, 32), (16, 32))
    assert tall.shape == (2, 32, 16) and tall[0].min() == pytest.approx(24 / 63)


def test_ten_crops() -> None:
    views = ten_crops(ramp(96, 64), (56, 56))  # brought to 96x64: an eighth more than the network
    assert views.shape == (10, 2, 56, 56)
    places = [(round(float(view[0, 0, 0]) * 95), round(float(view[1, 0, 0]) * 63)) for view in views[:5]]
    assert places == [(0, 0), (40, 0), (0, 8), (40, 8), (20, 4)]
    np.testing.assert_array_equal(views[5:], views[:5, :, :, ::-1])


def test_the_whole_image() -> None:
    assert whole(ramp(60, 40), (32, 32)).shape == (1, 2, 32, 48)
