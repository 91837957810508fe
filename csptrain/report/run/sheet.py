"""The page of a training: where it stands, its curves, what the last evaluation showed, and how it was started."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff

import numpy as np
from numpy.typing import NDArray

from csptrain.report.page import (
    card,
    cards,
    difference,
    drawing,
    folded,
    heading,
    meter,
    page,
    paragraph,
    table,
    tiles,
)
from csptrain.report.picture import svg
from csptrain.report.run.history import History
from csptrain.report.run.plots import COLOURS, PALE, Curve, plot

FloatArray = NDArray[np.float64]

REFRESH_SECONDS = 30
RUNNING = "running"
SMOOTH = 100  # points of a plot whose figures jump from iteration to iteration
MOST_WARNINGS = 20
#: Columns of results.csv that evaluations fill, and their names.
MEASURED = {"map": "mAP", "top1": "top-1", "topk": "top-k"}
_COSTS, _QUALITIES = "loss_", ("iou", "obj", "class", "recall", "no_obj")
_WORDS = {
    "loss_box": "box", "loss_obj": "objectness", "loss_cls": "class", "loss_uc": "uncertainty",
    "iou": "IoU", "obj": "objectness", "no_obj": "elsewhere", "class": "class",
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What does not change in a run.

    ``stop`` is its last iteration, ``batch`` its images an iteration; ``heads`` are the names of the layers with a
    loss, ``given`` and ``trained`` the lines of the cfg as it was given and as it is trained.
    """

    name: str
    stop: int
    batch: int
    heads: Mapping[int, str]
    given: Sequence[str]
    trained: Sequence[str]
    environment: Sequence[tuple[str, str]]
    classes: Sequence[str] = ()


@dataclass
class Standing:
    """What changes: the state in words, the time of writing, hours left and spent, and parts that are HTML already."""

    state: str = RUNNING
    written: str = ""
    hours_left: float | None = None
    hours_spent: float = 0.0
    evaluated: int = 0
    evidence: Sequence[str] = ()
    samples: Sequence[str] = ()
    warnings: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_WARNINGS))


def run_page(facts: Facts, history: History, now: Standing) -> str:
    """An HTML document that needs nothing beside it; it is read again by itself while the training runs."""
    refresh = REFRESH_SECONDS if now.state == RUNNING else None
    return page(f"{facts.name}: training", _parts(facts, history, now), refresh)


def _parts(facts: Facts, history: History, now: Standing) -> Iterator[str]:
    again = f"; this page renews itself every {REFRESH_SECONDS} seconds" if now.state == RUNNING else ""
    yield paragraph(f"{now.state}: iteration {history.last:,} of {facts.stop:,}, as of {now.written}{again}")
    yield meter(history.last / max(facts.stop, 1))
    yield tiles(_figures(facts, history, now))
    yield cards(*_learning(facts, history))
    if now.evidence:
        yield heading(f"Validation after iteration {now.evaluated:,}")
        yield from now.evidence
    if now.samples:
        yield heading("As the network sees them")
        yield paragraph("Samples of the newest batch, augmented, with what is taught about them.")
        yield "".join(now.samples)
    heads = list(_heads(facts, history))
    if heads:
        yield heading("Heads")
        yield cards(*heads)
    yield heading("Machine")
    yield cards(*_machine(history))
    yield from _cfg(facts)
    if now.warnings:
        yield heading("Warnings")
        yield table(["the newest ones"], [[text] for text in now.warnings])
    yield heading("Environment")
    yield table(["setting", "value"], facts.environment)
    yield history.as_element()


def _figures(facts: Facts, history: History, now: Standing) -> Iterator[tuple[str, str]]:
    loss = history.mean("avg_loss")
    if len(loss):
        yield "average loss", f"{loss[-1, 1]:.4g}"
    for column, name in MEASURED.items():
        points = history.measure(column)
        if len(points):
            best = points[points[:, 1].argmax()]
            yield f"{name}, best {best[1] * 100:.1f} % at {best[0]:,.0f}", f"{points[-1, 1] * 100:.1f} %"
    rate = history.mean("rate")
    if len(rate):
        yield "learning rate", f"{rate[-1, 1]:.3g}"
    speed, waiting = _speed(facts, history), _waiting(history)
    if len(speed) and len(waiting):
        yield "images a second", f"{speed[-1, 1]:,.1f}"
        yield "waiting for data", f"{waiting[-1, 1]:.0f} %"
    for name, key in (("main memory", "memory"), ("GPU memory", "gpu_memory")):
        points = history.mean(key)
        if len(points):
            yield name, f"{points[-1, 1]:.2f} GiB"
    if now.state == RUNNING and now.hours_left is not None:
        yield "left", _time(now.hours_left)
    yield "spent", _time(now.hours_spent)


def _learning(facts: Facts, history: History) -> Iterator[str]:
    last = history.last
    losses = [
        Curve("of an iteration", history.mean("loss"), PALE, 1),
        Curve("average", history.mean("avg_loss"), COLOURS[0], 2),
    ]
    yield card("Loss", drawing(svg(plot(losses, last, logarithmic=True))))
    measures = [
        Curve(name, history.measure(column) * (1, 100), colour, 2, dots=True)
        for (column, name), colour in zip(MEASURED.items(), COLOURS[1:], strict=False)
    ]
    if history.measured:
        yield card("Validation", drawing(svg(plot(measures, last, within=(0, 100), unit=" %"))))
    yield card("Learning rate", _plot(Curve("", history.mean("rate"), COLOURS[2]), last))
    yield card("Images a second", _plot(Curve("", _speed(facts, history), most=SMOOTH), last))


def _machine(history: History) -> Iterator[str]:
    last = history.last
    waiting = [Curve("", _waiting(history), COLOURS[3], most=SMOOTH)]
    yield card("Share of time spent waiting for data", drawing(svg(plot(waiting, last, within=(0, 100), unit=" %"))))
    memory = [
        Curve(name, history.mean(key), colour)
        for name, key, colour in (("main", "memory", COLOURS[4]), ("GPU, most", "gpu_memory", COLOURS[5]))
    ]
    yield card("Memory", drawing(svg(plot(memory, last, unit=" GiB"))))
    cores = history.mean("cores")
    if len(cores):
        yield card("Cores that the main process keeps busy", _plot(Curve("", cores, COLOURS[4], most=SMOOTH), last))
    widths = history.mean("width")
    if len(widths) and np.ptp(widths[:, 1]):
        yield card("Input width, pixels", _plot(Curve("", widths, COLOURS[2], 1), last))


def _heads(facts: Facts, history: History) -> Iterator[str]:
    """What each head's loss is made of, and how well it predicts what it is taught; costs alone say nothing new."""
    for layer, figures in sorted(history.heads().items()):
        name = facts.heads.get(layer, f"layer {layer}")
        costs = sorted(figure for figure in figures if figure.startswith(_COSTS))
        if costs:
            yield card(f"{name}: loss", _figure_plot(history, layer, costs))
        qualities = [figure for figure in _QUALITIES if figure in figures]
        if qualities:
            yield card(f"{name}: means over what is taught", _figure_plot(history, layer, qualities, (0, 1)))


def _figure_plot(
    history: History, layer: int, figures: Sequence[str], within: tuple[float, float] | None = None
) -> str:
    curves = [
        Curve(_WORDS.get(figure, figure), history.mean(f"head.{layer}.{figure}"), colour, 1.5, most=SMOOTH)
        for figure, colour in zip(figures, COLOURS, strict=False)
    ]
    return drawing(svg(plot(curves, history.last, within=within, logarithmic=within is None)))


def _cfg(facts: Facts) -> Iterator[str]:
    yield heading("Network")
    lines = list(unified_diff(facts.given, facts.trained, n=2, lineterm=""))[2:]
    yield paragraph(
        "The cfg as it was given (-) and as it is trained (+):" if lines else "The cfg is trained as given."
    )
    if lines:
        yield difference(lines)
    yield folded("The cfg as trained", difference([f" {line}" for line in facts.trained]))


def _plot(curve: Curve, last: int) -> str:
    return drawing(svg(plot([curve], last)))


def _speed(facts: Facts, history: History) -> FloatArray:
    """Images a second of training, evaluation and saving left out."""
    points = history.mean("seconds")
    points = points[points[:, 1] > 0]
    return np.stack((points[:, 0], facts.batch / points[:, 1]), 1)


def _waiting(history: History) -> FloatArray:
    return history.ratio("data_wait", "seconds") * (1, 100)


def _time(hours: float) -> str:
    minutes = round(hours * 60)
    if minutes < 1:
        return f"{hours * 3600:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
