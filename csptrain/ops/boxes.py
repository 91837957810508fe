"""Similarity of boxes (IoU, GIoU, DIoU, CIoU) and Darknet's gradient of it.

A box is four floats `x y w h`: centre and size, in any unit both boxes share. All functions broadcast over
the leading dimensions, so `iou(a[:, None], b[None])` is the table of all pairs. float32 in, float32 out.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from csptrain.errors import CspError

SIMILARITIES = ("iou", "giou", "diou", "ciou")
DIOU_EXPONENT = 0.6


class Edges(NamedTuple):
    """The four sides of boxes, each `[...]`."""

    left: Tensor
    top: Tensor
    right: Tensor
    bottom: Tensor


class _Overlap(NamedTuple):
    """Signed extents shared by two boxes (negative: the gap between them)."""

    width: Tensor
    height: Tensor


def edges(boxes: Tensor) -> Edges:
    """Sides of boxes `[..., 4]` as four contiguous tensors `[...]`."""
    x, y, w, h = boxes.unbind(-1)
    half_w, half_h = w / 2, h / 2
    return Edges(x - half_w, y - half_h, x + half_w, y + half_h)


def area(boxes: Tensor) -> Tensor:
    """Area of boxes `[..., 4]`; an infinite side times a zero one is 0, as it never overlaps anything."""
    return (boxes[..., 2] * boxes[..., 3]).nan_to_num(nan=0.0, posinf=math.inf, neginf=-math.inf)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes `[..., 4]`; 0 where the boxes do not overlap."""
    intersection, union = _intersection_union(a, b)
    return intersection.div_(union)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """IoU minus the share of the hull that neither box covers, in -1..1."""
    intersection, union = _intersection_union(a, b)
    width, height = _hull(edges(a), edges(b))
    hull = width * height
    return intersection / union - torch.where(hull > 0, (hull - union) / hull, 0.0)


def diou(a: Tensor, b: Tensor, exponent: float = DIOU_EXPONENT) -> Tensor:
    """IoU minus (squared centre distance / squared hull diagonal) ** exponent.

    Source: Darknet behaviour; the published measure has exponent 1, Darknet's has 0.6 (and `beta_nms` in
    `nms_kind=diounms`).
    """
    return iou(a, b) - _centre_distance(a, b) ** exponent


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """IoU minus the relative centre distance (exponent 1) minus the weighted difference of aspect ratios.

    `a` is the prediction, `b` the truth.
    """
    overlap = iou(a, b)
    difference = _aspect(b) - _aspect(a)
    aspect_loss = 4 / math.pi**2 * difference**2
    alpha = aspect_loss / (1 - overlap + aspect_loss + 1e-6)
    return overlap - (_centre_distance(a, b) + alpha * aspect_loss)


def similarity(a: Tensor, b: Tensor, kind: str) -> Tensor:
    """The similarity named by `kind` (one of SIMILARITIES). Raises CspError for any other word."""
    match kind:
        case "iou":
            return iou(a, b)
        case "giou":
            return giou(a, b)
        case "diou":
            return diou(a, b)
        case "ciou":
            return ciou(a, b)
    raise _unknown(kind)


def box_gradient(predicted: Tensor, truth: Tensor, kind: str) -> Tensor:
    """Darknet's ascent direction of a similarity with respect to the predicted `x y w h`.

    predicted, truth: `[..., 4]`. Returns `[..., 4]`, which may hold NaN for degenerate boxes.
    Raises CspError when `kind` is none of SIMILARITIES.
    Source: Darknet behaviour. It is not the true derivative: the w and h parts are differences of the edge
    derivatives (twice the derivative of the overlap term), and the size parts of the distance penalty carry
    a plus sign. Disjoint boxes have no overlap term, except for `iou`, where the formula runs on with the
    signed gaps. Trained models depend on all three.
    """
    if kind not in SIMILARITIES:
        raise _unknown(kind)
    inside, outside = edges(predicted), edges(truth)
    shared = _shared(inside, outside)
    by_edge, union, d_union = _iou_by_edge(predicted, truth, inside, outside, shared)
    if kind != "iou":
        overlapping = (shared.width > 0) & (shared.height > 0)
        by_edge = torch.where(overlapping.unsqueeze(-1), by_edge, 0.0)
    if kind == "giou":
        by_edge = by_edge + _hull_by_edge(inside, outside, union, d_union)
    left, top, right, bottom = by_edge.unbind(-1)
    gradient = torch.stack((left + right, top + bottom, right - left, bottom - top), dim=-1)
    if kind in ("diou", "ciou"):
        gradient = gradient + _distance_gradient(predicted, truth, inside, outside)
    if kind == "ciou":
        overlap = shared.width * shared.height / union
        gradient = gradient + _aspect_gradient(predicted, truth, overlap)
    return gradient


def _unknown(kind: str) -> CspError:
    return CspError(f"unknown box similarity '{kind}'", hint=f"one of {', '.join(SIMILARITIES)}")


def _shared(a: Edges, b: Edges) -> _Overlap:
    # In place: these tables are the largest tensors of a training step outside the network.
    width = torch.minimum(a.right, b.right).sub_(torch.maximum(a.left, b.left))
    height = torch.minimum(a.bottom, b.bottom).sub_(torch.maximum(a.top, b.top))
    return _Overlap(width, height)


def _intersection_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Overlap of two boxes and the area they cover together, the latter never 0."""
    shared = _shared(edges(a), edges(b))
    intersection = shared.width.clamp_min_(0).mul_(shared.height.clamp_min_(0))
    union = (area(a) + area(b)).sub_(intersection)
    return intersection, union.clamp_min_(torch.finfo(union.dtype).tiny)


def _hull(a: Edges, b: Edges) -> tuple[Tensor, Tensor]:
    """Width and height of the smallest box around both."""
    width = torch.maximum(a.right, b.right) - torch.minimum(a.left, b.left)
    height = torch.maximum(a.bottom, b.bottom) - torch.minimum(a.top, b.top)
    return width, height


def _centre_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared distance of the centres over the squared diagonal of the hull; 0 for two equal points."""
    width, height = _hull(edges(a), edges(b))
    diagonal = width**2 + height**2
    distance = ((a[..., :2] - b[..., :2]) ** 2).sum(-1)
    return torch.where(diagonal > 0, distance / diagonal, 0.0)


def _aspect(boxes: Tensor) -> Tensor:
    return torch.atan(boxes[..., 2] / boxes[..., 3])


def _iou_by_edge(
    predicted: Tensor, truth: Tensor, inside: Edges, outside: Edges, shared: _Overlap
) -> tuple[Tensor, Tensor, Tensor]:
    """d(IoU)/d(left, top, right, bottom) `[..., 4]`, the union `[...]` and d(union)/d(edge) `[..., 4]`.

    The union of disjoint boxes counts a gap's signed area, as Darknet's does.
    """
    width, height = shared
    w, h = predicted[..., 2], predicted[..., 3]
    d_area = torch.stack((-h, -w, h, w), dim=-1)
    d_intersection = torch.stack(
        (
            torch.where(inside.left > outside.left, -height, 0.0),
            torch.where(inside.top > outside.top, -width, 0.0),
            torch.where(inside.right < outside.right, height, 0.0),
            torch.where(inside.bottom < outside.bottom, width, 0.0),
        ),
        dim=-1,
    )
    d_union = d_area - d_intersection
    intersection = width * height
    union = area(predicted) + area(truth) - intersection
    i, u = intersection.unsqueeze(-1), union.unsqueeze(-1)
    by_edge = torch.where(u > 0, (u * d_intersection - i * d_union) / u**2, 0.0)
    return by_edge, union, d_union


def _hull_by_edge(inside: Edges, outside: Edges, union: Tensor, d_union: Tensor) -> Tensor:
    """d(union / hull)/d(left, top, right, bottom) `[..., 4]`."""
    width, height = _hull(inside, outside)
    d_hull = torch.stack(
        (
            torch.where(inside.left < outside.left, -height, 0.0),
            torch.where(inside.top < outside.top, -width, 0.0),
            torch.where(inside.right > outside.right, height, 0.0),
            torch.where(inside.bottom > outside.bottom, width, 0.0),
        ),
        dim=-1,
    )
    hull, u = (width * height).unsqueeze(-1), union.unsqueeze(-1)
    return torch.where(hull > 0, (hull * d_union - u * d_hull) / hull**2, 0.0)


def _distance_gradient(predicted: Tensor, truth: Tensor, inside: Edges, outside: Edges) -> Tensor:
    """Penalty part of diou and ciou `[..., 4]`: the centre pulled in, the sizes pushed out."""
    hull = torch.stack(_hull(inside, outside), dim=-1)
    low = torch.stack((inside.left < outside.left, inside.top < outside.top), dim=-1).to(hull.dtype)
    high = torch.stack((inside.right > outside.right, inside.bottom > outside.bottom), dim=-1).to(hull.dtype)
    offset = truth[..., :2] - predicted[..., :2]
    distance = (offset**2).sum(-1, keepdim=True)
    diagonal = (hull**2).sum(-1, keepdim=True)
    centre = (2 * offset * diagonal - 2 * hull * (high - low) * distance) / diagonal**2
    size = hull * (high + low) * distance / diagonal**2
    return torch.where(diagonal > 0, torch.cat((centre, size), dim=-1), 0.0)


def _aspect_gradient(predicted: Tensor, truth: Tensor, overlap: Tensor) -> Tensor:
    """Aspect part of ciou `[..., 4]`; nothing for x and y."""
    difference = _aspect(truth) - _aspect(predicted)
    aspect_loss = 4 / math.pi**2 * difference**2
    alpha = aspect_loss / (1 - overlap + aspect_loss + 1e-6)
    push = alpha * 8 / math.pi**2 * difference
    zero = torch.zeros_like(push)
    return torch.stack((zero, zero, push * predicted[..., 3], -push * predicted[..., 2]), dim=-1)
