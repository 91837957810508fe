"""A handful of small random images with labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def image_list(tmp_path: Path) -> Path:
    """A list of seven 40x30 JPEG files with one box each, whose class is the image's number modulo 3."""
    rng = np.random.default_rng(0)
    names = []
    for number in range(7):
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), rng.integers(0, 256, (30, 40, 3), np.uint8))
        (tmp_path / f"{number}.txt").write_text(f"{number % 3} .5 .5 .4 .4\n")
        names.append(f"{number}.jpg\n")
    path = tmp_path / "list.txt"
    path.write_text("".join(names))
    return path
