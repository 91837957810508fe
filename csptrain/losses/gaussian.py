"""Loss of Darknet's [Gaussian_yolo] head: every box entry is a mean and a standard deviation.

Source: Darknet behaviour. What truths a prediction meets is as in [yolo]; the deltas differ. Letters: N images,
A mask anchors, H W map, P = A*H*W predictions of an image, K meetings, S cells with an object, C classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from csptrain.losses import assign
from csptrain.losses.adversarial import hide
from csptrain.losses.base import HeadLoss
from csptrain.losses.yolo import assign_truths, meet_best
from csptrain.losses.yolo_cells import Assignments, class_delta
from csptrain.losses.yolo_head import Head, YoloSpec
from csptrain.ops import boxes

POINTS = {"center": 0.0, "left_top": -0.5, "right_bottom": 0.5}
_BOX = 8  # mean and deviation of x, y, w, h
_SIGMA_CONST = 0.3
_EPSILON = 1e-9


@dataclass(frozen=True)
class GaussianSpec(YoloSpec):
    """Options of a [Gaussian_yolo] section that its arithmetic needs, in the cfg's spelling."""

    uc_normalizer: float = 1.0
    yolo_point: str = "center"

    @property
    def shift(self) -> float:
        """Where the point that x and y tell lies, in box sizes from the centre."""
        return POINTS[self.yolo_point]


@torch.no_grad()
def gaussian_activate(raw: Tensor, spec: GaussianSpec) -> Tensor:
    """Output of the layer from the raw map `[N, A*(9+C), H, W]`, same shape, `raw` untouched.

    Logistic on all but the means of w and h, then the means of x and y stretched by `scale_x_y`.
    """
    entries = (len(spec.mask), _BOX + 1 + spec.classes)
    output = raw.sigmoid()
    split, source = output.unflatten(1, entries), raw.unflatten(1, entries)
    split[:, :, 4:_BOX:2] = source[:, :, 4:_BOX:2]
    if spec.scale_x_y != 1:
        split[:, :, 0:4:2].mul_(spec.scale_x_y).sub_(0.5 * (spec.scale_x_y - 1))
    return output


def without_deviations(output: Tensor, anchors: int) -> tuple[Tensor, Tensor]:
    """An activated map `[N, A*(9+C), H, W]` as [yolo] would hold it `[N, A*(5+C), H, W]`, and `[N, A, 4, H, W]`."""
    split = output.unflatten(1, (anchors, -1))
    plain = torch.cat((split[:, :, 0:_BOX:2], split[:, :, _BOX:]), 2)
    return plain.flatten(1, 2), split[:, :, 1:_BOX:2]


@torch.no_grad()
def gaussian_loss(output: Tensor, truth: Tensor, spec: GaussianSpec, net_width: int, net_height: int) -> HeadLoss:
    """Cost and delta of a [Gaussian_yolo] head.

    output: `[N, A*(9+C), H, W]`, what `gaussian_activate` returned. truth: `[N, T, 5]` x y w h class, relative to the
    image, each list ended by a row with x == 0.
    Differs: a truth of a class that is not there is skipped everywhere; in Darknet its objectness still counts.
    """
    head = _GaussianHead(output.float(), spec, net_width, net_height)
    truths = assign.read_truths(truth.to(output.device), spec.classes, spec.max)
    objectness, smooth, positives = _judge_predictions(head, truths)
    assigned = assign_truths(head, truths)
    cells = _GaussianCells(head, torch.cat((smooth.key, positives.key, assigned.key)), objectness)
    cells.classes[cells.slots(smooth)] = class_delta(head, cells.rows(smooth)[:, 5:], smooth.label)[0]
    cells.set_positives(positives)
    cells.add_objects(assigned)
    cells.average_boxes()
    delta = cells.spread(objectness)
    return _summarise(cells, delta, assigned)


@torch.no_grad()
def gaussian_attack(output: Tensor, spec: GaussianSpec, net_width: int, net_height: int) -> HeadLoss:
    """The delta by which the head would see nothing; ``output`` as in `gaussian_loss`, the cost is its square."""
    head = _GaussianHead(output.float(), spec, net_width, net_height)
    box, objectness, classes = hide(head, all_entries=False)
    delta = torch.cat((box, torch.zeros_like(box), objectness, classes), 2)
    delta = delta.flatten(1, 2).unflatten(2, (head.height, head.width))
    return HeadLoss(delta.square().sum(), delta, {})


class _GaussianHead(Head):
    """The means as a [yolo] map, and the deviations beside it."""

    def __init__(self, output: Tensor, spec: GaussianSpec, net_width: int, net_height: int) -> None:
        plain, deviations = without_deviations(output, len(spec.mask))
        super().__init__(plain, spec, net_width, net_height)
        self.options = spec
        self.deviations = deviations.flatten(3)  # [N, A, 4, H*W]

    def cell_of(self, box: Tensor) -> tuple[Tensor, Tensor]:
        return super().cell_of(torch.cat((self.point_of(box), box[:, 2:]), 1))

    def point_of(self, box: Tensor) -> Tensor:
        """The point `[K, 2]` of boxes `[K, 4]` that the entries x and y tell."""
        return box[:, :2] + self.options.shift * box[:, 2:]

    def _decode(self, values: Tensor, cell: Tensor, anchor: Tensor) -> Tensor:
        box = super()._decode(values, cell, anchor)
        return torch.cat((box[..., :2] - self.options.shift * box[..., 2:], box[..., 2:]), -1)


class _GaussianCells:
    """The S predictions that meet at least one truth, and their deltas so far."""

    def __init__(self, head: _GaussianHead, keys: Tensor, objectness: Tensor) -> None:
        self.head = head
        self.key = keys.unique()
        self.values = head.rows(self.key)
        self.objectness = objectness.flatten()[self.key]
        self.mean = self.values.new_zeros(len(self.key), 4)
        self.deviation = torch.zeros_like(self.mean)
        self.classes = self.values.new_zeros(len(self.key), head.spec.classes)

    def slots(self, meeting: Assignments) -> Tensor:
        """Positions `[K]` of the meetings' cells in this list."""
        return torch.searchsorted(self.key, meeting.key)

    def rows(self, meeting: Assignments) -> Tensor:
        """Entries `[K, 5+C]`, deviations apart, of the meetings' predictions."""
        return self.values[self.slots(meeting)]

    def set_positives(self, meeting: Assignments) -> None:
        """Predictions above `truth_thresh`: box and class deltas."""
        slot, rows = self.slots(meeting), self.rows(meeting)
        self.mean[slot], self.deviation[slot] = _box_delta(self.head, rows, meeting)
        self._add_classes(slot, meeting.label, *class_delta(self.head, rows[:, 5:], meeting.label))
        if self.head.spec.objectness_smooth:
            own = rows[:, 5:].gather(1, meeting.label.unsqueeze(1)).squeeze(1)
            self.classes[slot, meeting.label] = self.head.class_weights[meeting.label] * (meeting.overlap**2 - own)

    def add_objects(self, meeting: Assignments) -> None:
        """Deltas of assigned truths, those of one cell in their order."""
        slots, rows = self.slots(meeting), self.rows(meeting)
        mean, deviation = _box_delta(self.head, rows, meeting)
        full, further = class_delta(self.head, rows[:, 5:], meeting.label)
        weight = self.head.class_weights[meeting.label] * self.head.spec.obj_normalizer
        objectness = weight * (1 - rows[:, 4].nan_to_num(0.0, 0.0, 0.0))
        for turn in assign.rounds(meeting.key):
            slot = slots[turn]
            self.mean[slot] += mean[turn]
            self.deviation[slot] += deviation[turn]
            self.objectness[slot] = objectness[turn]
            self._add_classes(slot, meeting.label[turn], full[turn], further[turn])

    def _add_classes(self, slot: Tensor, label: Tensor, full: Tensor, further: Tensor) -> None:
        # Whether the cell already holds a class is asked of class 0 alone.
        known = self.classes[slot]
        merged = known.scatter(1, label.unsqueeze(1), further.unsqueeze(1))
        self.classes[slot] = torch.where(known[:, :1] != 0, merged, full)

    def average_boxes(self) -> None:
        """Box deltas divided by the number of classes that are pulled up in the cell."""
        count = (self.classes > 0).sum(1, keepdim=True).clamp_min(1)
        self.mean /= count
        self.deviation /= count

    def spread(self, objectness: Tensor) -> Tensor:
        """The delta map `[N, A, 9+C, H*W]` before `delta_normalizer`; `objectness` `[N, P]`."""
        head = self.head
        images, anchors, plain, cells = head.values.shape
        delta = head.values.new_zeros(images, anchors, plain + 4, cells)
        delta[:, :, _BOX] = objectness.view(images, anchors, cells)
        image, position, cell = head.locate(self.key)
        box = torch.stack((self.mean, self.deviation), 2).flatten(1)
        delta[image, position, :, cell] = torch.cat((box, self.objectness[:, None], self.classes), 1)
        return delta


def _judge_predictions(head: _GaussianHead, truths: assign.Truths) -> tuple[Tensor, Assignments, Assignments]:
    """Objectness delta `[N, P]` of every prediction; those that `objectness_smooth` pulls; those that are positive."""
    spec = head.spec
    objectness = head.values[:, :, 4].flatten(1).nan_to_num(0.0, 0.0, 0.0)
    predicted = head.all_boxes()
    best = assign.best_overlap(predicted, truths)
    delta = objectness * -spec.obj_normalizer
    over = (best > spec.ignore_thresh).flatten().nonzero().squeeze(1)
    over = over[head.any_class_seen(over)]
    smooth = meet_best(head, truths, predicted, best, over if spec.objectness_smooth else over[:0])
    delta.view(-1)[over] = 0.0
    delta.view(-1)[smooth.key] = spec.obj_normalizer * (smooth.overlap**2 - objectness.flatten()[smooth.key])
    key = (best > spec.truth_thresh).flatten().nonzero().squeeze(1)
    positives = meet_best(head, truths, predicted, best, key)
    goal = positives.overlap**2 if spec.objectness_smooth else 1.0
    delta.view(-1)[key] = spec.obj_normalizer * (goal - objectness.flatten()[key])
    return delta, smooth, positives


def _box_delta(head: _GaussianHead, rows: Tensor, meeting: Assignments) -> tuple[Tensor, Tensor]:
    """Deltas of the means and of the deviations `[K, 4]` of entries `[K, 5+C]` that meet a truth each."""
    spec = head.options
    image, position, cell = head.locate(meeting.key)
    deviation = head.deviations[image, position, :, cell]
    centre = head.point_of(meeting.box) * head.extent - head.grid(cell)
    size = (meeting.box[:, 2:] / head.anchors[head.mask[position]]).log()
    small_weighs_more = 2 - meeting.box[:, 2:3] * meeting.box[:, 3:4]
    away = (torch.cat((centre, size), 1) - rows[:, :4]) / deviation
    density = (away**2 / -2).exp() / (math.sqrt(2 * math.pi) * (deviation + _SIGMA_CONST))
    likelihood = 0.5 * density / (density + _EPSILON) * small_weighs_more
    mean = likelihood * away / deviation
    if spec.iou_loss != "mse":
        mean = _overlap_delta(head, rows, meeting)
    spread = likelihood * (away**2 / deviation - 1 / (deviation + _SIGMA_CONST))
    mean = mean * (spec.iou_normalizer * head.class_weights[meeting.label]).unsqueeze(1)
    return _finite(mean, spec.max_delta), _finite(spread * spec.uc_normalizer, spec.max_delta)


def _overlap_delta(head: _GaussianHead, rows: Tensor, meeting: Assignments) -> Tensor:
    """Darknet's gradient of the box similarity `[K, 4]` with respect to the means."""
    predicted = head.boxes_of(meeting.key, rows)
    size = torch.where(predicted[:, 2:] == 0, 1.0, predicted[:, 2:])
    gradient = boxes.box_gradient(torch.cat((predicted[:, :2], size), 1), meeting.box, head.spec.iou_loss)
    point = gradient[:, :2] + head.options.shift * gradient[:, 2:]
    return torch.cat((point, gradient[:, 2:] * rows[:, 2:4].exp()), 1)


def _finite(delta: Tensor, limit: float) -> Tensor:
    return delta.nan_to_num(0.0, 0.0, 0.0).clamp(-limit, limit)


def _summarise(cells: _GaussianCells, delta: Tensor, assigned: Assignments) -> HeadLoss:
    """Cost and log figures; those of boxes, objects and classes are means over the assigned truths."""
    head = cells.head
    rows = cells.rows(assigned)
    count = len(assigned.key)
    squares = delta.square().sum((0, 1, 3))
    overlap = boxes.iou(head.boxes_of(assigned.key, rows), assigned.box)
    stats = {
        "iou": overlap.sum() / max(count, 1),
        "count": overlap.new_full((), count),
        "obj": rows[:, 4].sum() / max(count, 1),
        "no_obj": head.values[:, :, 4].mean(),
        "class": rows[:, 5:].gather(1, assigned.label.unsqueeze(1)).sum() / max(count, 1),
        "loss_box": squares[:_BOX:2].sum(),
        "loss_uc": squares[1:_BOX:2].sum(),
        "loss_obj": squares[_BOX],
        "loss_cls": squares[_BOX + 1 :].sum(),
    }
    handed_on = (delta * head.spec.delta_normalizer).flatten(1, 2).unflatten(2, (head.height, head.width))
    return HeadLoss(squares.sum(), handed_on, stats, frozenset(("iou", "obj", "class")))
