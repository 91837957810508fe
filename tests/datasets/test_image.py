"""Decoding of images; resize and letterbox against Darknet's figures are golden cases img_*."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain.datasets.image import load_image, resize
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
    with pytest.raises(DataError, match="cannot be read"):
        load_image(tmp_path / "none.jpg")
