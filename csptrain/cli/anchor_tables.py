"""The tables of ``csptrain detector calc_anchors``: rules, classes and heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from csptrain.datasets.anchors import FloatArray
    from csptrain.evaluate.anchor_fit import Fit, HeadAnchors

MOST_CLASSES = 12
#: A head that trains a smaller share of the boxes than this is told.
IDLE = 0.01


def deal_lines(rows: Sequence[tuple[str, Fit]], heads: Sequence[HeadAnchors], chosen: str) -> Iterator[str]:
    """A line for each set of anchors; recall and IoU in percent, the heads' boxes from the finest on."""
    strides = " / ".join(f"{head.stride:g}" for head in heads)
    wide = max(len(name) for name, _ in rows)
    yield f"{'':{wide}s}    recall    mean   mean IoU   over-     no   boxes trained by the head"
    yield f"{'anchors':{wide}s}   IoU>0.5    IoU  of classes written   head  of stride {strides}"
    for name, fit in rows:
        numbers = (
            f"{100 * fit.recall:9.2f} {100 * fit.mean_iou:6.1f} {100 * fit.class_mean:11.1f} "
            f"{fit.overwritten:7d} {fit.without_head:6d}"
        )
        mark = "  <- taken" if name == chosen else ""
        yield f"{name:{wide}s} {numbers}  {' / '.join(str(count) for count in fit.boxes_per_head)}{mark}"


def class_lines(before: Fit, after: Fit, sizes: FloatArray, names: Sequence[str]) -> Iterator[str]:
    """A line for each class: its boxes, their middle size, and what the new anchors change for it.

    Of more than ``MOST_CLASSES`` only those that the new anchors fit worst.
    """
    import numpy as np

    present = [int(label) for label in np.unique(after.classes)]
    shown = sorted(present, key=lambda label: after.of_class(label)[0])[:MOST_CLASSES]
    wide = max(5, *(len(names[label]) for label in shown))
    yield f"{'class':{wide}s}   boxes      size   mean IoU before -> after   recall before -> after"
    for label in sorted(shown):
        mine = after.classes == label
        width, height = np.median(sizes[mine], axis=0)
        (old, old_recall), (new, new_recall) = before.of_class(label), after.of_class(label)
        middle = f"{_side(width)}x{_side(height)}"
        yield (
            f"{names[label]:{wide}s} {mine.sum():7d} {middle:>9s}{100 * old:13.1f} -> {100 * new:5.1f}"
            f"{100 * old_recall:16.1f} -> {100 * new_recall:5.1f}"
        )
    if len(present) > len(shown):
        yield f"... and {len(present) - len(shown)} classes that fit better"


def _side(length: float) -> str:
    """A number of pixels, or of cells with a digit more."""
    return f"{length:.0f}" if length >= 10 else f"{length:.2g}"


def head_lines(heads: Sequence[HeadAnchors], fit: Fit) -> Iterator[str]:
    """A line for each head: its mask, anchors and share of the boxes; then a note on each that is nearly idle."""
    from csptrain.evaluate.anchor_deal import levels, limits

    strides = levels(heads)
    ends = [0.0, *limits(strides), None]
    counts, total = fit.boxes_per_head, len(fit.best)
    for head, count in zip(heads, counts, strict=True):
        level = strides.index(head.stride)
        start, end = ends[level], ends[level + 1]
        suits = f"from {start:g}" if end is None else f"{start:g} to {end:g}"
        mine = " ".join("{:g},{:g}".format(*head.anchors[number]) for number in head.mask)
        yield (
            f"layer {head.layer}, stride {head.stride:g} (for sizes {suits}): mask {ranges(head.mask)}, "
            f"{100 * count / total:.1f} % of the boxes: {mine}"
        )
    for head, count in zip(heads, counts, strict=True):
        if count < IDLE * total:
            yield (
                f"note: the head of stride {head.stride:g} trains {count} of {total} boxes; another input size would "
                "use it, a cfg without it would be faster"
            )


def ranges(numbers: Sequence[int]) -> str:
    """'0-2,5' for 0, 1, 2, 5."""
    runs = [
        [number for _, number in run] for _, run in groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0])
    ]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
