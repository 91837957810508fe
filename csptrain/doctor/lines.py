"""The examination as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from csptrain.cfg.text import ERROR, NOTE, WARNING
from csptrain.doctor.balance import ClassCount
from csptrain.doctor.examine import Examination
from csptrain.doctor.fit import AnchorFit

if TYPE_CHECKING:
    from csptrain.doctor.trial import DryRun, Overfit

MOST_SHOWN = 5
MOST_CLASSES = 20


def report_lines(done: Examination) -> Iterator[str]:
    """Tables first, then the findings, the verdict last."""
    beside = "" if done.cfg is None else f" with {done.cfg}"
    yield f"{done.path}{beside}, seen at {done.plane[0]}x{done.plane[1]}"
    yield from _splits(done)
    if done.classes:
        yield from _classes(done.classes, list(done.splits))
    if done.anchors is not None:
        yield from anchor_lines(done.anchors)
    if done.dry_run is not None:
        yield dry_run_line(done.dry_run)
    if done.overfit is not None:
        yield overfit_line(done.overfit)
    yield "here: " + ", ".join(f"{name} {found}" for name, found in done.runtimes.items() if found)
    for chapter in done.book.chapters:
        rule = chapter.rule
        yield ""
        yield f"{rule.severity} {rule.name} ({chapter.count}): {rule.means}"
        yield f"  remedy: {rule.remedy}"
        yield from (f"  {finding}" for finding in chapter.findings[:MOST_SHOWN])
        if chapter.count > MOST_SHOWN:
            yield f"  ... and {chapter.count - MOST_SHOWN} more"
    yield ""
    yield verdict_line(done)


def verdict_line(done: Examination) -> str:
    """``verdict: warnings (0 errors, 3 warnings, 1 notes)``."""
    book = done.book
    counts = ", ".join(f"{book.count(severity)} {severity}s" for severity in (ERROR, WARNING, NOTE))
    return f"verdict: {book.verdict} ({counts})"


def _splits(done: Examination) -> Iterator[str]:
    for name, split in done.splits.items():
        samples = split.samples
        yield (
            f"{name}: {len(samples)} images ({done.decoded.get(name, 0)} decoded), {len(samples.rows)} boxes, "
            f"{samples.unlabelled} images without labels, {samples.source}"
        )
        rules = sorted(split.pairing.items(), key=lambda item: -item[1])
        yield from (f"  labels found: {rule} ({count})" for rule, count in rules[:MOST_SHOWN])


def _classes(classes: list[ClassCount], splits: list[str]) -> Iterator[str]:
    wide = max(5, *(len(found.name) for found in classes))
    yield f"{'class':{wide}s}" + "".join(f"{name + ' boxes':>13s}{'images':>8s}" for name in splits)
    shown = sorted(classes, key=lambda found: found.boxes.get("train", 0))[:MOST_CLASSES]
    for found in classes:
        if found in shown:
            yield f"{found.name:{wide}s}" + "".join(
                f"{found.boxes[name]:13d}{found.images[name]:8d}" for name in splits
            )
    if len(classes) > len(shown):
        yield f"... and {len(classes) - len(shown)} classes with more boxes"


def anchor_lines(fit: AnchorFit) -> Iterator[str]:
    """A line for all heads and one for each."""
    yield (
        f"anchors: recall {100 * fit.recall:.1f} % (IoU > 0.5), mean IoU {100 * fit.mean_iou:.1f} %, "
        f"{fit.without_head} boxes without a head, {fit.overwritten} overwritten by another in their cell"
    )
    for head in fit.heads:
        anchors = " ".join(f"{width:g},{height:g}" for width, height in head.anchors)
        yield (
            f"  layer {head.layer}, stride {head.stride:g}: {head.boxes} boxes, recall {100 * head.recall:.1f} %, "
            f"anchors {anchors}"
        )


def dry_run_line(done: DryRun) -> str:
    """What one step took."""
    return (
        f"dry run on {done.device}: {done.images} images of {done.width}x{done.height} in {done.seconds:.2f} s, "
        f"{done.memory >> 20} of {done.available >> 20} MiB; at this size an iteration takes {done.iteration:.1f} s, "
        f"max_batches {done.course / 3600:.1f} h"
    )


def overfit_line(done: Overfit) -> str:
    """What was learnt by heart."""
    return (
        f"overfit: {done.images} images, {done.iterations} iterations, loss {done.first_loss:.4g} -> "
        f"{done.last_loss:.4g}, AP50 {100 * done.ap50:.1f} %"
    )
