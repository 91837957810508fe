"""Frames of a video file, a camera or a network stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from csptrain.errors import DataError

Pixels = npt.NDArray[np.uint8]
#: Frames a second of a source that does not say it.
DEFAULT_RATE = 25.0


class Source:
    """The frames of an opened capture; of a live one those that nobody was ready for are passed over."""

    def __init__(self, capture: cv2.VideoCapture, name: str, live: bool) -> None:
        self._capture = capture
        self.name = name
        self.live = live
        self.size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= 1000 else DEFAULT_RATE

    def frames(self) -> Iterator[Pixels]:
        """Each frame as uint8 [H, W, 3] RGB, until there is no more."""
        for frame in _newest(self._capture) if self.live else _all(self._capture):
            yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)

    def close(self) -> None:
        """Give the file or device back."""
        self._capture.release()


def open_source(word: str | None, camera: int) -> Source:
    """A video file, an address (rtsp://, http:// ...), a GStreamer pipeline, a camera by its number, else ``camera``.

    Raises DataError for a file that does not exist, and for what OpenCV cannot open.
    """
    if word is None or word.isdigit():
        number = camera if word is None else int(word)
        return _opened(number, f"camera {number}", live=True)
    if "://" in word or " ! " in word:
        return _opened(word, word, live=True)
    if not Path(word).is_file():
        raise DataError("no such video", path=word)
    return _opened(word, word, live=False)


def _opened(place: int | str, name: str, live: bool) -> Source:
    # OpenCV tells of each driver that it has tried.
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        capture = cv2.VideoCapture(place)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not capture.isOpened():
        raise DataError("cannot be opened as a video", path=name)
    return Source(capture, name, live)


def _all(capture: cv2.VideoCapture) -> Iterator[Pixels]:
    while True:
        there, frame = capture.read()
        if not there:
            return
        yield np.asarray(frame, np.uint8)


def _newest(capture: cv2.VideoCapture) -> Iterator[Pixels]:
    """Read in a thread and give the newest frame: a camera waits for nobody, and its buffer would grow old."""
    changed = threading.Condition()
    newest: list[Pixels] = []
    ended = threading.Event()

    def read() -> None:
        try:
            for frame in _all(capture):
                with changed:
                    newest[:] = [frame]
                    changed.notify()
                if ended.is_set():
                    return
        finally:
            with changed:
                ended.set()
                changed.notify()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: newest or ended.is_set())
                if not newest:
                    return
                frame = newest.pop()
            yield frame
    finally:
        ended.set()
        reader.join(timeout=2)
