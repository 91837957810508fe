"""An ONNX model in an OpenCV that runs in a process of its own, of this Python or of another with another OpenCV."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from csptrain.errors import ExportError
from csptrain.formats import opencv_worker
from csptrain.formats.onnx_model import NotInstalled, OnnxModel
from csptrain.formats.onnx_runtime import FloatArray, Session

WORKER_SECONDS = 600


@contextmanager
def open_opencv(model: OnnxModel, python: Path | None = None, engine: str = "") -> Iterator[Session]:
    """Images go one at a time through the OpenCV of another ``python``, else of this one.

    It always runs in a process of its own, because OpenCV's importer may end its process.

    Raises NotInstalled, ExportError.
    """
    with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
        Path(folder, opencv_worker.MODEL).write_bytes(model.data)
        worker = _Worker(Path(folder), str(python or sys.executable), engine, model.outputs)
        try:
            yield Session(worker.answer(), worker.run)
        finally:
            worker.close()


class _Worker:
    """The other process (see ``opencv_worker``); what it writes to its standard error is kept in the folder."""

    def __init__(self, folder: Path, python: str, engine: str, names: tuple[str, ...]) -> None:
        self.folder, self.python, self.names = folder, python, names
        self.log = folder / "errors.txt"
        words = [python, opencv_worker.__file__, str(folder), engine, *names]
        pipe = subprocess.PIPE
        with self.log.open("wb") as log:
            try:
                self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=log, text=True)
            except OSError as error:
                raise NotInstalled(f"cannot be started: {error.strerror}", path=python) from None

    def run(self, images: FloatArray) -> dict[str, FloatArray]:
        """The outputs of images [N, C, H, W] by name."""
        np.save(self.folder / opencv_worker.IMAGES, images)
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("run\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        self.answer()
        with np.load(self.folder / opencv_worker.RESULT) as archive:
            return {name: archive[f"arr_{number}"] for number, name in enumerate(self.names)}

    def answer(self) -> str:
        """What it says next; raises NotInstalled, ExportError where it has ended instead."""
        assert self.process.stdout is not None
        timer = threading.Timer(WORKER_SECONDS, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                if line.startswith(opencv_worker.ANSWER):
                    return line.removeprefix(opencv_worker.ANSWER).strip()
            if timer.finished.is_set():
                raise ExportError(f"OpenCV does not answer within {WORKER_SECONDS} seconds")
        finally:
            timer.cancel()
        raise self._ended()

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()

    def _ended(self) -> ExportError:
        code = self.process.wait()
        if code < 0:
            return ExportError(f"OpenCV crashes on it (signal {-code})")
        # Its own log stands before what the worker writes last.
        last = self.log.read_text(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        if "No module named" in last[0]:
            return NotInstalled(f"OpenCV: {last[0]}", path=self.python)
        return ExportError(f"OpenCV: {last[0]}")
