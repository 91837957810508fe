"""A film of a few small frames."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain.live import source


def write_film(path: Path, frames: int = 4, size: tuple[int, int] = (48, 40)) -> Path:
    """Write a video of grey frames, each brighter than the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = cv2.VideoWriter.fourcc(*("mp4v" if path.suffix == ".mp4" else "MJPG"))
    writer = cv2.VideoWriter(str(path), code, 10.0, size)
    assert writer.isOpened()
    for number in range(frames):
        writer.write(np.full((size[1], size[0], 3), 40 + 30 * number, np.uint8))
    writer.release()
    return path


def camera_shows_a_film(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let every camera and stream be a short film, which is written into ``folder``; files stay what they are."""
    film = str(write_film(folder / "film.avi", 2))
    opened: Callable[[object], cv2.VideoCapture] = cv2.VideoCapture
    monkeypatch.setattr(source.cv2, "VideoCapture", lambda what: opened(what if os.path.isfile(str(what)) else film))
