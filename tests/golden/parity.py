"""docs/parity.md: every golden case with its worst error, its tolerance, and the known differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import torch

from tests.golden.darknet_rules import DIFFERENT
from tests.golden.proves import PROVES
from tests.golden.verdict import FAIL, OK, UNSUPPORTED, Verdict

#: Of a gradient case: outputs and statistics, gradients of outputs, of weights, and costs.
_GRADIENTS = {
    "outputs": ("tout", "bmean", "bvar"),
    "deltas": ("gout", "gpre"),
    "updates": ("grad",),
    "costs": ("cost", "network_cost"),
}


@dataclass(frozen=True)
class Section:
    """Cases whose names begin so, and columns of their own: heading -> the kinds of comparison it takes together."""

    beginnings: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


SECTIONS = {
    "Training": Section(("t",), {"losses": ("loss",), "rates": ("rate",), "weights": ("w",), "momentum": ("m",)}),
    "Gradients of the losses": Section(("g0", "g1", "g2"), _GRADIENTS),
    "Gradients of the layers": Section(("gl",), _GRADIENTS),
    "Learning rate": Section(("lr_",)),
    "Augmentation": Section(("aug_",)),
    "What a classifier sees": Section(("clsimg_",)),
    "Anchors": Section(("kmeans_", "calc_anchors_")),
    "mAP": Section(("map",)),
    "Forward passes": Section(("f",)),
    "Boxes, NMS, overlaps": Section(("b", "nms_", "iou_")),
    "Images": Section(("img_",)),
    "Everything else": Section(("",)),
}

_INTRODUCTION = """\
# Parity with Darknet, in numbers

Every golden case: what Darknet computed from known weights and inputs, and how far csptrain is from it. This page is
written by a command, where `DIR` holds the cases:

```sh
python -m tests.golden DIR --markdown docs/parity.md
```

*Worst relative error* is that of the comparison which uses most of its tolerance, *at* says which it was
(`w10.3.weights` are the weights of layer 3 after iteration 10, `m` momentum buffers, `gout` and `grad` gradients, `out`
and `tout` outputs), *used* is the share of the tolerance. A tensor's error is relative to its largest value (samples,
mean and norm, and every value where they are recorded), a number's to itself, a pixel's to the range 0..1. *exact*
stands where nothing but equality passes. The last columns of training and gradients give the largest error by kind.

Training cases run ten iterations and more. The target is the variant `cudnn`, see [darknet.md](darknet.md). The cases
in `tests/golden_cases` run with every test of the project. Another processor or release of torch rounds otherwise:
digits of the errors change with it, being below the tolerance does not."""


def page(verdicts: Sequence[Verdict], by_rule: Mapping[str, Verdict]) -> str:
    """The page as markdown; ``by_rule`` are the verdicts of the known differences with Darknet's rule put in."""
    agree = [one for one in verdicts if one.result == OK]
    known = [one for one in verdicts if one.result == FAIL and one.name in DIFFERENT]
    wrong = [one for one in verdicts if one.result == FAIL and one.name not in DIFFERENT]
    unread = [one for one in verdicts if one.result == UNSUPPORTED]
    lines = [*_INTRODUCTION.split("\n"), "", *_totals(agree, known, wrong, unread)]
    left = list(agree)
    for heading, section in SECTIONS.items():
        mine = [one for one in left if one.name.startswith(section.beginnings)]
        left = [one for one in left if one not in mine]
        lines += _section(heading, section, mine) if mine else []
    if known:
        lines += _differences(known, by_rule)
    if wrong or unread:
        lines += ["", "## Not in agreement", "", "| case | result | what |", "|---|---|---|"]
        lines += [f"| `{one.name}` | {one.result} | {one.where} |" for one in (*wrong, *unread)]
    return "\n".join([*lines, ""])


def _totals(
    agree: Sequence[Verdict], known: Sequence[Verdict], wrong: Sequence[Verdict], unread: Sequence[Verdict]
) -> Iterator[str]:
    compared = sum(one.compared for one in agree)
    yield "## Totals"
    yield (
        f"{len(agree) + len(known) + len(wrong) + len(unread)} cases: **{len(agree)} agree**, {len(known)} differ "
        f"knowingly, {len(wrong)} fail, {len(unread)} are not read."
    )
    yield (
        f"{compared:,} comparisons of tensors and numbers in the cases that agree. torch "
        f"{torch.__version__.split('+')[0]}, one thread of a CPU, float32."
    )


def _section(heading: str, section: Section, verdicts: Sequence[Verdict]) -> Iterator[str]:
    columns = ["case", "what it proves", "comparisons", "worst relative error", "at", "tolerance", "used"]
    columns += section.columns
    yield from ("", f"## {heading}", "", _row(columns), "|" + "---|" * len(columns))
    for one in verdicts:
        parts = [
            max((one.parts[word] for word in words if word in one.parts), default=None)
            for words in section.columns.values()
        ]
        yield _row(
            [
                f"`{one.name}`",
                PROVES.get(one.name, one.kind),
                str(one.compared),
                _number(one.error, one),
                one.where,
                _number(one.tolerance, one),
                _percent(one),
                *("" if part is None else f"{part:.1e}" for part in parts),
            ]
        )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _differences(known: Iterable[Verdict], by_rule: Mapping[str, Verdict]) -> Iterator[str]:
    yield from ("", "## Knowing differences", "")
    yield (
        "In these cases csptrain computes another gradient than Darknet. With Darknet's rule put into the network\n"
        "(`tests/golden/darknet_rules.py`) each of them agrees, so that the rule named is all that differs. Outputs\n"
        "at inference agree as they are."
    )
    yield ""
    yield "| case | Darknet | csptrain | why it stays so | error | with Darknet's rule | tolerance | used |"
    yield "|---|---|---|---|---|---|---|---|"
    for one in known:
        rule, other = DIFFERENT[one.name], by_rule.get(one.name)
        told = f"| `{one.name}` | {rule.darknet} | {rule.csptrain} | {rule.why} | {_number(one.error, one)} |"
        if other is None:
            yield f"{told} not run | | |"
        else:
            yield f"{told} {_number(other.error, other)} | {_number(other.tolerance, other)} | {_percent(other)} |"


def _number(value: float, verdict: Verdict) -> str:
    if not verdict.tolerance:
        return "exact" if not verdict.worst else "not equal"
    return f"{value:.1e}" if isfinite(value) else "not finite"


def _percent(verdict: Verdict) -> str:
    """The share of the tolerance that is used, two digits."""
    used = 100 * verdict.worst
    return f"{used:.0f} %" if used >= 10 else f"{used:.2g} %"
