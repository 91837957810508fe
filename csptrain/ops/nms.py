"""Non-maximum suppression with Darknet's kinds, order of rows and treatment of ties."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from csptrain.ops.decode import Detections, FloatArray
from csptrain.ops.overlap import IndexArray, Overlap, keep_first

NmsKind = Literal["default", "greedynms", "diounms", "cornersnms"]
NMS_KINDS: Final[tuple[NmsKind, ...]] = ("default", "greedynms", "diounms", "cornersnms")

_GREEDY_EXPONENT = 0.6


def nms_sort(detections: Detections, thresh: float, kind: NmsKind = "default", beta_nms: float = 0.6) -> Detections:
    """Per class, clear the probability of boxes that overlap a more probable one by more than ``thresh``.

    ``kind`` says what overlap is: IoU (``default``, ``cornersnms``) or IoU - (d/c)^e with e = 0.6
    (``greedynms``) or ``beta_nms`` (``diounms``), d the squared distance of the centres and c the squared
    diagonal of the hull. Nothing is removed; rows come back in the order Darknet leaves them in: by the
    last class's probability, ties by the class before it, and so on. Rows with objectness 0 come last,
    untouched, in no promised order. Raises ValueError for an unknown kind.

    Source: Darknet behaviour (do_nms_sort, diounms_sort).
    """
    if kind not in NMS_KINDS:
        raise ValueError(f"unknown nms_kind {kind!r}: one of {', '.join(NMS_KINDS)}")
    exponent = nms_exponent(kind, beta_nms)
    first, last = _split_by_objectness(detections.objectness)
    arranged = detections.take(np.concatenate((first, last)))
    live = arranged.prob[: len(first)]
    cleared = _suppress_classes(live, Overlap.of(arranged.boxes[: len(first)], thresh, exponent))
    order = np.arange(len(arranged))
    order[: len(first)] = _order_by_last_class(live)
    result = arranged.take(order)
    result.prob[: len(first)] = cleared[order[: len(first)]]
    return result


def nms_exponent(kind: NmsKind, beta_nms: float) -> float | None:
    """e of (d/c)^e, which ``nms_sort`` takes from the IoU; None where it takes nothing."""
    return {"greedynms": _GREEDY_EXPONENT, "diounms": beta_nms}.get(kind)


def nms_obj(detections: Detections, thresh: float) -> Detections:
    """Clear objectness and probabilities of boxes that overlap (IoU > ``thresh``) one of higher objectness.

    Rows come back by objectness, highest first, those that had none last.

    Source: Darknet behaviour (do_nms_obj).
    """
    first, last = _split_by_objectness(detections.objectness)
    first = first[np.argsort(-detections.objectness[first], kind="stable")]
    overlap = Overlap.of(detections.boxes[first], thresh, None)
    kept = overlap.survivors(np.arange(len(first)), np.zeros(len(first), np.intp))
    result = detections.take(np.concatenate((first, last)))
    keep = np.concatenate((kept, np.ones(len(last), np.bool_)))
    return replace(
        result,
        objectness=np.where(keep, result.objectness, np.float32(0)),
        prob=np.where(keep[:, None], result.prob, np.float32(0)),
    )


def _split_by_objectness(objectness: FloatArray) -> tuple[IndexArray, IndexArray]:
    """Rows with and without objectness, in the order Darknet's swapping from the end produces."""
    live = objectness != 0
    total = int(np.count_nonzero(live))
    order = np.arange(len(live))
    holes = np.flatnonzero(~live[:total])
    moved = np.flatnonzero(live[total:])[::-1] + total
    order[holes] = moved
    return order[:total], np.flatnonzero(~live)


def _suppress_classes(prob: FloatArray, overlap: Overlap) -> FloatArray:
    """A copy of ``prob`` [M, K] in which the suppressed entries are 0."""
    per_class = np.count_nonzero(prob > 0, axis=0).astype(np.float64)
    result = np.zeros_like(prob)
    # Overlap does not depend on the class: where most boxes carry many classes, it is computed once.
    if (per_class**2).sum() > 4.0 * len(prob) ** 2:
        rows = np.arange(len(prob))
        pairs = overlap.pairs(rows, np.zeros_like(rows))
        for k in np.flatnonzero(per_class):
            ranked, _ = _ranked_items(prob, int(k), int(k) + 1)
            kept = overlap.thin(ranked) if pairs is None else _keep_ranked(ranked, len(prob), *pairs)
            result[ranked[kept], k] = prob[ranked[kept], k]
        return result
    ranked, classes = _ranked_items(prob, 0, prob.shape[1])
    keep = overlap.survivors(ranked, classes)
    ranked, classes = ranked[keep], classes[keep]
    result[ranked, classes] = prob[ranked, classes]
    return result


def _keep_ranked(ranked: IndexArray, rows: int, one: IndexArray, other: IndexArray) -> NDArray[np.bool_]:
    """Which of the ``ranked`` rows survive, given all overlapping pairs of rows."""
    # Rows without this class rank behind everything, where they can suppress nothing; then they are cut off.
    rank = np.full(rows, len(ranked), one.dtype)
    rank[ranked] = np.arange(len(ranked))
    a, b = rank[one], rank[other]
    high, low = np.minimum(a, b), np.maximum(a, b)
    if len(ranked) < rows:
        inside = low < len(ranked)
        high, low = high[inside], low[inside]
    return keep_first(len(ranked), high, low)


def _ranked_items(prob: FloatArray, start: int, end: int) -> tuple[IndexArray, IndexArray]:
    """Row and class of every positive entry of classes ``start`` to ``end``, by class, most probable first.

    Equal probabilities stay in the order that the sorts of the classes before left them in.
    """
    rows, classes = np.nonzero(prob[:, start:end] > 0)
    classes += start
    value = prob[rows, classes]
    order = np.lexsort((-value, classes)) if end - start > 1 else np.argsort(-value, kind="stable")
    rows, classes, value = rows[order], classes[order], value[order]
    same = (value[1:] == value[:-1]) & (classes[1:] == classes[:-1])
    if same.any():
        tied = np.zeros(len(rows), np.bool_)
        tied[1:] |= same
        tied[:-1] |= same
        rows[tied] = _break_ties(prob, rows[tied], classes[tied])
    return rows, classes


def _break_ties(prob: FloatArray, rows: IndexArray, classes: IndexArray) -> IndexArray:
    """Reorder ``rows`` (sorted by class and probability) by the classes before theirs, nearest first."""
    back = int(classes.max())
    keys = np.zeros((back + 2, len(rows)), np.float32)
    for step in range(back + 1):
        has = classes >= step
        keys[back - step, has] = -prob[rows[has], classes[has] - step]
    keys[-1] = classes
    return rows[np.lexsort(keys)]


def _order_by_last_class(prob: FloatArray) -> IndexArray:
    """Rows after stable descending sorts by class 0, 1, ..., K - 1 in turn."""
    telling = prob[:, prob.any(axis=0)]
    if telling.shape[1] == 0:
        return np.arange(len(prob))
    return np.lexsort(-telling.T)
