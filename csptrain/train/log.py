"""What a training tells: Darknet's log line, results.csv, one JSON object an iteration."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from csptrain.cfg.regular import check_regular
from csptrain.errors import DataError
from csptrain.formats.files import write_atomically

# What an evaluation adds to the iteration it follows: of a detector, of a classifier.
MEASURES = ("map", "top1", "topk")
FIELDS = ("iteration", "loss", "avg_loss", "rate", "seconds", "data_wait", "images", "width", "height", *MEASURES)


@dataclass(frozen=True)
class Record:
    """One iteration: losses, rate, seconds in all and waiting for data, images seen so far, input size."""

    iteration: int
    loss: float
    avg_loss: float
    rate: float
    seconds: float
    data_wait: float
    images: int
    width: int
    height: int
    map: float | None = None
    heads: dict[int, dict[str, float]] = field(default_factory=dict)
    top1: float | None = None
    topk: float | None = None

    def measured(self, columns: dict[str, float]) -> Record:
        """The same with the figures of an evaluation, by their columns."""
        return replace(self, map=columns.get("map"), top1=columns.get("top1"), topk=columns.get("topk"))


def darknet_line(record: Record, hours_left: float) -> str:
    """The line that scripts of Darknet's users look for."""
    return (
        f"{record.iteration}: {record.loss:f}, {record.avg_loss:f} avg loss, {record.rate:f} rate, "
        f"{record.seconds:f} seconds, {record.images} images, {hours_left:f} hours left"
    )


class RunLog:
    """Appends records to results.csv and, when asked, to a JSON lines file; keeps bad.list.

    A resumed run drops what was written after the state it goes on from. Raises DataError when a file cannot be
    written.
    """

    def __init__(self, folder: Path, json_log: Path | None, start_iteration: int) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.bad_list = folder / "bad.list"
            self._bad = _read_bad(self.bad_list, start_iteration)
            self._csv = _reopen(folder / "results.csv", start_iteration, _csv_iteration, ",".join(FIELDS) + "\n")
            self._json = None if json_log is None else _reopen(json_log, start_iteration, _json_iteration, "")
        except OSError as error:
            raise DataError(f"cannot be written: {error.strerror}", path=error.filename) from None

    def add(self, record: Record) -> None:
        """Append one iteration; raises DataError when the disk is full, and appends it with a later one."""
        row = io.StringIO()
        writer = csv.DictWriter(row, FIELDS, extrasaction="ignore", lineterminator="\n")
        writer.writerow({key: "" if value is None else value for key, value in asdict(record).items()})
        files = [(self._csv, row.getvalue())]
        if self._json is not None:
            files.append((self._json, json.dumps(asdict(record)) + "\n"))
        for file, line in files:
            file.waiting += line.encode()
        for file, _ in files:
            file.write()

    def bad_images(self, paths: Iterable[str]) -> list[str]:
        """Add images that cannot be decoded to bad.list; a message for each that was not there yet.

        Raises DataError when the list cannot be written.
        """
        messages = []
        for path in paths:
            if path not in self._bad:
                self._bad[path] = None
                messages.append(
                    f"{path}: cannot be decoded and is left out ({len(self._bad)} so far, listed in {self.bad_list})"
                )
        if messages:
            write_atomically(self.bad_list, [os.fsencode(f"{path}\n") for path in self._bad], DataError)
        return messages

    def close(self) -> None:
        """Close the files."""
        self._csv.close()
        if self._json is not None:
            self._json.close()


def read_results(path: Path) -> list[dict[str, float]]:
    """The rows of a results.csv; empty cells are left out of a row, and rows that are not of numbers.

    Raises DataError for a file that cannot be read.
    """
    check_regular(path)
    rows = []
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as stream:
            for row in csv.DictReader(stream):
                with contextlib.suppress(ValueError, TypeError):  # a line half written, or with more cells
                    rows.append({key: float(value) for key, value in row.items() if value})
    except (OSError, csv.Error) as error:
        raise DataError(f"cannot be read: {error}", path=path) from None
    return rows


def _csv_iteration(line: str) -> int:
    return int(line.split(",", 1)[0])


def _json_iteration(line: str) -> int:
    value: Any = json.loads(line)
    return int(value["iteration"])


class _Lines:
    """A file that lines are appended to; what cannot be written waits for the next time."""

    def __init__(self, path: Path) -> None:
        self.waiting = b""
        self._path = path
        self._stream = path.open("ab", buffering=0)

    def write(self) -> None:
        """Append what is waiting; raises DataError."""
        try:
            while self.waiting:
                self.waiting = self.waiting[self._stream.write(self.waiting) or 0 :]
        except OSError as error:
            raise DataError(f"cannot be written: {error.strerror}", path=self._path) from None

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _reopen(path: Path, start_iteration: int, iteration_of: Any, header: str) -> _Lines:
    if path.exists() and not path.is_file():
        return _Lines(path)  # a pipe or terminal
    kept = []
    if start_iteration > 1 and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True)[1 if header else 0 :]:
            try:
                whole = line.endswith("\n") and iteration_of(line) < start_iteration
            except (ValueError, KeyError, TypeError):
                whole = False  # the line being written when the run was killed
            if whole:
                kept.append(line)
    # In one stroke: a run killed here must not lose what earlier ones wrote.
    write_atomically(path, [(header + "".join(kept)).encode()], DataError)
    return _Lines(path)


def _read_bad(path: Path, start_iteration: int) -> dict[str, None]:
    """What a run that goes on has listed; a new run starts without."""
    if start_iteration > 1 and path.exists():
        return dict.fromkeys(path.read_text(encoding="utf-8", errors="surrogateescape").splitlines())
    path.unlink(missing_ok=True)
    return {}
