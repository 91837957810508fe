"""Peak memory of inference and of training, against executors that keep all outputs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from csptrain.bench import training
from csptrain.bench.alternate import Say, Turns, alternate
from csptrain.bench.infer import OWN, Prepared, Subject, Wanted, side_name
from csptrain.bench.result import Comparison
from csptrain.bench.side import Side

KEEP_ALL = "keep-all executor"
_TURNS = Turns(rounds=1, passes=1, warm_up=1)
_NOTE = "memory: the peak of the process without what Python and its packages take"


def inference(subject: Subject, wanted: Wanted, say: Say) -> Comparison:
    """One network, its weights and one image; raises CfgError for one that has no baseline."""
    net = subject.graph.net
    with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
        prepared = Prepared(subject, Path(folder), wanted)
        own = [prepared.side(OWN, amp, side_name(OWN, amp)) for amp in ((False, True) if wanted.bf16 else (False,))]
        sides = [Side(KEEP_ALL, "plain", own[0].options, wanted.threads), *own]
        title = f"Memory of inference, {subject.name}, {net.width}x{net.height}"
        what = Comparison(f"memory/infer-{subject.name}", title, KEEP_ALL, wanted.threads, notes=(_NOTE,))
        return _one_after_another(what, sides, say)


def train(course: training.Course, threads: int, say: Say) -> Comparison:
    """Training steps; the baseline keeps all outputs, with batch normalization and activation apart."""
    what = course.comparison(threads)
    title = what.title.replace("Training step of", "Memory of a training step,")
    what = replace(what, key=f"memory/train-{course.name}", title=title, notes=(_NOTE,))
    return _one_after_another(what, [*course.sides(threads), course.checkpointed(threads)], say)


def _one_after_another(what: Comparison, sides: Sequence[Side], say: Say) -> Comparison:
    """Each side alone: two passes show its peak, and all sides together may need more memory than there is."""
    found = [alternate(what, [side], _TURNS, say) for side in sides]
    figures = tuple(figure for one in found for figure in one.figures)
    return replace(found[0], figures=figures, took=sum(one.took for one in found))
