"""Truth boxes of a mini-batch, the cells they fall into, and the order in which a cell meets them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from csptrain.ops import boxes

# Pairs of one IoU table: small enough for a CPU core's cache, large enough to hide a GPU's launches.
_CPU_PAIRS = 1 << 16
_GPU_PAIRS = 1 << 24


class Truths(NamedTuple):
    """Truths of a mini-batch; rows that do not count are zero boxes, which overlap nothing.

    boxes `[N, T, 4]` float32 relative x y w h, labels `[N, T]` int64, valid `[N, T]` bool. T is the longest
    list of this mini-batch.
    """

    boxes: Tensor
    labels: Tensor
    valid: Tensor


class Objects(NamedTuple):
    """The K truths that count, in the order of images and of their lists.

    image `[K]` int64, box `[K, 4]` float32, label `[K]` int64.
    """

    image: Tensor
    box: Tensor
    label: Tensor


def read_truths(truth: Tensor, classes: int, limit: int) -> Truths:
    """Split truth rows `[N, T, 5]` (x y w h class) and mark those that count.

    Source: Darknet behaviour: an image's list ends at its first row with x == 0 and after `limit` rows;
    a class outside 0..classes-1 is skipped.
    """
    rows = truth[:, :limit, :5].float()
    listed = (rows[..., 0] != 0).cumprod(1).bool()
    longest = int(listed.sum(1).max()) if listed.numel() else 0
    rows, listed = rows[:, :longest], listed[:, :longest]
    labels = rows[..., 4].long()
    valid = listed & (labels >= 0) & (labels < classes)
    return Truths(rows[..., :4] * valid.unsqueeze(-1), labels * valid, valid)


def objects(truths: Truths) -> Objects:
    """The truths that count as one flat list."""
    image, position = truths.valid.nonzero(as_tuple=True)
    return Objects(image, truths.boxes[image, position], truths.labels[image, position])


def best_overlap(predicted: Tensor, truths: Truths) -> Tensor:
    """Best IoU `[N, P]` of every prediction `[N, P, 4]` with any truth of its image, 0 without one."""
    images, count = predicted.shape[:2]
    best = predicted.new_zeros(images, count)
    longest = truths.boxes.shape[1]
    if longest == 0 or best.numel() == 0:
        return best
    pairs = _CPU_PAIRS if predicted.device.type == "cpu" else _GPU_PAIRS
    step = max(1, pairs // (count * longest))
    for start in range(0, images, step):
        part = slice(start, start + step)
        # [n, T, P]: predictions innermost, so that the maximum runs along contiguous rows.
        table = boxes.iou(predicted[part, None], truths.boxes[part, :, None])
        torch.amax(table, dim=1, out=best[part])
    return best


def cell_of(box: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Column and row `[K]` int64 of the cells that hold the centres of boxes `[K, 4]`.

    Differs: a centre outside the picture counts to the border cell (Darknet writes outside the cell's row).
    """
    column = (box[:, 0] * width).long().clamp_(0, width - 1)
    row = (box[:, 1] * height).long().clamp_(0, height - 1)
    return column, row


def shape_only(sizes: Tensor) -> Tensor:
    """Boxes `[..., 4]` of the given sizes `[..., 2]` with their centres at the origin."""
    return torch.cat((torch.zeros_like(sizes), sizes), dim=-1)


def rounds(key: Tensor) -> list[Tensor]:
    """Split K assignments so that no round holds two of the same cell.

    key: `[K]` int64, the cell of each assignment, in the order in which Darknet makes them. Returns index
    tensors; round r holds the r-th assignment of every cell that has one, so vectorised rounds in turn do
    what the sequential loop does.
    """
    if key.numel() == 0:
        return []
    ordered, order = key.sort(stable=True)
    position = torch.arange(key.numel(), device=key.device)
    rank = torch.empty_like(position)
    rank[order] = position - torch.searchsorted(ordered, ordered)
    sizes: list[int] = rank.bincount().tolist()
    return list(rank.argsort(stable=True).split(sizes))


def last_in_cell(key: Tensor) -> Tensor:
    """Indices of those of K assignments that are the last of their cell (key `[K]` as in `rounds`)."""
    ordered, order = key.sort(stable=True)
    if ordered.numel() == 0:
        return order
    final = torch.ones_like(ordered, dtype=torch.bool)
    final[:-1] = ordered[1:] != ordered[:-1]
    return order[final]
