"""``python -m tests.fuzz --mutants N --files M [--seed S]``: damage cfgs and, of each kind, M other files; read them.

Prints figures; exit code 1 on a failure.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

from tests.fuzz import files
from tests.fuzz.mutants import corpus, monsters, mutants
from tests.fuzz.trial import trial


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--mutants", type=int, default=3000)
    parser.add_argument("--files", type=int, default=300, help="files of each other kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the cfgs that fail")
    options = parser.parse_args()
    torch.set_num_threads(1)
    failures = 0
    slowest: dict[str, tuple[float, str]] = {}
    kinds: Counter[str] = Counter()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutant.cfg"
        for name, content in [*monsters().items(), *mutants(options.mutants, options.seed, corpus())]:
            path.write_bytes(content)
            wrong, seconds = trial(path)
            kinds["failed" if wrong else "fine"] += 1
            for reader, taken in seconds.items():
                slowest[reader] = max(slowest.get(reader, (0.0, "")), (taken, name))
            if wrong:
                failures += 1
                print(name, *wrong, sep="\n    ", flush=True)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    (options.keep / f"{failures}.cfg").write_bytes(content)
    for reader, (taken, name) in slowest.items():
        print(f"slowest {reader}: {taken:.2f} s, {name}")
    count = sum(kinds.values())
    print(f"{count} cfgs, {failures} failures, {time.monotonic() - start:.0f} s")
    return int(failures + sum(_other_files(name, options.files, options.seed) for name in files.KINDS) > 0)


def _other_files(name: str, count: int, seed: int) -> int:
    """Read hostile files of one kind; the number of failures."""
    kind = files.KINDS[name]
    start, slowest, failures = time.monotonic(), 0.0, 0
    contents = [*kind.monsters().items(), *files.mutants(kind, count, seed)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{kind.suffix}"
        for title, content in contents:
            path.write_bytes(content)
            before = time.process_time()
            wrong = files.attempt(kind, path)
            slowest = max(slowest, time.process_time() - before)
            if wrong:
                failures += 1
                print(f"{name}: {title}: {wrong}", flush=True)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"{len(contents)} {name}, {failures} failures, slowest {slowest:.2f} s, memory so far at most {memory} MiB, "
        f"{time.monotonic() - start:.0f} s",
        flush=True,
    )
    return failures


if __name__ == "__main__":
    raise SystemExit(main())
