"""The baseline of losses and updates: YOLO's loss by autograd, a loop over the heads, and torch's own SGD.

Letters: N images, A mask anchors, H W map, T truths of an image, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from csptrain.bench.plain import PlainNetwork
from csptrain.layers.yolo import Yolo
from csptrain.ops.boxes import similarity

_CLASS_SEEN = 0.25


class PlainTrainer:
    """Trains a plain network on full batches without subdivisions."""

    def __init__(self, network: PlainNetwork, device: torch.device) -> None:
        net = network.graph.net
        self.network = network.to(device).train()
        self.device = device
        self.optimizer = torch.optim.SGD(
            network.parameters(), lr=net.learning_rate, momentum=net.momentum, weight_decay=net.decay
        )

    def step(self, images: Tensor, truth: Tensor) -> float:
        """Forward, loss, backward and update; uint8 [N, H, W, C] and float32 [N, T, 5] -> the loss."""
        x = images.to(self.device).permute(0, 3, 1, 2).float().contiguous() / 255
        loss = network_loss(self.network, self.network(x), truth.to(self.device)) / len(images)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def network_loss(network: PlainNetwork, maps: Sequence[Tensor], truth: Tensor) -> Tensor:
    """The sum of the heads' losses; ``maps`` [N, A*(5+C), H, W] are not activated, ``truth`` is [N, T, 5]."""
    net, total = network.graph.net, maps[0].new_zeros(())
    for index, raw in zip(network.graph.heads, maps, strict=True):
        layer = network.graph.nodes[index].layer
        assert isinstance(layer, Yolo)
        total = total + head_loss(raw, truth, layer, (net.width, net.height))
    return total


def head_loss(raw: Tensor, truth: Tensor, layer: Yolo, size: tuple[int, int]) -> Tensor:
    """The loss of a [yolo] whose map [N, A*(5+C), H, W] is not activated; ``size`` is the net's width and height.

    With ``iou_loss=mse`` its gradient is Darknet's delta: logistic losses of x, y, objectness and classes, half squares
    of w and h. Other box losses are 1 - their similarity, whose gradient Darknet approximates.
    """
    height, width = raw.shape[2:]
    rows = raw.unflatten(1, (layer.boxes_per_cell, 5 + layer.classes)).permute(0, 1, 3, 4, 2)
    anchors = raw.new_tensor(layer.anchor_pairs) / raw.new_tensor(size)
    own = anchors[list(layer.mask_used)]
    boxes = _decode(rows, own, layer.scale_x_y)
    known = truth[..., 2] > 0
    with torch.no_grad():
        best = _iou(boxes.flatten(1, 3)[:, :, None], truth[:, None, :, :4]) * known[:, None]
        likely = (rows[..., 5:].sigmoid() > _CLASS_SEEN).any(-1)
        ignored = (best.amax(-1).view(likely.shape) > layer.ignore_thresh) & likely
        image, anchor, cell_y, cell_x, which = _assign(truth, known, anchors, layer, (height, width))

    target = truth[image, which]
    found = rows[image, anchor, cell_y, cell_x]
    objectness = torch.zeros_like(rows[..., 4])
    objectness[image, anchor, cell_y, cell_x] = 1
    counts = ~ignored | objectness.bool()
    found_or_not = F.binary_cross_entropy_with_logits(rows[..., 4][counts], objectness[counts], reduction="sum")
    loss: Tensor = layer.obj_normalizer * found_or_not

    classes = torch.zeros_like(rows[..., 5:])
    classes[image, anchor, cell_y, cell_x, target[:, 4].long()] = 1
    held = objectness.bool()
    loss = loss + F.binary_cross_entropy_with_logits(rows[..., 5:][held], classes[held], reduction="sum")
    if layer.iou_loss != "mse":
        predicted = boxes[image, anchor, cell_y, cell_x]
        overlap = similarity(predicted, target[:, :4], layer.iou_loss)
        return loss + (layer.iou_normalizer * (1 - overlap)).sum()
    weight: Tensor = layer.iou_normalizer * (2 - target[:, 2:3] * target[:, 3:4])
    centre = torch.stack((target[:, 0] * width - cell_x, target[:, 1] * height - cell_y), 1)
    missed = F.binary_cross_entropy_with_logits(found[:, :2], centre, reduction="none")
    missed = missed + (found[:, 2:4] - (target[:, 2:4] / own[anchor]).log()).square() / 2
    box: Tensor = (weight * missed).sum()
    return loss + box


def _decode(rows: Tensor, anchors: Tensor, stretch: float) -> Tensor:
    """Boxes [N, A, H, W, 4] x y w h relative to the input from entries [N, A, H, W, 5+C]."""
    height, width = rows.shape[2:4]
    y, x = torch.meshgrid(
        torch.arange(height, device=rows.device), torch.arange(width, device=rows.device), indexing="ij"
    )
    grid, extent = torch.stack((x, y), -1), rows.new_tensor((width, height))
    centre = (rows[..., :2].sigmoid() * stretch - 0.5 * (stretch - 1) + grid) / extent
    return torch.cat((centre, rows[..., 2:4].exp() * anchors[:, None, None]), -1)


def _assign(
    truth: Tensor, known: Tensor, anchors: Tensor, layer: Yolo, cells: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Image, mask anchor, row, column and truth of each meeting: a truth's best anchor and, below 1, all alike."""
    shapes = _iou(_at_origin(anchors), _at_origin(truth[..., 2:4])[:, :, None])
    mask = torch.tensor(layer.mask_used, device=truth.device)
    wanted = shapes.argmax(-1, keepdim=True) == mask
    if layer.iou_thresh < 1:
        wanted = wanted | (shapes[..., mask] > layer.iou_thresh)
    image, which, anchor = (wanted & known[..., None]).nonzero(as_tuple=True)
    height, width = cells
    chosen = truth[image, which]
    cell_x = (chosen[:, 0] * width).long().clamp(0, width - 1)
    cell_y = (chosen[:, 1] * height).long().clamp(0, height - 1)
    return image, anchor, cell_y, cell_x, which


def _at_origin(sizes: Tensor) -> Tensor:
    return torch.cat((torch.zeros_like(sizes), sizes), -1)


def _iou(one: Tensor, other: Tensor) -> Tensor:
    """IoU of boxes [..., 4] x y w h."""
    low = torch.maximum(one[..., :2] - one[..., 2:] / 2, other[..., :2] - other[..., 2:] / 2)
    high = torch.minimum(one[..., :2] + one[..., 2:] / 2, other[..., :2] + other[..., 2:] / 2)
    shared = (high - low).clamp(min=0).prod(-1)
    return shared / (one[..., 2:].prod(-1) + other[..., 2:].prod(-1) - shared)
