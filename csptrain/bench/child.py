"""The process of one side: prepares its work, then runs passes when it is told to, and says what they took.

A script, so that any Python can run it: ``python child.py``. It reads a line of JSON for each request and answers with
one. The first is ``{"work", "options", "threads"}``, answered by ``{"about"}``; then any of ``{"save": FILE}``, which
runs a pass and writes what it gives as an archive, ``{"passes", "seconds"}``, answered by ``{"taken": [...]}``, and
``{"memory": true}``, answered by ``{"start", "peak"}`` in bytes: before the work was prepared, and the most so far.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from importlib import import_module
from pathlib import Path
from typing import IO, Any

_STATUS = Path("/proc/self/status")


def main() -> int:
    """Answer until nothing more is asked."""
    answers = _own_output()
    # Last, so that the packages of this Python come first; the script's own folder is no place for modules.
    sys.path[:] = [*sys.path[1:], str(Path(__file__).resolve().parents[2])]
    from csptrain.bench.clock import SHORT, passes
    from csptrain.bench.work import AS_THE_COMMAND, prepare
    from csptrain.machine import settle, unsettle

    request = json.loads(sys.stdin.readline())
    if request["work"] in AS_THE_COMMAND:
        settle(trains=request["work"] == "train")
    else:
        unsettle()
    make = prepare(request["work"], request["options"], import_module)
    start = _memory("VmRSS")
    work = make()
    _answer(answers, {"about": dict(work.about)})
    last = 0.0
    for line in sys.stdin:
        request = json.loads(line)
        if "save" in request:
            _save(request["save"], work.run())
            _answer(answers, {})
        elif "memory" in request:
            device = work.device_peak
            peak = {"start": 0, "peak": device()} if device else {"start": start, "peak": _memory("VmHWM")}
            _answer(answers, peak)
        else:
            if 0 < last < SHORT:
                work.run()
            taken = passes(work.run, request["passes"], request["seconds"])
            last = taken[-1]
            _answer(answers, {"taken": taken})
    return 0


def _own_output() -> IO[str]:
    """Standard output for the answers alone: what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _answer(answers: IO[str], found: dict[str, Any]) -> None:
    answers.write(json.dumps(found) + "\n")
    answers.flush()


def _save(path: str, outputs: Any) -> None:
    import numpy as np

    np.savez(path, *outputs)


def _memory(field: str) -> int:
    """Bytes in use now (``VmRSS``) or at most (``VmHWM``)."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field))
        return int(line.split()[1]) * 1024
    # Only the maximum is known there; macOS counts bytes, others KiB.
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    sys.exit(main())
