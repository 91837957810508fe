"""A Darknet program that the user has: what it finds with a cfg and weights, asked through its command line.

It runs in a temporary folder, since it writes pictures and lists beside itself, and under names of our own, since its
paths may have 255 bytes and its class names stand in JSON and in lines of text.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from csptrain.errors import ExportError
from csptrain.ops.decode import Detections

Pixels = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

LEAST_SCORE = 0.005
"""What Darknet writes into its result file has a score above this, whatever ``-thresh`` says."""

NMS = 0.45
"""Overlap above which ``detector test`` drops the weaker of two boxes."""

ROUNDING = 5e-7
"""Half of the last decimal that it writes."""

SECONDS = 600.0
_TAIL = 30
_CFG, _WEIGHTS, _DATA, _NAMES, _RESULT = "net.cfg", "net.weights", "net.data", "net.names", "result.json"
_COMPLAINT = re.compile(r"\b(error|assertion|failed|cannot|can't|couldn't)\b", re.IGNORECASE)
_COLOUR = re.compile("\x1b\\[[0-9;]*[A-Za-z]")
_PICTURE = re.compile(r"(?:^|\s)(\d+)\.png: Predicted in ")
_PROBABILITY = re.compile(r"^(\d+): ([-+]?(?:\d+\.\d+|nan|inf))\s*$")


class DarknetError(ExportError):
    """A Darknet program that cannot be run or gives no answer; ``tail`` are the last lines it wrote."""

    def __init__(self, message: str, path: Path, tail: Sequence[str] = (), hint: str | None = None) -> None:
        super().__init__(message, path=path, hint=hint)
        self.tail = tuple(tail)


@dataclass(frozen=True)
class DarknetProgram:
    """The program and how many seconds it has for all pictures of one call."""

    path: Path
    seconds: float = SECONDS

    @classmethod
    def find(cls, given: Path, seconds: float = SECONDS) -> DarknetProgram:
        """The program of a path, or of a name on the search path; raises DarknetError."""
        found = shutil.which(given.absolute()) or shutil.which(given)
        if found is None:
            there = "is not executable" if given.exists() else "no such program"
            raise DarknetError(there, given, hint="the path of a darknet executable is needed")
        return cls(Path(found).absolute(), seconds)

    def detect(
        self, cfg: str, weights: Path, pictures: Sequence[Pixels], classes: int, thresh: float
    ) -> list[Detections]:
        """``detector test``: the objects of each picture uint8 [H, W, C], a row each, boxes relative to it.

        ``cfg`` is its text. Coordinates and scores have six decimals. Raises DarknetError.
        """
        words = ("-thresh", f"{thresh:.9g}", "-dont_show", "-ext_output", "-out", _RESULT)
        with self._run(("detector", "test"), words, cfg, weights, pictures, classes) as folder:
            return self._read_detections(folder, len(pictures), classes)

    def classify(self, cfg: str, weights: Path, pictures: Sequence[Pixels], classes: int) -> list[FloatArray]:
        """``classifier predict``: the probabilities float32 [classes] of each picture, with six decimals.

        Raises DarknetError.
        """
        words = ("-t", str(classes))
        with self._run(("classifier", "predict"), words, cfg, weights, pictures, classes) as folder:
            return self._read_probabilities(folder, len(pictures), classes)

    @contextlib.contextmanager
    def _run(
        self,
        verb: tuple[str, str],
        words: Sequence[str],
        cfg: str,
        weights: Path,
        pictures: Sequence[Pixels],
        classes: int,
    ) -> Iterator[Path]:
        """The folder in which the program has done its work."""
        with tempfile.TemporaryDirectory(prefix="csptrain.") as name:
            folder = Path(name)
            (folder / _CFG).write_text(cfg, encoding="utf-8")
            (folder / _WEIGHTS).symlink_to(weights.absolute())
            (folder / _NAMES).write_text("".join(f"{label}\n" for label in range(classes)))
            (folder / _DATA).write_text(f"classes={classes}\nnames={_NAMES}\n")
            for number, picture in enumerate(pictures):
                (folder / f"{number}.png").write_bytes(_png(picture))
            (folder / "pictures.txt").write_text("".join(f"{number}.png\n" for number in range(len(pictures))))
            # Darknet draws letters from data/labels; without them it complains 760 times.
            letters = self.path.resolve().parent / "data"
            if letters.is_dir():
                (folder / "data").symlink_to(letters)
            self._call([str(self.path), *verb, _DATA, _CFG, _WEIGHTS, *words], folder)
            yield folder

    def _call(self, words: Sequence[str], folder: Path) -> None:
        with (
            (folder / "pictures.txt").open("rb") as asked,
            (folder / "output.txt").open("wb") as output,
            (folder / "errors.txt").open("wb") as errors,
        ):
            try:
                process = subprocess.Popen(
                    words, cwd=folder, stdin=asked, stdout=output, stderr=errors, start_new_session=True
                )
            except OSError as error:
                raise DarknetError(f"cannot be started: {error.strerror}", self.path) from None
            try:
                code = process.wait(self.seconds)
            except subprocess.TimeoutExpired:
                raise self._error(f"has not ended within {self.seconds:g} seconds", folder) from None
            finally:
                # What it has started itself ends with it.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if code:
            raise self._error(f"crashes (signal {-code})" if code < 0 else f"ends with exit code {code}", folder)

    def _read_detections(self, folder: Path, count: int, classes: int) -> list[Detections]:
        try:
            frames = json.loads((folder / _RESULT).read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            hint = "Darknets before detector test had -out cannot be compared"
            raise self._error("writes no result file", folder, hint) from None
        except ValueError as error:
            raise self._error(f"writes a result file that is not JSON: {error}", folder) from None
        try:
            found = {str(frame["filename"]): _objects(frame["objects"], classes) for frame in frames}
            return [found[f"{number}.png"] for number in range(count)]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            said = f"{type(error).__name__} {error}"
            raise self._error(f"writes a result file that is not Darknet's: {said}", folder) from None

    def _read_probabilities(self, folder: Path, count: int, classes: int) -> list[FloatArray]:
        found: dict[int, dict[int, float]] = {}
        here: dict[int, float] = {}
        for line in (folder / "output.txt").read_text(encoding="utf-8", errors="replace").splitlines():
            if picture := _PICTURE.search(line):
                here = found.setdefault(int(picture[1]), {})
            elif probability := _PROBABILITY.match(line):
                here[int(probability[1])] = float(probability[2])
        for number in range(count):
            if sorted(found.get(number, ())) != list(range(classes)):
                some = len(found.get(number, ()))
                raise self._error(f"prints {some} of {classes} probabilities for picture {number}", folder)
        return [np.array([found[number][label] for label in range(classes)], np.float32) for number in range(count)]

    def _error(self, message: str, folder: Path, hint: str | None = None) -> DarknetError:
        """The error with what the program said: its complaints, else the rest."""
        for name in ("errors.txt", "output.txt"):
            said = (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
            if lines := [plain for line in said if (plain := _plain(line))]:
                # A trace of calls may follow the reason.
                telling = next((line for line in reversed(lines[-_TAIL:]) if _COMPLAINT.search(line)), lines[-1])
                return DarknetError(f"{message}; it says: {telling}", self.path, lines[-_TAIL:], hint)
        return DarknetError(f"{message}; it says nothing", self.path, hint=hint)


def _objects(rows: list[dict[str, Any]], classes: int) -> Detections:
    """The objects of one picture; raises KeyError, TypeError, ValueError, IndexError for what is not Darknet's."""
    boxes = np.zeros((len(rows), 4), np.float32)
    prob = np.zeros((len(rows), classes), np.float32)
    for row, found in enumerate(rows):
        place, label = found["relative_coordinates"], found["class_id"]
        if not isinstance(place, dict) or not isinstance(label, int) or not 0 <= label < classes:
            raise ValueError(f"an object of class {label!r} at {place!r}")
        boxes[row] = [place[side] for side in ("center_x", "center_y", "width", "height")]
        prob[row, label] = found["confidence"]
    return Detections(boxes, prob.max(axis=1, initial=0.0), prob)


def _plain(line: str) -> str:
    """A line of a program without colours and what else would act on a terminal."""
    return "".join(letter for letter in _COLOUR.sub("", line) if letter.isprintable()).strip()


def _png(picture: Pixels) -> bytes:
    done, data = cv2.imencode(".png", np.ascontiguousarray(picture[:, :, ::-1]))
    assert done, "a PNG picture holds every size that can be loaded"
    return data.tobytes()
