"""The cfg of a project: a network of the zoo or the user's own, made to fit the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from csptrain import graph
from csptrain.cfg import edit, text
from csptrain.cfg.draft import Draft, carry_over
from csptrain.datasets.lists import Samples
from csptrain.evaluate.anchor_deal import deal_own
from csptrain.evaluate.anchor_fit import Fit, head_anchors, measure
from csptrain.zoo.contents import RECIPES, compose
from csptrain.zoo.examples import own_data

#: Pixels of the network's input that the shorter side of nine boxes in ten shall have.
SEEN = 12
LEAST, MOST, STEP = 224, 608, 32
#: How often every picture is seen.
EPOCHS = 150
FEWEST_ITERATIONS = 1000
_BATCH = 32


@dataclass(frozen=True)
class Fitted:
    """A cfg that fits the data: its text, iterations and images of each, and what its anchors do for the boxes.

    ``before`` and ``after`` are None where the boxes are too few for anchors of their own.
    """

    name: str
    content: str
    iterations: int
    batch: int
    before: Fit | None
    after: Fit | None


def size_for(train: Samples, sides: Sequence[tuple[int, int]]) -> int:
    """The smallest input at which nine boxes in ten have ``SEEN`` pixels across, a multiple of ``STEP``.

    Never more than the images, whose ``sides`` are their widths and heights, have themselves.
    """
    shorter = np.quantile(train.rows[:, 2:4].min(axis=1), 0.1)
    enough = SEEN / max(float(shorter), 1e-6)
    longest = float(np.median([max(size) for size in sides]))
    return int(min(max(-(-min(enough, longest) // STEP) * STEP, LEAST), MOST))


def iterations_for(images: int, classes: int) -> int:
    """The length of a training on so many images: ``EPOCHS``, within bounds.

    At most what Darknet's manual advises: 2,000 iterations a class, and no fewer than 6,000.
    """
    wanted = round(images * EPOCHS / _BATCH / 100) * 100
    return min(max(wanted, FEWEST_ITERATIONS), max(2000 * classes, 6000))


def fit_network(
    base: str | None, train: Samples, classes: int, size: tuple[int, int], iterations: int, seed: int
) -> Fitted:
    """A cfg for the boxes of ``train``.

    Args:
        base: a network of the zoo by name, or the path of a cfg; None for the one that is meant for such sets.
        size: width and height of the input.

    Raises:
        CfgError: no such network, or one that is no detector or cannot have this size.
    """
    if base is None:
        name = "csppeleenet-efm-sam"
        recipe = own_data(max(size), classes, iterations)
        content = recipe.text(name, *size, closing="Written by: csptrain new")
    elif base in RECIPES:
        name, content = base, compose(base, *size, classes)
    else:
        name, content = Path(base).stem, text.read_text(Path(base), errors="surrogateescape")
    before = sections = text.parse(content, base or name)
    sections, _ = edit.set_size(sections, *size)
    sections, _ = edit.set_classes(sections, classes)
    sections, _ = edit.set_iterations(sections, iterations)
    sections, fits = _with_anchors(sections, train, seed)
    batch = graph.plan(sections).net.effective_batch
    draft = Draft(content)
    carry_over(draft, before, sections)
    return Fitted(name, draft.text, iterations, batch, *fits)


def _with_anchors(
    sections: edit.Sections, train: Samples, seed: int
) -> tuple[edit.Sections, tuple[Fit | None, Fit | None]]:
    """Anchors of each head's own among the boxes that its stride suits, as many as before."""
    plane, heads = head_anchors(graph.plan(sections))
    count = max(len(head.anchors) for head in heads)
    if len(np.unique(train.rows[:, 2:4], axis=0)) < count:
        return sections, (None, None)
    deal = deal_own(train, plane, heads, count, seed)
    given = deal.give(heads)
    pairs = [(float(width), float(height)) for width, height in deal.anchors]
    placed, _ = edit.place_anchors(sections, pairs, {head.layer: head.mask for head in given})
    return placed, (measure(train, plane, heads), measure(train, plane, given))
