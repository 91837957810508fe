"""Trainings and exports that are killed again and again, and what is left of them."""

from __future__ import annotations

import os
import random
import re
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import torch

from csptrain.cli.main import main
from csptrain.errors import CspError
from csptrain.formats.checkpoint import newest_state
from tests import tiny, tiny_classes

ITERATIONS = 40
MOST_SECONDS = 300.0
# All that draws random numbers, and a second optimizer with averages.
DETECTORS = (
    tiny.cfg(max_batches=ITERATIONS, net="mosaic=1\nhue=.1\n", middle="[dropout]\nprobability=.3\n", yolo="random=1\n"),
    tiny.cfg(max_batches=ITERATIONS, net="adam=1\nema_alpha=.9\nadversarial_lr=.1\n", learning_rate=0.001),
)


@dataclass
class Tally:
    """What has been counted; ``wrong`` tells each thing that should not be."""

    kills: int = 0
    runs: int = 0
    resumed: int = 0
    while_saving: int = 0
    exports: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills ({self.while_saving} of them within a write), {self.resumed} resumed, {self.runs} "
            f"runs finished with the bytes of the unkilled one, {self.exports} killed exports, {len(self.wrong)} wrong"
        )


def start(words: Sequence[str], log: Path) -> int:
    """Run a command in a process of its own, forked from this one, which has loaded everything; its id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        torch.set_num_threads(1)
        cv2.setNumThreads(0)
        code = main(words)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(code)


def end(child: int, after: float | None) -> int:
    """Wait for a process, or kill it after so many seconds; its exit code, or minus the signal."""
    deadline = time.monotonic() + (MOST_SECONDS if after is None else after)
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Place:
    """A training in a folder, and the bytes that it ends with when nobody kills it."""

    def __init__(self, folder: Path, verb: str, data: Path, cfg: str, workers: int) -> None:
        self.folder, self.verb, self.data = folder, verb, data
        self.cfg = folder / "net.cfg"
        folder.mkdir(parents=True)
        self.cfg.write_text(cfg)
        self.workers = workers
        started = time.monotonic()
        code = end(start(self.words("whole"), folder / "whole.log"), None)
        assert code == 0, (folder / "whole.log").read_text()
        self.seconds = time.monotonic() - started
        self.final = (folder / "whole" / "net_final.weights").read_bytes()

    def words(self, backup: str) -> list[str]:
        """The command line."""
        measure = ["-map", "-map_every", "10"] if self.verb == "detector" else ["-topk", "-topk_every", "10"]
        return [
            self.verb, "train", str(self.data), str(self.cfg), "--device", "cpu", "--workers", str(self.workers),
            "--backup", str(self.folder / backup), "--save_last", "2", "--resume", *measure,
        ]  # fmt: skip


def kill_a_run(place: Place, number: int, draw: random.Random, most: int, tally: Tally) -> None:
    """Kill one training until it is through or ``most`` kills are spent, then let it end and compare."""
    backup = f"run{number}"
    folder, log = place.folder / backup, place.folder / "run.log"
    for turn in range(most + 1):
        after = draw.uniform(0, 1.3 * place.seconds) if turn < most else None
        code = end(start(place.words(backup), log), after)
        said = log.read_text(errors="replace")
        tally.resumed += "resumed after iteration" in said
        if code == -signal.SIGKILL and after is not None:
            tally.kills += 1
            tally.while_saving += any(folder.glob(".*.tmp"))
            _check_states(folder, tally)
        elif code == 0:
            break
        else:
            tally.wrong.append(f"{backup} ended with {code}: {said[-300:]}")
            return
    left = [path.name for path in folder.glob(".*")]
    if (folder / "net_final.weights").read_bytes() == place.final and not left:
        tally.runs += 1
    else:
        tally.wrong.append(f"{folder} differs from the unkilled run, or has {left}")


def _check_states(folder: Path, tally: Tally) -> None:
    path = folder / "net.state"
    if not any(folder.glob("net*.state")):
        return
    try:
        found, _, skipped = newest_state(path)
    except CspError as error:
        tally.wrong.append(f"no state is left: {error}")
        return
    tally.wrong += [f"an unreadable state: {error}" for error in skipped]
    done = [
        int(line.split(":")[0]) for line in (folder / "results.csv").read_text().splitlines() if re.match(r"\d+:", line)
    ]
    assert not done or found.meta["iteration"] <= max(done)


def kill_exports(place: Place, count: int, draw: random.Random, tally: Tally) -> None:
    """Kill the export of a finished training: what is there of it is whole, and the next one succeeds."""
    weights, out = place.folder / "whole" / "net_final.weights", place.folder / "out"
    words = ["export", "onnx", str(place.folder / "whole" / "net.cfg"), str(weights), "-o", str(out / "net.onnx")]
    started = time.monotonic()
    if end(start(words, place.folder / "export.log"), None) != 0:
        tally.wrong.append(f"export: {(place.folder / 'export.log').read_text()[-300:]}")
        return
    seconds = time.monotonic() - started
    whole = {path.name: path.read_bytes() for path in out.iterdir() if path.suffix == ".onnx"}
    for path in out.iterdir():
        path.unlink()
    for _ in range(count):
        code = end(start(words, place.folder / "export.log"), draw.uniform(0, seconds))
        tally.exports += code == -signal.SIGKILL
        for path in out.glob("*.onnx"):
            if path.read_bytes() != whole[path.name]:
                tally.wrong.append(f"{path} is not whole")


def run(folder: Path, kills: int, seed: int, workers: int) -> Tally:
    """At least ``kills`` kills of detectors and classifiers in turn, and a tenth as many of exports."""
    draw = random.Random(seed)
    tally = Tally()
    data = tiny.write_set(folder / "set")
    classes = tiny_classes.write_set(folder / "classes")
    places = [
        Place(folder / f"detector{number}", "detector", data, cfg, workers if number else 0)
        for number, cfg in enumerate(DETECTORS)
    ]
    places.append(Place(folder / "classifier", "classifier", classes, tiny_classes.cfg(max_batches=ITERATIONS), 0))
    number = 0
    while tally.kills < kills and not tally.wrong:
        kill_a_run(places[number % len(places)], number, draw, min(8, kills - tally.kills), tally)
        number += 1
    kill_exports(places[0], kills // 10, draw, tally)
    return tally
