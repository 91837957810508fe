"""Run every case folder below a directory: one line a case, totals last, exit 1 on any failure."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

import torch

from csptrain.errors import CfgError, CspError
from tests.golden import boxes, images, networks
from tests.golden.case import Case, Worst

Check = Callable[[Case, Worst], None]
CHECKS: dict[str, Check] = {
    "forward": networks.forward,
    "grad": networks.grad,
    "train": networks.train,
    "lr": networks.learning_rate,
    "weights": networks.weights,
    "image": images.image,
    "augment": images.augment,
    "boxes": boxes.boxes,
    "nms": boxes.nms,
    "iou": boxes.iou,
    "map": boxes.mean_average_precision,
}
OK, FAIL, UNSUPPORTED = "ok", "fail", "unsupported"


@dataclass(frozen=True)
class Verdict:
    """What became of a case; ``worst`` is the largest error over its tolerance, found at ``where``."""

    name: str
    kind: str
    worst: float
    where: str
    result: str

    def __str__(self) -> str:
        return f"{self.name:32s} {self.kind:16s} {self.worst:10.3g}  {self.result:11s} {self.where}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON, where an infinite error is null."""
        return {**asdict(self), "worst": self.worst if isfinite(self.worst) else None}


def run(folder: Path, variant: str = "cudnn") -> Verdict:
    """Check one case folder; whatever goes wrong in it is that case's failure and no other's."""
    name, kind, worst = folder.name, "?", Worst()
    try:
        case = Case(folder, variant)
        kind = case.kind
        if kind not in CHECKS:
            return Verdict(name, kind, 0.0, f"no check for kind {kind}", UNSUPPORTED)
        CHECKS[kind](case, worst)
    except CfgError as error:
        if "unknown section" in error.message or "not supported" in error.message:
            return Verdict(name, kind, 0.0, error.message, UNSUPPORTED)
        return Verdict(name, kind, inf, str(error), FAIL)
    except (CspError, ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        return Verdict(name, kind, inf, f"{type(error).__name__}: {error}", FAIL)
    where = worst.where if worst.count else "nothing was compared"
    return Verdict(name, kind, worst.ratio, where, OK if worst.passed else FAIL)


def find(folder: Path) -> Iterator[Path]:
    """Case folders at or below ``folder``."""
    yield from sorted(path.parent for path in folder.rglob("golden.json"))


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variant", default="cudnn", choices=("stock", "fix", "cudnn"))
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    verdicts = []
    for folder in find(options.folder):
        verdicts.append(run(folder, options.variant))
        if not options.json:
            print(verdicts[-1], flush=True)
    totals = {word: sum(one.result == word for one in verdicts) for word in (OK, FAIL, UNSUPPORTED)}
    if options.json:
        print(json.dumps({"cases": [one.as_dict() for one in verdicts], "totals": totals}))
    else:
        print(*(f"{count} {word}," for word, count in totals.items()), f"{len(verdicts)} cases")
    return 1 if totals[FAIL] or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
