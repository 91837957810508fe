"""Training that is killed and goes on ends with the bytes of the one that was left alone."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from csptrain.cli.main import main
from csptrain.errors import WeightsError
from csptrain.formats.checkpoint import State, load_state, save_state
from tests import tiny

ITERATIONS = 12
# All that draws random numbers: sizes, mosaic, crops and colours by iteration, dropout from torch's own generator.
CFG = tiny.cfg(
    max_batches=ITERATIONS,
    net="mosaic=1\nhue=.1\nsaturation=1.5\nexposure=1.5\n",
    middle="[dropout]\nprobability=.3\n",
    yolo="random=1\njitter=.3\n",
)
PROGRAM = """
import os, signal, sys
left, replace = int(sys.argv[1]), os.replace
def die_or_replace(*arguments):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*arguments)
os.replace = die_or_replace
from csptrain.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


class Run:
    """One training in a folder of its own, continued by as many processes as it takes."""

    def __init__(self, folder: Path, data: Path, workers: int) -> None:
        folder.mkdir()
        self.cfg, self.backup, self.log = folder / "tiny.cfg", folder / "backup", folder / "log.json"
        self.cfg.write_text(CFG)
        self.arguments = [
            "detector", "train", str(data), str(self.cfg), "-map", "-map_every", "4", "-dont_show", "--device", "cpu",
            "--workers", str(workers), "--backup", str(self.backup), "--save_last", "3", "--json-log", str(self.log),
        ]  # fmt: skip

    def go(self, *more: str, die_at_file: int = 0, kill_after: int = 0) -> int:
        """Run until the end, until the file number ``die_at_file`` is about to be in place, or until the line of an
        iteration is seen; the exit code."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(die_at_file), *self.arguments, *more],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        self.said = ""
        for line in process.stdout:
            self.said += line
            if kill_after and re.match(rf"{kill_after}: .* avg loss", line):
                process.kill()
                break  # a worker holds the pipe open until it notices
        process.stdout.close()
        return process.wait(60)

    def weights(self, word: str) -> bytes:
        return (self.backup / f"tiny_{word}.weights").read_bytes()

    def rows(self) -> list[dict[str, str]]:
        with (self.backup / "results.csv").open(newline="") as stream:
            return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Run:
    run = Run(tmp_path_factory.mktemp("whole") / "run", data, workers=0)
    assert run.go() == 0, run.said
    return run


def assert_same(run: Run, whole: Run) -> None:
    for word in ("final", "last", "best"):
        assert run.weights(word) == whole.weights(word), word
    numbers = [str(number) for number in range(1, ITERATIONS + 1)]
    assert [row["iteration"] for row in run.rows()] == numbers
    kept = ("loss", "avg_loss", "rate", "images", "width", "height", "map")
    assert [[row[key] for key in kept] for row in run.rows()] == [[row[key] for key in kept] for row in whole.rows()]
    records = [json.loads(line) for line in run.log.read_text().splitlines()]
    assert [str(record["iteration"]) for record in records] == numbers


def test_the_run_draws_what_it_should(whole: Run) -> None:
    assert len({row["width"] for row in whole.rows()}) > 1, "random=1 must have changed the size"
    assert [int(row["iteration"]) for row in whole.rows() if row["map"]] == [4, 8, 12]
    assert not list(whole.backup.glob(".*")), "temporary files must be gone"


def test_killed_again_and_again(whole: Run, tmp_path: Path, data: Path) -> None:
    run = Run(tmp_path / "run", data, workers=0)
    killed = -signal.SIGKILL
    assert run.go("--resume", die_at_file=2) == killed, "before the first file of the log"
    assert run.go("--resume", kill_after=5) == killed
    assert "nothing to resume" in run.said
    assert run.go("--resume", die_at_file=7) == killed, "while saving the second time since"
    assert "resumed after iteration 3" in run.said
    assert run.go("--resume") == 0
    assert re.search("resumed after iteration (3|6|9) of 12", run.said)
    assert_same(run, whole)


def test_killed_with_a_worker(whole: Run, tmp_path: Path, data: Path) -> None:
    run = Run(tmp_path / "run", data, workers=1)
    assert run.go(kill_after=7) == -signal.SIGKILL
    assert run.go("--resume") == 0
    assert "resumed after iteration 6" in run.said
    assert_same(run, whole)


@pytest.fixture
def finished(whole: Run, tmp_path: Path, data: Path) -> Run:
    """A copy of the finished run."""
    run = Run(tmp_path / "run", data, workers=0)
    run.backup.mkdir()
    for path in whole.backup.iterdir():
        (run.backup / path.name).write_bytes(path.read_bytes())
    run.log.write_bytes(whole.log.read_bytes())
    return run


def test_killed_between_the_last_state_and_the_final_weights(
    finished: Run, whole: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    (finished.backup / "tiny_final.weights").unlink()
    assert main([*finished.arguments, "--resume"]) == 0
    assert "resumed after iteration 12 of 12" in capsys.readouterr().out
    assert finished.weights("final") == whole.weights("final")
    assert len(finished.rows()) == ITERATIONS


def test_another_cfg_is_refused(finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = (finished.backup / "tiny.cfg").read_bytes()
    finished.cfg.write_text(CFG.replace("momentum=0.9", "momentum=0.8"))
    assert main([*finished.arguments, "--resume"]) == 1
    error = capsys.readouterr().err
    assert "tiny.state: belongs to a training with another cfg" in error and error.count("\n") == 1
    assert "other overrides: [net] of line 1: momentum=0.8, then 0.9 (give the same" in error
    assert (finished.backup / "tiny.cfg").read_bytes() == before
    assert len(finished.rows()) == ITERATIONS, "nothing may be lost"


def test_a_damaged_state_is_named_and_the_one_before_used(
    finished: Run, whole: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    state, previous = finished.backup / "tiny.state", finished.backup / "tiny_previous.state"
    state.write_bytes(state.read_bytes()[:-1000])
    assert main([*finished.arguments, "--resume"]) == 0
    said = capsys.readouterr().out
    assert "tiny.state: is damaged" in said and "; it is skipped" in said
    assert f"resumed after iteration 9 of 12, from {previous}" in said
    assert_same(finished, whole)
    assert load_state(state).meta["iteration"] == 12
    previous.unlink()
    state.write_bytes(state.read_bytes()[:-1000])
    assert main([*finished.arguments, "--resume"]) == 1
    error = capsys.readouterr().err
    assert "tiny.state: is damaged" in error and error.count("\n") == 1
    assert len(finished.rows()) == ITERATIONS


def test_killed_between_the_two_renames_of_a_state(finished: Run, whole: Run) -> None:
    (finished.backup / "tiny.state").unlink()
    leftover = finished.backup / ".tiny.state.abcd1234.tmp"
    leftover.write_bytes(b"half of it")
    other = finished.backup / ".mine.tmp"
    other.write_bytes(b"not ours")
    assert main([*finished.arguments, "--resume"]) == 0
    assert_same(finished, whole)
    assert not leftover.exists() and other.exists()


def test_any_damaged_byte_is_an_error_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "x.state"
    tensors = {"layer.0.weights": torch.arange(6.0).view(2, 3), "rng": torch.arange(9, dtype=torch.uint8)}
    save_state(path, State(tensors, {"iteration": 3}))
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ int(rng.integers(1, 256))]) + whole[place + 1 :])
        try:
            state = load_state(path)
        except WeightsError as error:
            refused += 1
            assert error.path == str(path)
        else:
            assert state.meta["iteration"] == 3
            assert torch.equal(state.tensors["rng"], tensors["rng"]) or "rng" not in state.tensors
    assert refused > 0.6 * len(whole)


def test_weights_that_have_seen_it_all(finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
    start = str(finished.backup / "tiny_final.weights")
    assert main([*finished.arguments, start]) == 1
    assert "already at iteration 12 of 12" in capsys.readouterr().err
