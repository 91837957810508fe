"""What a training tells: Darknet's log line, results.csv, one JSON object an iteration."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

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
        self._writer = csv.DictWriter(self._csv, FIELDS, extrasaction="ignore", lineterminator="\n")

    def add(self, record: Record) -> None:
        """Append one iteration; raises DataError when the disk is full."""
        try:
            self._writer.writerow({key: "" if value is None else value for key, value in asdict(record).items()})
            self._csv.flush()
            if self._json is not None:
                self._json.write(json.dumps(asdict(record)) + "\n")
                self._json.flush()
        except OSError as error:
            raise DataError(f"cannot be written: {error.strerror}", path=self._csv.name) from None

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
    """The rows of a results.csv; empty cells are left out of a row."""
    with path.open(newline="", encoding="utf-8") as stream:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(stream)]


def _csv_iteration(line: str) -> int:
    return int(line.split(",", 1)[0])


def _json_iteration(line: str) -> int:
    value: Any = json.loads(line)
    return int(value["iteration"])


def _reopen(path: Path, start_iteration: int, iteration_of: Any, header: str) -> TextIO:
    if path.exists() and not path.is_file():
        return path.open("a", encoding="utf-8")  # a pipe or terminal
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
    return path.open("a", encoding="utf-8", newline="")


def _read_bad(path: Path, start_iteration: int) -> dict[str, None]:
    """What a run that goes on has listed; a new run starts without."""
    if start_iteration > 1 and path.exists():
        return dict.fromkeys(path.read_text(encoding="utf-8", errors="surrogateescape").splitlines())
    path.unlink(missing_ok=True)
    return {}
