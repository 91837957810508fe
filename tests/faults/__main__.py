"""``python -m tests.faults --kills N [--seed S]``: kill trainings at random moments, continue them, print figures."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: bytes are compared


def main() -> int:
    """Run and report; exit code 1 where anything was lost."""
    from tests.faults.kills import run

    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="loader processes of every second detector")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tally = run(Path(folder), options.kills, options.seed, options.workers)
    print(f"{tally}, {time.monotonic() - started:.0f} s", *tally.wrong, sep="\n    ")
    return int(bool(tally.wrong))


if __name__ == "__main__":
    raise SystemExit(main())
