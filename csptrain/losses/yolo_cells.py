"""Deltas of the [yolo] predictions that hold an object.

Darknet walks over the truths one by one, and what a truth does to a cell depends on those before it. Here
all deltas are computed at once, on the few cells concerned, and put together in rounds that keep the order
inside each cell. Letters: N images, A mask anchors, H W map, P = A*H*W predictions of an image,
K assignments, S cells with an object, C classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from csptrain.losses import assign
from csptrain.losses.yolo_head import Head
from csptrain.ops import boxes

_FOCAL_ALPHA = 0.5


class Assignments(NamedTuple):
    """K meetings of a prediction and a truth: key `[K]` (image * P + prediction), box `[K, 4]`, label `[K]`,
    overlap `[K]` (the IoU of the two where it is used, else 0)."""

    key: Tensor
    box: Tensor
    label: Tensor
    overlap: Tensor


class Cells:
    """The S predictions that meet at least one truth, and their deltas so far."""

    def __init__(self, head: Head, keys: Tensor, objectness: Tensor) -> None:
        self.head = head
        self.key = keys.unique()
        self.values = head.rows(self.key)
        self.objectness = objectness.flatten()[self.key]
        self.box = self.values.new_zeros(len(self.key), 4)
        self.classes = self.values.new_zeros(len(self.key), head.spec.classes)
        self.rewritten = self.values.new_zeros(())

    def slots(self, meeting: Assignments) -> Tensor:
        """Positions `[K]` of the meetings' cells in this list."""
        return torch.searchsorted(self.key, meeting.key)

    def set_positives(self, meeting: Assignments) -> None:
        """Pass 1 continued: box and class deltas of predictions above `truth_thresh`."""
        slot = self.slots(meeting)
        rows = self.values[slot]
        self.box[slot] = _box_delta(self.head, rows, meeting)
        full, _ = class_delta(self.head, rows[:, 5:], meeting.label)
        self.classes[slot] = full
        if self.head.spec.objectness_smooth:
            own = rows[:, 5:].gather(1, meeting.label.unsqueeze(1)).squeeze(1)
            self.classes[slot, meeting.label] = self.head.class_weights[meeting.label] * (meeting.overlap**2 - own)

    def add_objects(self, meeting: Assignments) -> None:
        """Pass 2: deltas of assigned truths, those of one cell in their order."""
        spec = self.head.spec
        slots = self.slots(meeting)
        rows = self.values[slots]
        box = _box_delta(self.head, rows, meeting)
        full, further = class_delta(self.head, rows[:, 5:], meeting.label)
        weight = self.head.class_weights[meeting.label] * spec.obj_normalizer
        objectness = weight * (1 - rows[:, 4].nan_to_num(0.0, 0.0, 0.0))
        for turn in assign.rounds(meeting.key):
            slot, label = slots[turn], meeting.label[turn]
            self.rewritten += (self.box[slot] != 0).any(1).sum()
            self.box[slot] += box[turn]
            current = self.objectness[slot]
            kept = (current != 0) if spec.objectness_smooth else torch.zeros_like(current, dtype=torch.bool)
            self.objectness[slot] = torch.where(kept, current, objectness[turn])
            known = self.classes[slot]
            index = label.unsqueeze(1)
            merged = known.scatter(1, index, further[turn].unsqueeze(1))
            self.classes[slot] = torch.where(known.gather(1, index) != 0, merged, full[turn])

    def average_boxes(self) -> None:
        """Pass 3: box deltas divided by the number of classes that are pulled up in the cell."""
        count = (self.classes > 0).sum(1).clamp_min(1)
        count = torch.where(self.objectness != 0, count, 1)
        self.box /= count.unsqueeze(1)

    def spread(self, objectness: Tensor) -> Tensor:
        """The delta map `[N, A*(5+C), H, W]`; `objectness` `[N, P]` takes these cells' final values."""
        head = self.head
        objectness.view(-1)[self.key] = self.objectness
        delta = torch.zeros_like(head.values)
        delta[:, :, 4] = objectness.view(len(delta), -1, head.cells)
        image, position, cell = head.locate(self.key)
        delta[image, position, :, cell] = torch.cat((self.box, self.objectness[:, None], self.classes), 1)
        if head.spec.delta_normalizer != 1:
            delta *= head.spec.delta_normalizer
        return delta.view(len(delta), -1, head.height, head.width)


def class_delta(head: Head, probability: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Class deltas of a first truth `[K, C]` and of a further one of a new class in the cell `[K]`."""
    spec = head.spec
    index = label.unsqueeze(1)
    low, high = 0.5 * spec.label_smooth_eps, 1 - 0.5 * spec.label_smooth_eps
    own = probability.gather(1, index)
    weight = head.class_weights[index]
    further = (high - own) * weight
    if spec.focal_loss:
        certainty = own + 1e-15
        slope = -(1 - certainty) * (2 * certainty * certainty.log() + certainty - 1)
        full = -probability
        full.scatter_(1, index, 1 - own).mul_(_FOCAL_ALPHA * slope)
    else:
        full = low - probability
        scale = weight * spec.cls_normalizer if spec.counters_per_class is not None else weight
        full.scatter_(1, index, (high - own) * scale)
    return full.nan_to_num_(0.0, 0.0, 0.0), further.squeeze(1).nan_to_num_(0.0, 0.0, 0.0)


def _box_delta(head: Head, rows: Tensor, meeting: Assignments) -> Tensor:
    """Box delta `[K, 4]` of entries `[K, 5+C]` that meet a truth each."""
    spec = head.spec
    scale = (spec.iou_normalizer * head.class_weights[meeting.label]).unsqueeze(1)
    if spec.iou_loss == "mse":
        _, position, cell = head.locate(meeting.key)
        centre = meeting.box[:, :2] * head.extent - head.grid(cell)
        ratio = meeting.box[:, 2:] / head.anchors[head.mask[position]]
        size = (ratio / 4).sqrt() if spec.new_coords else ratio.log()
        small_weighs_more = (2 - meeting.box[:, 2:3] * meeting.box[:, 3:4]) * scale
        return (small_weighs_more * (torch.cat((centre, size), 1) - rows[:, :4])).nan_to_num_(0.0, 0.0, 0.0)
    predicted = head.boxes_of(meeting.key, rows)
    size = torch.where(predicted[:, 2:] == 0, 1.0, predicted[:, 2:])
    gradient = boxes.box_gradient(torch.cat((predicted[:, :2], size), 1), meeting.box, spec.iou_loss)
    if not spec.new_coords:
        gradient[:, 2:] *= rows[:, 2:4].exp()
    return (gradient * scale).nan_to_num_(0.0, 0.0, 0.0).clamp_(-spec.max_delta, spec.max_delta)
