"""Run every case folder below a directory: one line a case, totals last, exit 1 on any failure."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from math import inf
from pathlib import Path

import torch

from csptrain.errors import CfgError, CspError
from csptrain.formats.files import write_atomically
from csptrain.network import Network
from tests.golden import anchors, boxes, darknet_rules, images, networks, parity
from tests.golden.case import Case, Worst
from tests.golden.verdict import FAIL, OK, UNSUPPORTED, Verdict

Check = Callable[[Case, Worst], None]
CHECKS: dict[str, Check] = {
    "forward": networks.forward,
    "grad": networks.grad,
    "train": networks.train,
    "lr": networks.learning_rate,
    "weights": networks.weights,
    "image": images.image,
    "augment": images.augment,
    "classifier_image": images.classifier_image,
    "boxes": boxes.boxes,
    "nms": boxes.nms,
    "iou": boxes.iou,
    "kmeans": anchors.k_means,
    "calc_anchors": anchors.calc_anchors,
    "map": boxes.mean_average_precision,
}


def run(folder: Path, variant: str = "cudnn", amend: Callable[[Network], None] | None = None) -> Verdict:
    """Check one case folder; whatever goes wrong in it is that case's failure and no other's.

    ``amend`` changes the case's network before it runs.
    """
    name, kind, worst = folder.name, "?", Worst()
    try:
        case = Case(folder, variant, amend)
        kind = case.kind
        if kind not in CHECKS:
            return Verdict(name, kind, 0.0, f"no check for kind {kind}", UNSUPPORTED)
        CHECKS[kind](case, worst)
    except CfgError as error:
        if "unknown section" in error.message or "not supported" in error.message:
            return Verdict(name, kind, 0.0, error.message, UNSUPPORTED)
        return Verdict(name, kind, inf, str(error), FAIL)
    except Exception as error:  # noqa: BLE001 - a case from elsewhere is broken in its own way
        return Verdict(name, kind, inf, f"{type(error).__name__}: {error}", FAIL)
    where = worst.where if worst.count else "nothing was compared"
    result = OK if worst.passed else FAIL
    return Verdict(name, kind, worst.ratio, where, result, worst.error, worst.tolerance, worst.count, worst.parts)


def find(folder: Path) -> Iterator[Path]:
    """Case folders at or below ``folder``."""
    yield from sorted(path.parent for path in folder.rglob("golden.json"))


def write_page(path: Path, folder: Path, verdicts: Sequence[Verdict]) -> None:
    """Write the table of all cases, with the known differences run once more by Darknet's rule."""
    by_rule = {
        case.name: run(case, amend=darknet_rules.put_in)
        for case in find(folder)
        if case.name in darknet_rules.DIFFERENT
    }
    write_atomically(path, [parity.page(verdicts, by_rule).encode()], CspError)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variant", default="cudnn", choices=("stock", "fix", "cudnn"))
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table of all cases there as well")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    verdicts = []
    for folder in find(options.folder):
        verdicts.append(run(folder, options.variant))
        if not options.json:
            print(verdicts[-1], flush=True)
    if options.markdown is not None:
        write_page(options.markdown, options.folder, verdicts)
    totals = {word: sum(one.result == word for one in verdicts) for word in (OK, FAIL, UNSUPPORTED)}
    if options.json:
        print(json.dumps({"cases": [one.as_dict() for one in verdicts], "totals": totals}))
    else:
        print(*(f"{count} {word}," for word, count in totals.items()), f"{len(verdicts)} cases")
    return 1 if totals[FAIL] or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
