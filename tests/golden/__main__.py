"""Run every case folder below a directory: one line a case, totals last, exit 1 on any failure."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from csptrain.errors import CfgError
from tests.golden import networks
from tests.golden.case import Case, Worst

Check = Callable[[Case, Worst], None]
CHECKS: dict[str, Check] = {
    "forward": networks.forward,
    "grad": networks.grad,
    "train": networks.train,
    "lr": networks.learning_rate,
    "weights": networks.weights,
}


def run(case: Case) -> tuple[str, Worst]:
    """Check a case: 'ok', 'fail' or 'unsupported', and the worst comparison."""
    worst = Worst()
    check = CHECKS.get(case.kind)
    if check is None:
        worst.where = f"no check for kind {case.kind}"
        return "unsupported", worst
    try:
        check(case, worst)
    except CfgError as error:
        if "unknown section" in error.message or "not supported" in error.message:
            worst.where = error.message
            return "unsupported", worst
        raise
    return "ok" if worst.count and worst.ratio <= 1 else "fail", worst


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
    rows = []
    for folder in find(options.folder):
        case = Case(folder, options.variant)
        verdict, worst = run(case)
        rows.append(
            {
                "name": case.name,
                "kind": case.kind,
                "worst": worst.ratio,
                "where": worst.where,
                "result": verdict,
            }
        )
        if not options.json:
            print(f"{case.name:32s} {case.kind:12s} {worst.ratio:10.3g}  {verdict:11s} {worst.where}")
    totals = {word: sum(row["result"] == word for row in rows) for word in ("ok", "fail", "unsupported")}
    if options.json:
        print(json.dumps({"cases": rows, "totals": totals}))
    else:
        print(f"{totals['ok']} ok, {totals['fail']} fail, {totals['unsupported']} unsupported of {len(rows)}")
    return 1 if totals["fail"] or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
