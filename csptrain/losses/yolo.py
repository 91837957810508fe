"""Loss of Darknet's [yolo] head: truth assignment, delta and cost.

Source: Darknet behaviour, cuDNN path. Pass 1 judges every prediction and is dense; passes 2 and 3 concern
the predictions that hold an object. Letters: N images, A mask anchors, H W map, P = A*H*W predictions of an
image, K assignments, S cells with an object, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from csptrain.losses import assign
from csptrain.losses.adversarial import hide
from csptrain.losses.base import HeadLoss
from csptrain.losses.yolo_cells import Assignments, Cells
from csptrain.losses.yolo_head import Head, YoloSpec, yolo_activate
from csptrain.ops import boxes

__all__ = ["YoloSpec", "yolo_activate", "yolo_loss"]


@torch.no_grad()
def yolo_loss(output: Tensor, truth: Tensor, spec: YoloSpec, net_width: int, net_height: int) -> HeadLoss:
    """Cost and delta of a [yolo] head.

    output: `[N, A*(5+C), H, W]`, what `yolo_activate` returned (any float type; computed in float32).
    truth: `[N, T, 5]` x y w h class, relative to the image, each list ended by a row with x == 0.
    Differs: a truth centre on the far border counts to the last cell; non-finite box and class deltas are 0.
    """
    head = Head(output.float(), spec, net_width, net_height)
    truths = assign.read_truths(truth.to(output.device), spec.classes, spec.max)
    objectness, positives = _judge_predictions(head, truths)
    assigned = assign_truths(head, truths)
    cells = Cells(head, torch.cat((positives.key, assigned.key)), objectness)
    cells.set_positives(positives)
    cells.add_objects(assigned)
    if spec.iou_thresh < 1:
        cells.average_boxes()
    delta = cells.spread(objectness)
    return _summarise(cells, objectness, delta, positives, assigned)


@torch.no_grad()
def yolo_attack(output: Tensor, spec: YoloSpec, net_width: int, net_height: int) -> HeadLoss:
    """The delta by which a [yolo] head would see nothing; ``output`` as in `yolo_loss`, the cost is its square."""
    head = Head(output.float(), spec, net_width, net_height)
    delta = torch.cat(hide(head, all_entries=True), 2).flatten(1, 2).unflatten(2, (head.height, head.width))
    return HeadLoss(delta.square().sum(), delta, {})


def _judge_predictions(head: Head, truths: assign.Truths) -> tuple[Tensor, Assignments]:
    """Pass 1: objectness delta `[N, P]` of every prediction, and those above `truth_thresh` as positives."""
    spec = head.spec
    objectness = head.values[:, :, 4].flatten(1).nan_to_num(0.0, 0.0, 0.0)
    predicted = head.all_boxes()
    best = assign.best_overlap(predicted, truths)
    delta = objectness * -spec.obj_normalizer
    over = (best > spec.ignore_thresh).flatten().nonzero().squeeze(1)
    over = over[head.any_class_seen(over)]
    if spec.objectness_smooth:
        pulled = spec.obj_normalizer * (best.flatten()[over] - objectness.flatten()[over])
        delta.view(-1)[over] = torch.maximum(delta.flatten()[over], pulled)
    else:
        delta.view(-1)[over] = 0.0
    key = (best > spec.truth_thresh).flatten().nonzero().squeeze(1)
    positives = meet_best(head, truths, predicted, best, key)
    goal = positives.overlap**2 if spec.objectness_smooth else 1.0
    delta.view(-1)[key] = spec.obj_normalizer * (goal - objectness.flatten()[key])
    return delta, positives


def meet_best(head: Head, truths: assign.Truths, predicted: Tensor, best: Tensor, key: Tensor) -> Assignments:
    """Predictions `[K]` (boxes of all `[N, P, 4]`, best overlaps `[N, P]`) with the truth each overlaps most."""
    overlap = best.flatten()[key]
    if key.numel() == 0:
        return Assignments(key, predicted.new_zeros(0, 4), key, overlap)
    image = key // head.predictions
    candidates = truths.boxes[image]
    chosen = boxes.iou(predicted.flatten(0, 1)[key, None], candidates).argmax(1)
    return Assignments(key, truths.boxes[image, chosen], truths.labels[image, chosen], overlap)


def assign_truths(head: Head, truths: assign.Truths) -> Assignments:
    """Pass 2, the choice: each truth's best anchor, and with `iou_thresh` < 1 all alike mask anchors."""
    spec = head.spec
    found = assign.objects(truths)
    shape = assign.shape_only(found.box[:, None, 2:])
    anchors = assign.shape_only(head.anchors)
    best = boxes.iou(anchors, shape).argmax(1, keepdim=True)
    wanted = head.mask == best
    if spec.iou_thresh < 1:
        alike = boxes.similarity(anchors[head.mask], shape, spec.iou_thresh_kind) > spec.iou_thresh
        wanted = wanted | alike
    which, position = wanted.nonzero(as_tuple=True)
    box = found.box[which]
    column, row = head.cell_of(box)
    prediction = position * head.cells + row * head.width + column
    key = found.image[which] * head.predictions + prediction
    return Assignments(key, box, found.label[which], box.new_zeros(len(box)))


def _summarise(
    cells: Cells, objectness: Tensor, delta: Tensor, positives: Assignments, assigned: Assignments
) -> HeadLoss:
    """Cost and log figures; those of boxes, objects and classes are means over the assigned truths."""
    head, spec = cells.head, cells.head.spec
    rows = cells.values[cells.slots(assigned)]
    predicted = head.boxes_of(assigned.key, rows)
    count = len(assigned.key)
    overlap = boxes.iou(predicted, assigned.box).sum() / max(count, 1)
    loss_obj, loss_cls = objectness.square().sum(), cells.classes.square().sum()
    if spec.iou_loss == "mse":
        loss_box = cells.box.square().sum()
    else:
        kind = "giou" if spec.iou_loss == "giou" else "iou"
        missing = (1 - boxes.similarity(predicted, assigned.box, kind)).sum() / max(count, 1)
        loss_box = spec.iou_normalizer * missing
        loss_obj, loss_cls = spec.obj_normalizer * loss_obj, spec.obj_normalizer * loss_cls
    stats = {
        "iou": overlap,
        "count": overlap.new_full((), count),
        "obj": rows[:, 4].sum() / max(count, 1),
        "no_obj": head.values[:, :, 4].mean(),
        "class": rows[:, 5:].gather(1, assigned.label.unsqueeze(1)).sum() / max(count, 1),
        "loss_box": loss_box,
        "loss_obj": loss_obj,
        "loss_cls": loss_cls,
        "total": overlap.new_full((), count + len(positives.key)),
        "rewritten": cells.rewritten,
    }
    means = {"iou", "obj", "class"} if spec.iou_loss == "mse" else {"iou", "obj", "class", "loss_box"}
    return HeadLoss(loss_box + loss_obj + loss_cls, delta, stats, frozenset(means))
