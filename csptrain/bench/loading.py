"""Reading a network: cfg and weights against NumPy's read of the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from csptrain.bench.alternate import Say, Turns, alternate
from csptrain.bench.result import MIB, Comparison
from csptrain.bench.side import Side
from csptrain.bench.work import Work

READ, OWN = "numpy.fromfile", "csptrain"


def compare(name: str, cfg: Path, folder: Path, threads: int, turns: Turns, say: Say) -> Comparison:
    """Load a network again and again from a cfg and a weights file, which is written into ``folder``.

    Both files are read before, so that the disk has no part in it. Raises CspError.
    """
    from csptrain.formats.darknet import load, save_weights

    weights = folder / f"{name}.weights"
    say(f"writing weights of {name}")
    save_weights(load(cfg), weights)
    size = weights.stat().st_size
    options = {"cfg": str(cfg), "weights": str(weights)}
    title = f"Read {name}: cfg and {size / MIB:.0f} MiB of weights, {size / 4e6:.1f} M floats"
    note = "the baseline's memory is one copy of the file"
    what = Comparison(f"load/{name}", title, READ, threads, "network", notes=(note,))
    return alternate(what, [Side(READ, "read", options, threads), Side(OWN, "load", options, threads)], turns, say)


def own(options: Mapping[str, Any]) -> Work:
    """A network in evaluation mode, as other programs get it."""
    from csptrain.formats.darknet import load

    return Work(lambda: load(options["cfg"], options["weights"]))


def read(options: Mapping[str, Any]) -> Work:
    """All floats of the file in one array."""
    return Work(lambda: np.fromfile(options["weights"], np.float32))
