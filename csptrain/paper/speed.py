"""Frames a second of networks in OpenCV's DNN module on this machine's CPU."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import torch

from csptrain.errors import ExportError
from csptrain.formats.opencv import OpenCVBackend
from csptrain.formats.opencv_export import export_opencv
from csptrain.network import Network
from csptrain.paper.networks import planned

Key = tuple[str, int]  # cfg, side of the input in pixels
Say = Callable[[str], None]

#: Passes of a network in a row, and how often it is its turn: what disturbs the machine then meets all of them.
PASSES, ROUNDS = 4, 5
SECONDS = 2.0  # of one turn, at most, but for its first pass


def frames_a_second(keys: Iterable[Key], say: Say) -> tuple[dict[Key, float], str]:
    """Frames a second of single images in the fastest pass, as a disturbance only slows; and how that was measured.

    Every network is exported with start weights and compared in OpenCV first; one that OpenCV cannot run is left out,
    with a word to ``say``.
    """
    times: dict[Key, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        backends = {key: backend for key in dict.fromkeys(keys) if (backend := _exported(key, Path(folder), say))}
        for turn in range(ROUNDS):
            for key, backend in backends.items():
                taken = _turn(backend, key[1])
                times.setdefault(key, []).extend(taken)
                say(f"speed {turn + 1}/{ROUNDS}: {key[0]}, {key[1]}x{key[1]}: {1 / min(taken):.1f} FPS")
    how = (
        f"FPS in OpenCV {cv2.__version__} DNN on this CPU, {cv2.getNumThreads()} threads, single images, the fastest "
        f"of up to {PASSES * ROUNDS} passes; the paper's CPU is a Core i9-9900K: ratios compare, frames do not"
    )
    return {key: 1 / min(taken) for key, taken in times.items()}, how


def _exported(key: Key, folder: Path, say: Say) -> OpenCVBackend | None:
    cfg, size = key
    try:
        report = export_opencv(Network(planned(cfg, size)), folder, f"{cfg}-{size}")
    except ExportError as error:
        say(f"speed: {cfg} is left out: {error}")
        return None
    say(f"speed: {cfg}, {size}x{size} exported, largest error in OpenCV {report.worst.relative:.1e}")
    return OpenCVBackend(report.cfg, report.weights)


def _turn(backend: OpenCVBackend, size: int) -> list[float]:
    """Seconds of each pass."""
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    backend.head_outputs(image)  # what is cold now would be counted below
    taken: list[float] = []
    while len(taken) < PASSES and sum(taken) < SECONDS:
        started = time.perf_counter()
        backend.head_outputs(image)
        taken.append(time.perf_counter() - started)
    return taken
