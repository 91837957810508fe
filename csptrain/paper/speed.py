"""Frames a second of networks in OpenCV's DNN module on this machine's CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from csptrain.bench.alternate import Turns
from csptrain.bench.infer import OPENCV, Subject, Wanted, networks
from csptrain.bench.machine import cores
from csptrain.bench.suite import subject

Key = tuple[str, int]  # cfg, side of the input in pixels
Say = Callable[[str], None]

#: Turns of every network; those of large ones are as long as one pass.
TURNS = Turns(rounds=5, passes=4, seconds=2.0, warm_up=1)


def frames_a_second(keys: Iterable[Key], say: Say) -> tuple[dict[Key, float], str]:
    """Frames a second of single images in the median pass; and how that was measured.

    Every network is exported with random weights and compared in OpenCV first; one that OpenCV cannot run is left out,
    with a word to ``say``.
    """
    subjects: dict[Key, Subject] = {
        (cfg, size): subject(cfg, size, shown=f"{cfg}, {size}x{size}") for cfg, size in dict.fromkeys(keys)
    }
    wanted = Wanted(cores())
    found = networks(list(subjects.values()), OPENCV, wanted, TURNS, say)
    speeds = {}
    for key, one in subjects.items():
        figure = found.figure(one.name)
        if figure is not None:
            speeds[key] = found.per_second(figure)
            say(f"speed: {one.name}: {speeds[key]:.1f} FPS, largest error in OpenCV {figure.about['max error']}")
    version = next((figure.about["version"] for figure in found.figures if figure.turns), "")
    how = (
        f"FPS in OpenCV {version} DNN on this CPU, {wanted.threads} threads, single images, the median of up to "
        f"{TURNS.passes * TURNS.rounds} passes; the paper's CPU is a Core i9-9900K: ratios compare, frames do not"
    )
    return speeds, how
