"""Which boxes of a set overlap by more than a threshold, and who survives when the better one wins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csptrain.ops.decode import FloatArray

IndexArray = NDArray[np.intp]

_PAIR_CHUNK = 1 << 17  # pairs examined at once: the temporaries stay in the cache
_PAIRS_PER_ENTRY = 256  # with more overlaps few boxes survive, and thinning from the best down is cheaper
_PAIRS = 1 << 23  # and never more than this many: bounds the memory
_HEAD = 256  # boxes decided per step of thinning
_BLOCK = 64  # survivors compared with all others at once
_FAR = 1e6  # coordinates are clipped here for sorting, so that infinite boxes keep a place


@dataclass(frozen=True, slots=True)
class Overlap:
    """Boxes prepared for comparison: ``columns`` [8, M] left, right, top, bottom, area, x, y, width.

    Two boxes overlap when IoU (minus (d/c)^``exponent`` unless it is None) exceeds ``thresh``, in float32
    as Darknet computes it.
    """

    columns: FloatArray
    thresh: np.float32
    exponent: float | None

    @classmethod
    def of(cls, boxes: FloatArray, thresh: float, exponent: float | None) -> Overlap:
        """Prepare boxes [M, 4] x y w h."""
        x, y, w, h = np.ascontiguousarray(boxes.T, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            rows = (x - w / 2, x + w / 2, y - h / 2, y + h / 2, w * h, x, y, w)
        return cls(np.stack(rows), np.float32(thresh), exponent)

    def exceeds(self, a: IndexArray, b: IndexArray) -> NDArray[np.bool_]:
        """Whether boxes ``a`` overlap boxes ``b``; the index arrays broadcast."""
        left, right, top, bottom, area = self.columns[:5]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            width = np.minimum(right[a], right[b]) - np.maximum(left[a], left[b])
            height = np.minimum(bottom[a], bottom[b]) - np.maximum(top[a], top[b])
            shared = np.maximum(width, 0) * np.maximum(height, 0)
            union = area[a] + area[b] - shared
            iou = np.where((shared == 0) | (union == 0), np.float32(0), shared / union)
            if self.exponent is None:
                return iou > self.thresh
            return (iou - self._distance(a, b, self.exponent)) > self.thresh

    def _distance(self, a: IndexArray, b: IndexArray, exponent: float) -> FloatArray:
        """(d/c)^exponent: squared distance of the centres over the squared diagonal of the hull."""
        left, right, top, bottom, _, x, y, _ = self.columns
        width = np.maximum(right[a], right[b]) - np.minimum(left[a], left[b])
        height = np.maximum(bottom[a], bottom[b]) - np.minimum(top[a], top[b])
        diagonal = width * width + height * height
        across, down = x[a] - x[b], y[a] - y[b]
        ratio = np.where(diagonal == 0, np.float32(0), (across * across + down * down) / diagonal)
        return np.power(ratio, np.float32(exponent))

    def pairs(self, rows: IndexArray, group: IndexArray) -> tuple[IndexArray, IndexArray] | None:
        """Positions (i, j) of all entries of ``rows`` with equal ``group`` that overlap, or None if too many.

        Entries are swept from left to right, each compared only with those that begin soon enough to
        overlap it. The sweep gives up where overlaps are so many that ``thin`` is cheaper.
        """
        left, width = self.columns[0, rows], self.columns[7, rows]
        start = np.clip(np.nan_to_num(left.astype(np.float64)), -_FAR, _FAR)
        # IoU > t needs a shared width of more than t * w, so the other must begin within (1 - t) * w.
        reach = (1.0 - min(max(float(self.thresh), 0.0), 1.0)) * np.nan_to_num(width.astype(np.float64))
        end = np.clip(start + reach * (1 + 1e-5) + 1e-6, -_FAR, _FAR)
        if self.thresh < 0:
            end = np.full_like(end, _FAR)
        lane = group * (4 * _FAR)
        order = np.argsort(start + lane, kind="stable")
        key = (start + lane)[order]
        stop = np.searchsorted(key, (end + lane)[order], side="right")
        counts = np.maximum(stop - np.arange(len(order)) - 1, 0)
        swept = Overlap(self.columns[:, rows[order]], self.thresh, self.exponent)
        left_over = min(_PAIRS_PER_ENTRY * len(rows), _PAIRS)
        one, other = [order[:0]], [order[:0]]
        for i, j in swept._sweep(counts):
            left_over -= len(i)
            if left_over < 0:
                return None
            one.append(order[i])
            other.append(order[j])
        return np.concatenate(one), np.concatenate(other)

    def _sweep(self, counts: IndexArray) -> Iterator[tuple[IndexArray, IndexArray]]:
        """Overlapping pairs among each box and the ``counts`` boxes that follow it, a chunk at a time."""
        total = np.concatenate(([0], np.cumsum(counts)))
        _, _, top, bottom = self.columns[:4]
        begin = 0
        while begin < len(counts):
            close = max(int(np.searchsorted(total, total[begin] + _PAIR_CHUNK, side="right")) - 1, begin + 1)
            size = counts[begin:close]
            a = np.repeat(np.arange(begin, close), size)
            b = np.arange(total[begin], total[close]) - np.repeat(total[begin:close], size) + a + 1
            begin = close
            if self.thresh >= 0:
                near = np.flatnonzero((top[b] < bottom[a]) & (top[a] < bottom[b]))
                a, b = a[near], b[near]
            hit = np.flatnonzero(self.exceeds(a, b))
            if hit.size:
                yield a[hit], b[hit]

    def survivors(self, rows: IndexArray, group: IndexArray) -> NDArray[np.bool_]:
        """Which entries are kept when, within each group, an entry removes all later ones it overlaps.

        ``rows`` are box indices, best first within a group; ``group`` [len(rows)] is ascending.
        """
        pairs = self.pairs(rows, group)
        if pairs is not None:
            return keep_first(len(rows), np.minimum(*pairs), np.maximum(*pairs))
        lanes = np.split(np.arange(len(rows)), np.flatnonzero(group[1:] != group[:-1]) + 1)
        result = np.zeros(len(rows), np.bool_)
        for lane in lanes:
            result[lane[self.thin(rows[lane])]] = True
        return result

    def thin(self, rows: IndexArray) -> IndexArray:
        """Positions of one group's ``survivors``: decide the best few, strike what they overlap, repeat."""
        kept = []
        positions = np.arange(len(rows))
        while positions.size:
            head, positions = positions[:_HEAD], positions[_HEAD:]
            a, b = np.triu_indices(len(head), 1)
            hit = self.exceeds(rows[head[a]], rows[head[b]])
            best = head[keep_first(len(head), a[hit], b[hit])]
            kept.append(best)
            for block in np.split(best, range(_BLOCK, len(best), _BLOCK)):
                struck = self.exceeds(rows[block][:, None], rows[positions][None]).any(axis=0)
                positions = positions[~struck]
        return np.concatenate(kept) if kept else positions


def keep_first(count: int, high: IndexArray, low: IndexArray) -> NDArray[np.bool_]:
    """Greedy choice among ``count`` entries, best first, where ``high[i]`` excludes ``low[i]`` (high < low).

    Each round keeps every undecided entry that no undecided better one excludes: all rounds together give
    what going through the entries one by one gives.
    """
    keep = np.zeros(count, np.bool_)
    undecided = np.ones(count, np.bool_)
    while high.size:
        chosen = undecided.copy()
        chosen[low] = False
        keep |= chosen
        undecided &= ~chosen
        undecided[low[chosen[high]]] = False
        rest = undecided[high] & undecided[low]
        high, low = high[rest], low[rest]
    return keep | undecided
