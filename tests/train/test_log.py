"""results.csv, the JSON lines and bad.list of a run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from csptrain.errors import DataError
from csptrain.train.log import FIELDS, Record, RunLog, darknet_line, read_results


def record(iteration: int, found: float | None = None) -> Record:
    return Record(iteration, 2.5, 3.25, 0.001, 1.5, 0.25, 64 * iteration, 416, 320, found, {4: {"cost": 1.0}})


def write(folder: Path, iterations: range, start: int) -> None:
    log = RunLog(folder, folder / "log.json", start)
    for iteration in iterations:
        log.add(record(iteration, 0.5 if iteration == 2 else None))
    log.close()


def json_iterations(folder: Path) -> list[int]:
    return [json.loads(line)["iteration"] for line in (folder / "log.json").read_text().splitlines()]


def test_darknets_line() -> None:
    assert darknet_line(record(7), 1.5) == (
        "7: 2.500000, 3.250000 avg loss, 0.001000 rate, 1.500000 seconds, 448 images, 1.500000 hours left"
    )


def test_rows_come_back(tmp_path: Path) -> None:
    write(tmp_path, range(1, 4), 1)
    assert (tmp_path / "results.csv").read_text().splitlines()[0] == ",".join(FIELDS)
    rows = read_results(tmp_path / "results.csv")
    assert [row["iteration"] for row in rows] == [1, 2, 3]
    assert ["map" in row for row in rows] == [False, True, False]
    first = json.loads((tmp_path / "log.json").read_text().splitlines()[0])
    assert first["heads"] == {"4": {"cost": 1.0}} and first["map"] is None


def test_a_resumed_run_keeps_what_came_before_its_start(tmp_path: Path) -> None:
    write(tmp_path, range(1, 8), 1)
    write(tmp_path, range(5, 10), 5)
    assert [row["iteration"] for row in read_results(tmp_path / "results.csv")] == list(range(1, 10))
    assert json_iterations(tmp_path) == list(range(1, 10))
    write(tmp_path, range(1, 3), 1)
    assert json_iterations(tmp_path) == [1, 2], "a new run begins anew"


def test_a_line_cut_off_by_a_kill_is_dropped(tmp_path: Path) -> None:
    write(tmp_path, range(1, 4), 1)
    for name in ("results.csv", "log.json"):
        path = tmp_path / name
        path.write_text(path.read_text()[:-5])
    write(tmp_path, range(3, 5), 4)
    assert [row["iteration"] for row in read_results(tmp_path / "results.csv")] == [1, 2, 3, 4]
    assert json_iterations(tmp_path) == [1, 2, 3, 4]


def test_other_lines_in_the_file_do_not_stop_a_resume(tmp_path: Path) -> None:
    write(tmp_path, range(1, 3), 1)
    with (tmp_path / "log.json").open("a") as stream:
        stream.write('rubbish\n[]\n{"other": 1}\n{"iteration": null}\n')
    write(tmp_path, range(3, 4), 3)
    assert json_iterations(tmp_path) == [1, 2, 3]


def test_bad_images_are_listed_and_told_once(tmp_path: Path) -> None:
    log = RunLog(tmp_path, None, 1)
    assert not (tmp_path / "bad.list").exists()
    assert log.bad_images(["b.jpg", "a.jpg", "b.jpg"]) == [
        f"b.jpg: cannot be decoded and is left out (1 so far, listed in {tmp_path}/bad.list)",
        f"a.jpg: cannot be decoded and is left out (2 so far, listed in {tmp_path}/bad.list)",
    ]
    assert log.bad_images(["a.jpg"]) == []
    log.close()
    resumed = RunLog(tmp_path, None, 5)
    assert len(resumed.bad_images(["a.jpg", "c.jpg"])) == 1
    assert (tmp_path / "bad.list").read_text() == "b.jpg\na.jpg\nc.jpg\n"
    resumed.close()
    RunLog(tmp_path, None, 1).close()
    assert not (tmp_path / "bad.list").exists(), "a new run begins anew"


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "results.csv").mkdir()
    with pytest.raises(DataError, match=r"results\.csv: cannot be written"):
        RunLog(tmp_path, None, 1)
    with pytest.raises(DataError, match="cannot be written"):
        RunLog(tmp_path / "results.csv" / "x", tmp_path, 1)


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    log = RunLog(tmp_path, pipe, 1)
    log.add(record(1))
    log.close()
    assert json.loads(os.read(reading, 1 << 16))["iteration"] == 1
    os.close(reading)
