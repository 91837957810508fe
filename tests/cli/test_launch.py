"""One training in two processes from the command line: started by -gpus or by torchrun, stopped, killed, continued."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from csptrain.cli.main import main
from csptrain.train.log import read_results
from tests import tiny
from tests.threads import one_thread

ROOT = Path(__file__).parents[2]
ITERATIONS = 40
CFG = tiny.cfg(max_batches=ITERATIONS, net="mosaic=1\nhue=.1\n", yolo="random=1\njitter=.3\n")
PYTHON = [sys.executable, "-m"]
TORCHRUN = [*PYTHON, "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1", "-m"]


class Place:
    """A folder with a training in it."""

    def __init__(self, folder: Path, data: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "tiny.cfg").write_text(CFG)
        self.backup = folder / "backup"
        self.words = [
            "detector", "train", str(data), str(folder / "tiny.cfg"), "-map", "-map_every", "20", "--device", "cpu",
            "--amp", "off", "--workers", "0", "--backup", str(self.backup), "--save_last", "3",
        ]  # fmt: skip

    def start(self, *more: str, by: list[str] = PYTHON) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*by, "csptrain", *self.words, *more],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "GLOO_SOCKET_IFNAME": "lo"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def losses(self) -> list[float]:
        return [row["loss"] for row in read_results(self.backup / "results.csv")]

    def final(self) -> bytes:
        return (self.backup / "tiny_final.weights").read_bytes()


def heard(process: subprocess.Popen[str], iteration: int) -> str:
    """What is said until the line of an iteration."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if re.match(rf"{iteration}: .* avg loss", line):
            return said
    raise AssertionError(said)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Place:
    place = Place(tmp_path_factory.mktemp("alone"), data)
    with one_thread():
        assert main(place.words) == 0
    return place


def test_two_stopped_and_continued_are_as_one(alone: Place, tmp_path: Path, data: Path) -> None:
    place = Place(tmp_path, data)
    process = place.start("-gpus", "0,1")
    said = heard(process, 4)
    process.send_signal(signal.SIGTERM)
    said += process.communicate(timeout=120)[0]
    assert process.returncode == 128 + signal.SIGTERM, said
    assert said.count("run: 2 processes, this one on cpu") == 1, "one process alone speaks"
    stopped = re.search(rf"stopped after iteration (\d+) of {ITERATIONS} by SIGTERM; --resume goes on", said)
    assert stopped is not None and 4 <= int(stopped[1]) < ITERATIONS
    process = place.start("-gpus", "0,1", "--resume")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    assert f"resumed after iteration {stopped[1]} of {ITERATIONS}" in said
    assert place.losses() == pytest.approx(alone.losses(), rel=1e-5)
    names = {path.name for path in place.backup.iterdir()}
    assert names >= {path.name for path in alone.backup.iterdir()} and not [name for name in names if name[0] == "."]


@pytest.mark.slow
def test_torchrun_starts_again_what_was_killed(alone: Place, tmp_path: Path, data: Path) -> None:
    place = Place(tmp_path, data)
    process = place.start("--resume", by=TORCHRUN)
    said = heard(process, 5)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout
    os.kill(int(children.split()[-1]), signal.SIGKILL)
    said += process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    assert "nothing to resume" in said and re.search(rf"resumed after iteration \d+ of {ITERATIONS}", said)
    assert place.losses() == pytest.approx(alone.losses(), rel=1e-5)


def test_one_that_is_killed_ends_the_other(tmp_path: Path, data: Path) -> None:
    place = Place(tmp_path, data)
    process = place.start("-gpus", "0,1")
    heard(process, 3)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout
    os.kill(int(children.split()[1]), signal.SIGKILL)
    said = process.communicate(timeout=120)[0]
    assert process.returncode in (1, 128 + signal.SIGKILL)
    assert "process 1 was killed by SIGKILL" in said or "the connection to another process is lost" in said
    assert "Traceback" not in said
    assert (place.backup / "tiny.state").exists()


def test_mistakes_are_told_once(tmp_path: Path, data: Path) -> None:
    place = Place(tmp_path, data)
    process = place.start("-gpus", "0,1,2")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert said.count("3 processes cannot divide mini-batches of 2") == 1 and "Traceback" not in said


@pytest.mark.parametrize("gpus", ["0,x", "0,0", ",", "-1"])
def test_what_is_no_list_of_gpus(gpus: str, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*Place(tmp_path, data).words, f"--gpus={gpus}"]) == 2
    assert "is no list of numbers (-gpus 0,1)" in capsys.readouterr().err


def test_gpus_that_are_not_there(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for word in Place(tmp_path, data).words if word not in ("--device", "cpu")]
    assert main([*words, "-gpus", "97,98"]) == 1
    assert "there is no GPU 97: torch" in capsys.readouterr().err
