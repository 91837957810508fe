"""Darknet's [region] head (YOLOv2): activation, truth assignment, delta and cost.

Source: Darknet behaviour. Unlike [yolo], a later truth replaces an earlier one of the same cell and anchor,
so only the last one of each is computed. Letters: N images, A anchors, H W map, E = coords+1+C entries,
P = H*W*A predictions of an image in the order of the output (cell, anchor), K assignments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from csptrain.losses import assign
from csptrain.losses.base import HeadLoss
from csptrain.ops import boxes
from csptrain.ops.tree import Tree, tree_softmax

PRIOR_IMAGES = 12800
_PRIOR_SCALE = 0.01
_RECALL_IOU = 0.5
_FOCAL_ALPHA = 0.5


@dataclass(frozen=True)
class RegionSpec:
    """Options of a [region] section that its arithmetic needs, in the cfg's spelling.

    anchors: width and height in CELLS, one pair per predicted box.
    """

    classes: int
    anchors: tuple[tuple[float, float], ...]
    coords: int = 4
    softmax: bool = False
    bias_match: bool = False
    rescore: bool = False
    object_scale: float = 1.0
    noobject_scale: float = 1.0
    class_scale: float = 1.0
    coord_scale: float = 1.0
    thresh: float = 0.5
    focal_loss: bool = False
    max: int = 30


@torch.no_grad()
def region_activate(raw: Tensor, spec: RegionSpec, tree: Tree | None = None) -> Tensor:
    """Output `[N, H*W*A*E]` of the [region] layer from the raw map `[N, A*E, H, W]`, `raw` untouched.

    Laid out (row, column, anchor, entry). Objectness is logistic; classes are a softmax with `softmax=1`,
    else raw; with a ``tree`` they are a softmax among siblings. x, y, w, h stay raw.
    """
    entries = spec.coords + 1 + spec.classes
    rows: Tensor = raw.flatten(2).transpose(1, 2).clone(memory_format=torch.contiguous_format)
    rows = rows.unflatten(2, (len(spec.anchors), entries))
    rows[..., spec.coords].sigmoid_()
    if tree is not None:
        rows[..., spec.coords + 1 :] = tree_softmax(rows[..., spec.coords + 1 :], tree)
    elif spec.softmax:
        rows[..., spec.coords + 1 :] = rows[..., spec.coords + 1 :].softmax(-1)
    return rows.flatten(1)


@torch.no_grad()
def region_loss(output: Tensor, truth: Tensor, spec: RegionSpec, width: int, height: int, seen: int) -> HeadLoss:
    """Cost and delta of a [region] head.

    output: `[N, H*W*A*E]`, what `region_activate` returned (any float type; computed in float32).
    truth: `[N, T, 5]` x y w h class, relative to the image, each list ended by a row with x == 0.
    width, height: size of the map in cells. seen: images trained so far, this mini-batch included; every
    box is drawn to its anchor while seen < PRIOR_IMAGES.
    Differs: a truth centre on the far border counts to the last cell.
    """
    head = _Head(output.float(), spec, width, height)
    truths = assign.read_truths(truth.to(output.device), spec.classes, spec.max)
    delta = _judge_predictions(head, truths, seen)
    assigned = _assign_truths(head, truths)
    rows = head.rows[assigned.key]
    overlap = boxes.iou(head.decode(rows, assigned.key), assigned.box)
    last = assign.last_in_cell(assigned.key)
    final = _Assignments(*(column[last] for column in assigned))
    delta[final.key] = _object_delta(head, rows[last], final, overlap[last])
    return _summarise(head, delta, assigned, overlap)


class _Assignments(NamedTuple):
    """K truths and their predictions: key `[K]` (image * P + prediction), box `[K, 4]`, label `[K]`."""

    key: Tensor
    box: Tensor
    label: Tensor


class _Head:
    """An activated output and the geometry needed to read it."""

    def __init__(self, output: Tensor, spec: RegionSpec, width: int, height: int) -> None:
        self.spec = spec
        self.width, self.height, self.images = width, height, len(output)
        self.predictions = width * height * len(spec.anchors)
        self.rows = output.reshape(self.images * self.predictions, -1)  # [N*P, E]
        self.extent = output.new_tensor([width, height])
        self.anchors = output.new_tensor(spec.anchors)  # [A, 2], cells

    def grid(self, key: Tensor) -> Tensor:
        """Column and row `[K, 2]` float of prediction keys `[K]`."""
        cell = key % self.predictions // len(self.anchors)
        return torch.stack((cell % self.width, cell // self.width), dim=-1).float()

    def anchor_of(self, key: Tensor) -> Tensor:
        """Anchor size `[K, 2]`, in cells, of prediction keys `[K]`."""
        return self.anchors[key % len(self.anchors)]

    def decode(self, rows: Tensor, key: Tensor) -> Tensor:
        """Boxes `[K, 4]`, relative to the image, of entries `[K, E]`."""
        centre = rows[:, :2].sigmoid() + self.grid(key)
        size = rows[:, 2:4].exp() * self.anchor_of(key)
        return torch.cat((centre / self.extent, size / self.extent), 1)


def _judge_predictions(head: _Head, truths: assign.Truths, seen: int) -> Tensor:
    """Delta `[N*P, E]` of every prediction as if it held no object."""
    spec, rows = head.spec, head.rows
    key = torch.arange(len(rows), device=rows.device)
    predicted = head.decode(rows, key).view(head.images, head.predictions, 4)
    best = assign.best_overlap(predicted, truths).flatten()
    objectness = rows[:, spec.coords]
    delta = torch.zeros_like(rows)
    empty = spec.noobject_scale * -objectness * _logistic_slope(objectness)
    delta[:, spec.coords] = torch.where(best > spec.thresh, 0.0, empty)
    if seen < PRIOR_IMAGES:
        delta[:, :4] = _box_delta(rows, rows.new_tensor([0.5, 0.5, 0.0, 0.0]), _PRIOR_SCALE)
    return delta


def _assign_truths(head: _Head, truths: assign.Truths) -> _Assignments:
    """The prediction of each truth: in its cell, the one whose anchor or predicted size is most alike."""
    found = assign.objects(truths)
    column, row = assign.cell_of(found.box, head.width, head.height)
    anchors = len(head.anchors)
    first = found.image * head.predictions + (row * head.width + column) * anchors
    candidates = first[:, None] + torch.arange(anchors, device=first.device)
    size = head.anchors / head.extent
    if not head.spec.bias_match:
        size = head.rows[candidates, 2:4].exp() * size
    alike = boxes.iou(assign.shape_only(size), assign.shape_only(found.box[:, None, 2:]))
    return _Assignments(first + alike.argmax(1), found.box, found.label)


def _object_delta(head: _Head, rows: Tensor, meeting: _Assignments, overlap: Tensor) -> Tensor:
    """Delta `[K, E]` of predictions that hold an object; overlap `[K]` is the IoU with it."""
    spec = head.spec
    centre = meeting.box[:, :2] * head.extent - head.grid(meeting.key)
    size = (meeting.box[:, 2:] * head.extent / head.anchor_of(meeting.key)).log()
    box = _box_delta(rows, torch.cat((centre, size), 1), spec.coord_scale)
    objectness = rows[:, spec.coords]
    goal = overlap if spec.rescore else torch.ones_like(overlap)
    seen = spec.object_scale * (goal - objectness) * _logistic_slope(objectness)
    classes = _class_delta(spec, rows[:, spec.coords + 1 :], meeting.label)
    unused = rows.new_zeros(len(rows), spec.coords - 4)
    return torch.cat((box.nan_to_num_(0.0, 0.0, 0.0), unused, seen[:, None], classes), 1)


def _box_delta(rows: Tensor, target: Tensor, scale: float) -> Tensor:
    """Delta `[K, 4]` of raw x y w h towards a target in cells (x, y) and log of anchors (w, h)."""
    centre = rows[:, :2].sigmoid()
    x_y = (target[..., :2] - centre) * _logistic_slope(centre)
    return scale * torch.cat((x_y, target[..., 2:] - rows[:, 2:4]), 1)


def _class_delta(spec: RegionSpec, probability: Tensor, label: Tensor) -> Tensor:
    """Class delta `[K, C]`."""
    index = label.unsqueeze(1)
    own = probability.gather(1, index)
    delta = spec.class_scale * (-probability).scatter(1, index, 1 - own)
    if not spec.focal_loss:
        return delta
    certainty = own + 1e-15
    slope = -(1 - certainty) * (2 * certainty * certainty.log() + certainty - 1)
    return delta * (_FOCAL_ALPHA * slope)


def _logistic_slope(value: Tensor) -> Tensor:
    """Derivative of the logistic function in terms of its value."""
    return value * (1 - value)


def _summarise(head: _Head, delta: Tensor, assigned: _Assignments, overlap: Tensor) -> HeadLoss:
    """Cost and log figures; those of boxes, objects and classes are means over the truths."""
    spec, count = head.spec, len(assigned.key)
    squares = delta.square().sum(0)
    rows = head.rows[assigned.key]
    first_class = spec.coords + 1
    objectness = head.rows[:, spec.coords]
    stats = {
        "iou": overlap.sum() / max(count, 1),
        "recall": (overlap > _RECALL_IOU).sum() / max(count, 1),
        "count": overlap.new_full((), count),
        "obj": rows[:, spec.coords].sum() / max(count, 1),
        "no_obj": objectness.mean(),
        "class": rows[:, first_class:].gather(1, assigned.label.unsqueeze(1)).sum() / max(count, 1),
        "loss_box": squares[: spec.coords].sum(),
        "loss_obj": squares[spec.coords],
        "loss_cls": squares[first_class:].sum(),
    }
    entries = len(spec.anchors) * delta.shape[1]
    maps = delta.view(head.images, -1, entries).transpose(1, 2)
    maps = maps.reshape(head.images, entries, head.height, head.width)
    return HeadLoss(squares.sum(), maps, stats, frozenset(("iou", "recall", "obj", "class")))
