"""Decoding of images; resize and letterbox against Darknet's figures are golden cases img_*."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain.datasets.image import load_image, resize
from csptrain.datasets.image_header import declared_size
from csptrain.errors import DataError


def test_resize_to_one_pixel_is_finite() -> None:
    planes = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    assert resize(planes, 1, 1).tolist() == [[[3.0]]]


@pytest.fixture
def jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", noise)[1])


def test_grey_of_a_colour_image(tmp_path: Path, jpeg: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg)
    assert load_image(tmp_path / "a.jpg", 1).shape == (24, 40, 1)
    assert load_image(tmp_path / "a.jpg").shape == (24, 40, 3)


@pytest.mark.parametrize(
    ("least", "side"),
    [((160, 120), 160), ((81, 60), 160), ((80, 60), 80), ((40, 25), 40), ((20, 15), 20), ((1, 1), 20)],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_is_reduced_as_far_as_it_suffices(
    tmp_path: Path, least: tuple[int, int], side: int, channels: int
) -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 160, dtype=np.uint8)[None, :, None], (120, 160, 3))
    for name in ("a.jpg", "a.png"):
        cv2.imwrite(str(tmp_path / name), ramp)
        whole, found = load_image(tmp_path / name, channels), load_image(tmp_path / name, channels, least)
        width = side if name == "a.jpg" else 160
        assert found.shape == (width * 3 // 4, width, channels)
        shrunk = cv2.resize(whole, (width, width * 3 // 4), interpolation=cv2.INTER_AREA).reshape(found.shape)
        assert np.abs(found.astype(int) - shrunk).max() <= 3


def test_exif_orientation_is_ignored(tmp_path: Path, jpeg: bytes) -> None:
    tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    body = b"Exif\0\0" + tiff
    turned = jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]
    upright = cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR)
    assert upright is not None and upright.shape == (40, 24, 3)
    (tmp_path / "a.jpg").write_bytes(turned)
    assert load_image(tmp_path / "a.jpg").shape == (24, 40, 3)


def test_data_behind_a_jpeg_is_allowed(tmp_path: Path, jpeg: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg + b"more")
    assert load_image(tmp_path / "a.jpg").shape == (24, 40, 3)


def test_broken_files(tmp_path: Path, jpeg: bytes) -> None:
    path = tmp_path / "a.jpg"
    for content, words in (
        (jpeg[:-2], "cut off"),
        (jpeg[:300], "cut off"),
        (b"", "decoded"),
        (b"no", "decoded"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=words) as caught:
            load_image(path)
        assert caught.value.path == str(path)
    with pytest.raises(DataError, match="no such file"):
        load_image(tmp_path / "none.jpg")
    with pytest.raises(DataError, match="is no file"):
        load_image(tmp_path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".ppm", ".tiff", ".webp"])
def test_sizes_are_read_from_headers(suffix: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (23, 31, 3), np.uint8)
    raw = cv2.imencode(suffix, pixels)[1].tobytes()
    assert declared_size(raw) == (31, 23)
    assert declared_size(raw[:9]) is None or suffix == ".ppm"


def test_too_many_pixels_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.png"
    cv2.imwrite(str(path), np.zeros((30, 40, 3), np.uint8))
    monkeypatch.setattr("csptrain.datasets.image.MAX_PIXELS", 1199)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(DataError, match=r"x.png: the image declares 40x30 pixels, more than 1199"):
        load_image(path)
