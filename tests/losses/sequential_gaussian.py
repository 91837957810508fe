"""The [Gaussian_yolo] loss as Darknet defines it, one prediction and one truth at a time: slow, and obviously so."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from csptrain.losses.gaussian import GaussianSpec
from csptrain.ops import boxes


def _iou(a: Tensor, b: Tensor, kind: str = "iou") -> float:
    return float(boxes.similarity(a, b, kind))


class SequentialGaussian:
    """Deltas of one mini-batch; `delta` is `[N, A, 9+C, H, W]`, before delta_normalizer."""

    def __init__(self, output: Tensor, truth: Tensor, spec: GaussianSpec, net_width: int, net_height: int) -> None:
        self.spec = spec
        self.net = torch.tensor([net_width, net_height], dtype=torch.float32)
        self.out = output.unflatten(1, (len(spec.mask), 9 + spec.classes))
        self.height, self.width = output.shape[2:]
        self.delta = torch.zeros_like(self.out)
        counters = spec.counters_per_class
        self.weights = [1.0] * spec.classes
        if counters is not None:
            self.weights = [min(max(counters) / count, spec.max_delta) for count in counters]
        for image in range(len(output)):
            rows = [row for row in truth[image] if row[0] != 0]
            for position in range(len(spec.mask)):
                for j in range(self.height):
                    for i in range(self.width):
                        self._judge((image, position, slice(None), j, i), rows)
            for row in rows:
                self._assign(image, row)
        count = (self.delta[:, :, 9:] > 0).sum(2, keepdim=True).clamp_min(1)
        self.delta[:, :, :8] /= count

    def _anchor(self, position: int) -> Tensor:
        return torch.tensor(self.spec.anchors[self.spec.mask[position]]) / self.net

    def _box(self, cell: tuple[int, int, slice, int, int]) -> Tensor:
        _, position, _, j, i = cell
        x, _, y, _, w, _, h = self.out[cell][:7]
        size = torch.stack((w, h)).exp() * self._anchor(position)
        point = torch.stack(((i + x) / self.width, (j + y) / self.height))
        if self.spec.yolo_point == "left_top":
            point = point + size / 2
        elif self.spec.yolo_point == "right_bottom":
            point = point - size / 2
        return torch.cat((point, size))

    def _point(self, row: Tensor) -> Tensor:
        half = row[2:4] / 2
        return row[:2] + {"center": 0, "left_top": -1, "right_bottom": 1}[self.spec.yolo_point] * half

    def _judge(self, cell: tuple[int, int, slice, int, int], rows: list[Tensor]) -> None:
        spec, out, delta = self.spec, self.out[cell], self.delta[cell]
        overlaps = [_iou(self._box(cell), row[:4]) for row in rows]
        best = max(overlaps, default=0.0)
        delta[8] = -spec.obj_normalizer * out[8]
        if best > spec.ignore_thresh and (out[9:] > 0.25).any():
            delta[8] = 0
            if spec.objectness_smooth:
                delta[8] = spec.obj_normalizer * (best**2 - out[8])
                self._add_class(out, delta, int(rows[overlaps.index(best)][4]))
        if best > spec.truth_thresh:
            row = rows[overlaps.index(best)]
            label = int(row[4])
            delta[8] = spec.obj_normalizer * ((best**2 if spec.objectness_smooth else 1) - out[8])
            self._add_class(out, delta, label)
            if spec.objectness_smooth:
                delta[9 + label] = self.weights[label] * (best**2 - out[9 + label])
            self._add_box(cell, row)

    def _assign(self, image: int, row: Tensor) -> None:
        spec = self.spec
        shape = torch.cat((torch.zeros(2), row[2:4]))
        anchors = [torch.cat((torch.zeros(2), torch.tensor(a) / self.net)) for a in spec.anchors]
        overlaps = [_iou(anchor, shape) for anchor in anchors]
        best = overlaps.index(max(overlaps))
        alike = [n for n in spec.mask if n != best and spec.iou_thresh < 1]
        chosen = [n for n in alike if _iou(anchors[n], shape, spec.iou_thresh_kind) > spec.iou_thresh]
        x, y = self._point(row).tolist()
        i = min(max(int(x * self.width), 0), self.width - 1)
        j = min(max(int(y * self.height), 0), self.height - 1)
        for n in (best, *chosen):
            if n in spec.mask:
                cell = (image, spec.mask.index(n), slice(None), j, i)
                self._add_box(cell, row)
                self.delta[cell][8] = self.weights[int(row[4])] * spec.obj_normalizer * (1 - self.out[cell][8])
                self._add_class(self.out[cell], self.delta[cell], int(row[4]))

    def _add_box(self, cell: tuple[int, int, slice, int, int], row: Tensor) -> None:
        spec, out, delta = self.spec, self.out[cell], self.delta[cell]
        _, position, _, j, i = cell
        extent = torch.tensor([self.width, self.height])
        goal = torch.cat((self._point(row) * extent - torch.tensor([i, j]), (row[2:4] / self._anchor(position)).log()))
        gradient = boxes.box_gradient(self._box(cell), row[:4], spec.iou_loss) if spec.iou_loss != "mse" else None
        for side in range(4):
            mean, sigma = float(out[2 * side]), float(out[2 * side + 1])
            z = (float(goal[side]) - mean) / sigma
            density = math.exp(-z * z / 2) / (math.sqrt(2 * math.pi) * (sigma + 0.3))
            share = 0.5 * density / (density + 1e-9) * float(2 - row[2] * row[3])
            pull = share * z / sigma
            if gradient is not None:
                pull = float(gradient[side])
                if side < 2:
                    pull += {"center": 0.0, "left_top": -0.5, "right_bottom": 0.5}[spec.yolo_point] * float(
                        gradient[side + 2]
                    )
                else:
                    pull *= math.exp(mean)
            pull *= spec.iou_normalizer * self.weights[int(row[4])]
            spread = share * (z * z / sigma - 1 / (sigma + 0.3)) * spec.uc_normalizer
            delta[2 * side] += min(max(pull, -spec.max_delta), spec.max_delta)
            delta[2 * side + 1] += min(max(spread, -spec.max_delta), spec.max_delta)

    def _add_class(self, out: Tensor, delta: Tensor, label: int) -> None:
        spec, weight = self.spec, self.weights[label]
        low, high = 0.5 * spec.label_smooth_eps, 1 - 0.5 * spec.label_smooth_eps
        if delta[9] != 0:  # of class 0, whatever the label
            delta[9 + label] = (high - out[9 + label]) * weight
            return
        delta[9:] = low - out[9:]
        factor = 1.0 if spec.counters_per_class is None else weight * spec.cls_normalizer
        delta[9 + label] = (high - out[9 + label]) * factor
