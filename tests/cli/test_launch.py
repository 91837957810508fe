"""One training in two processes from the command line: started by -gpus or by torchrun, stopped, killed, continued."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from csptrain import graph
from csptrain.cli.main import main
from csptrain.datasets.class_images import ClassImages
from csptrain.datasets.class_list import read_class_list
from csptrain.datasets.lists import read_samples
from csptrain.datasets.views import centre_crop
from csptrain.errors import CspError
from csptrain.evaluate.classification import accuracy, guess, torch_classifier
from csptrain.evaluate.detect import eval_dataset, evaluate_detector, torch_detector
from csptrain.formats.weights import load_weights
from csptrain.network import Network
from csptrain.train.log import read_results
from tests import tiny, tiny_classes
from tests.threads import one_thread

ROOT = Path(__file__).parents[2]
ITERATIONS = 40
DETECTOR = "detector train -map -map_every 20"
DAMAGED = 9  # of the validation images
CFG = tiny.cfg(max_batches=ITERATIONS, net="mosaic=1\nhue=.1\n", yolo="random=1\njitter=.3\n")
PYTHON = [sys.executable, "-m"]
TORCHRUN = [*PYTHON, "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1", "-m"]


class Place:
    """A folder with a training in it."""

    def __init__(self, folder: Path, data: Path, cfg: str = CFG, verb: str = DETECTOR) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "tiny.cfg").write_text(cfg)
        self.backup = folder / "backup"
        self.words = [
            *verb.split(), str(data), str(folder / "tiny.cfg"), "--device", "cpu", "--amp", "off", "--workers", "0",
            "--backup", str(self.backup), "--save_last", "3",
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

    def trained(self) -> Network:
        """The network with its final weights, as an evaluation runs it."""
        network = Network(graph.load(self.backup / "tiny.cfg"))
        load_weights(network, self.backup / "tiny_final.weights")
        return network.fused()

    def figures(self, word: str) -> list[float]:
        """Of all evaluations."""
        return [row[word] for row in read_results(self.backup / "results.csv") if word in row]


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
    """A set with a validation list of three batches; in the second, which another process measures, is a bad image."""
    data = tiny.write_set(tmp_path_factory.mktemp("set"))
    images = tiny.write_images(data.parent / "valid", 20)
    images[DAMAGED].write_bytes(b"no image")
    (data.parent / "valid.txt").write_text("".join(f"{path}\n" for path in images))
    data.write_text(data.read_text().replace(f"valid={data.parent}/list.txt", f"valid={data.parent}/valid.txt"))
    return data


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
    assert place.figures("map")[-1] == one_measures(place, data), "what both have measured together"
    bad = (place.backup / "bad.list").read_text()
    assert bad == (alone.backup / "bad.list").read_text() == f"{data.parent}/valid/{DAMAGED:02d}.png\n"
    names = {path.name for path in place.backup.iterdir()}
    assert names >= {path.name for path in alone.backup.iterdir()} and not [name for name in names if name[0] == "."]


def one_measures(place: Place, data: Path) -> float:
    """The figure of the final weights, measured by this process alone as a training does it."""
    network = place.trained()
    images = eval_dataset(network.graph, read_samples(data.with_name("valid.txt"), 2))
    with one_thread():
        return evaluate_detector(network.graph, torch_detector(network), images, tiny.NAMES).result().map


def test_two_measure_a_classifier_as_one(tmp_path: Path) -> None:
    names = tuple(tiny_classes.COLOURS)
    data = tiny_classes.write_set(tmp_path / "set", 14)
    damaged = tmp_path / "set" / "val" / "red" / "13.png"  # of the second batch: 42 images, 32 at a time
    damaged.write_bytes(b"no image")
    place = Place(tmp_path, data, tiny_classes.cfg(), "classifier train -topk --topk_every 6")
    process = place.start("-gpus", "0,1")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    assert "top-1 = " in said and (place.backup / "bad.list").read_text() == f"{damaged}\n"
    assert len(place.figures("top1")) == 2
    valid = read_class_list(tmp_path / "set" / "val", names)
    images = ClassImages(valid.source, valid.images, centre_crop, (24, 24))
    with one_thread():
        found = accuracy(guess(torch_classifier(place.trained()), images, 2), valid.classes, names)
    assert (found.images, found.top1, found.topk) == (41, place.figures("top1")[-1], place.figures("topk")[-1])


@pytest.mark.slow
def test_torchrun_starts_again_what_was_killed(alone: Place, tmp_path: Path, data: Path) -> None:
    whole = Place(tmp_path / "whole", data)
    process = whole.start(by=TORCHRUN)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    place = Place(tmp_path / "killed", data)
    shutil.copytree(alone.backup, place.backup)  # an older training in the folder, which nobody asks to resume
    process = place.start(by=TORCHRUN)
    said = heard(process, 5)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout
    os.kill(int(children.split()[-1]), signal.SIGKILL)
    said += process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    resumed = re.search(rf"resumed after iteration (\d+) of {ITERATIONS}", said)
    assert resumed is not None and 3 <= int(resumed[1]) < ITERATIONS, said
    assert (place.final(), place.losses()) == (whole.final(), whole.losses())
    assert place.losses() == pytest.approx(alone.losses(), rel=1e-5)


@pytest.mark.parametrize("restarts", [3, 0])
def test_a_restart_before_the_first_save(
    restarts: int, alone: Place, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def dies(*_: object) -> None:
        raise CspError("dead")

    place = Place(tmp_path, data)
    shutil.copytree(alone.backup, place.backup)  # an older training, to its end
    older = (place.backup / "tiny.state").read_bytes()
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", str(restarts))
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    with monkeypatch.context() as patch:
        patch.setattr("csptrain.train.loop.fit", dies)
        assert main(place.words) == 1
    assert ((place.backup / "tiny.state").read_bytes() == older) == (restarts == 0)
    if not restarts:
        return
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert main(place.words) == 0
    assert f"resumed after iteration 0 of {ITERATIONS}" in capsys.readouterr().out
    assert (place.final(), place.losses()) == (alone.final(), alone.losses())


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
