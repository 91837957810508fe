"""Files that grow with a video: the frames with their boxes, and the detections as JSON. They appear when it ends."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import cv2

from csptrain.errors import DataError
from csptrain.live.source import Pixels

#: Suffix of a video file -> its codec.
CODECS = {".avi": "MJPG", ".mp4": "mp4v", ".mkv": "mp4v", ".mov": "mp4v"}


@contextmanager
def growing(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write to, which takes its place in the end, also where the user stops the run.

    After any other error it is deleted, and an older file stays. Raises DataError where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
        os.close(handle)
        fresh = Path(name)
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror or error}", path=path) from None
    done = False
    try:
        yield fresh
        done = True
    except KeyboardInterrupt:
        done = True
        raise
    finally:
        if done:
            os.replace(fresh, path)
        else:
            with contextlib.suppress(OSError):
                fresh.unlink()


class VideoFile:
    """Frames uint8 [H, W, 3] RGB into a video; its size is that of the first."""

    def __init__(self, fresh: Path, path: Path, rate: float) -> None:
        self._fresh, self._path, self._rate = fresh, path, rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def add(self, frame: Pixels) -> None:
        """Append a frame; raises DataError where the video cannot be written."""
        height, width = frame.shape[:2]
        if self._writer is None:
            code = cv2.VideoWriter.fourcc(*CODECS[self._path.suffix.lower()])
            self._size = width, height
            self._writer = cv2.VideoWriter(str(self._fresh), code, self._rate, self._size)
            if not self._writer.isOpened():
                raise DataError("this OpenCV cannot write such a video", path=self._path, hint="name it .avi")
        bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        self._writer.write(bgr if (width, height) == self._size else cv2.resize(bgr, self._size))

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()


@contextmanager
def video_file(path: Path, rate: float) -> Iterator[VideoFile]:
    """A video that appears as ``path`` in the end; raises DataError for a suffix that is none of ``CODECS``."""
    if path.suffix.lower() not in CODECS:
        raise DataError(f"'{path.suffix}' is no kind of video", path=path, hint=f"legal: {', '.join(CODECS)}")
    with growing(path) as fresh:
        video = VideoFile(fresh, path, rate)
        try:
            yield video
        finally:
            video.close()


class FrameList:
    """Darknet's list of frames as JSON, one at a time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._count = 0

    def add(self, frame: dict[str, object]) -> None:
        """Append one frame."""
        self._stream.write((",\n" if self._count else "[\n") + json.dumps(frame))
        self._count += 1

    def close(self) -> None:
        """End the list."""
        self._stream.write("\n]\n" if self._count else "[]\n")


@contextmanager
def frame_list(path: Path) -> Iterator[FrameList]:
    """A JSON file that appears as ``path`` in the end."""
    with growing(path) as fresh, fresh.open("w", encoding="utf-8") as stream:
        frames = FrameList(stream)
        try:
            yield frames
        finally:
            frames.close()
