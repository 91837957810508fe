"""The [yolo] loss as Darknet defines it, one prediction and one truth at a time: slow, and obviously so."""

from __future__ import annotations

import torch
from torch import Tensor

from csptrain.losses.yolo import YoloSpec
from csptrain.ops import boxes


def _iou(a: Tensor, b: Tensor, kind: str = "iou") -> float:
    return float(boxes.similarity(a, b, kind))


class Sequential:
    """Deltas of one mini-batch; `delta` is `[N, A, 5+C, H, W]`."""

    def __init__(self, output: Tensor, truth: Tensor, spec: YoloSpec, net_width: int, net_height: int) -> None:
        self.spec = spec
        self.net = torch.tensor([net_width, net_height], dtype=torch.float32)
        self.out = output.unflatten(1, (len(spec.mask), 5 + spec.classes))
        self.height, self.width = output.shape[2:]
        self.delta = torch.zeros_like(self.out)
        self.rewritten = self.total = 0
        self.missing: list[float] = []
        weights = [1.0] * spec.classes
        if spec.counters_per_class is not None:
            most = max(spec.counters_per_class)
            weights = [min(most / count, spec.max_delta) for count in spec.counters_per_class]
        self.weights = weights
        for image in range(len(output)):
            rows = self._rows(truth[image])
            for position in range(len(spec.mask)):
                for j in range(self.height):
                    for i in range(self.width):
                        self._judge(image, position, j, i, rows)
            for row in rows:
                self._assign(image, row)
        if spec.iou_thresh < 1:
            self._average()
        self.delta *= spec.delta_normalizer

    def _rows(self, truth: Tensor) -> list[Tensor]:
        rows = []
        for row in truth[: self.spec.max]:
            if row[0] == 0:
                break
            if 0 <= row[4] < self.spec.classes:
                rows.append(row)
        return rows

    def _box(self, image: int, position: int, j: int, i: int) -> Tensor:
        v = self.out[image, position, :4, j, i]
        anchor = torch.tensor(self.spec.anchors[self.spec.mask[position]]) / self.net
        size = 4 * v[2:] ** 2 if self.spec.new_coords else v[2:].exp()
        return torch.cat((torch.stack(((i + v[0]) / self.width, (j + v[1]) / self.height)), size * anchor))

    def _judge(self, image: int, position: int, j: int, i: int, rows: list[Tensor]) -> None:
        spec, cell = self.spec, (image, position, slice(None), j, i)
        out, delta = self.out[cell], self.delta[cell]
        overlaps = [_iou(self._box(image, position, j, i), row[:4]) for row in rows]
        best = max(overlaps, default=0.0)
        delta[4] = -spec.obj_normalizer * out[4]
        if best > spec.ignore_thresh and (out[5:] > 0.25).any():
            pulled = spec.obj_normalizer * (best - out[4])
            delta[4] = torch.maximum(delta[4], pulled) if spec.objectness_smooth else 0.0
        if best > spec.truth_thresh:
            row = rows[overlaps.index(best)]
            goal = best**2 if spec.objectness_smooth else 1.0
            delta[4] = spec.obj_normalizer * (goal - out[4])
            self._add_class(out, delta, int(row[4]))
            if spec.objectness_smooth:
                label = int(row[4])
                delta[5 + label] = self.weights[label] * (goal - out[5 + label])
            self._add_box(image, position, j, i, row)
            self.total += 1

    def _assign(self, image: int, row: Tensor) -> None:
        spec = self.spec
        shape = torch.cat((torch.zeros(2), row[2:4]))
        anchors = [torch.cat((torch.zeros(2), torch.tensor(a) / self.net)) for a in spec.anchors]
        overlaps = [_iou(anchor, shape) for anchor in anchors]
        best = overlaps.index(max(overlaps))
        alike = [
            n
            for n in range(len(anchors))
            if n != best and spec.iou_thresh < 1 and _iou(anchors[n], shape, spec.iou_thresh_kind) > spec.iou_thresh
        ]
        for n in (best, *alike):
            if n in spec.mask:
                self._meet(image, spec.mask.index(n), row)

    def _meet(self, image: int, position: int, row: Tensor) -> None:
        spec = self.spec
        i, j = int(row[0] * self.width), int(row[1] * self.height)
        cell = (image, position, slice(None), j, i)
        out, delta = self.out[cell], self.delta[cell]
        kind = "giou" if spec.iou_loss == "giou" else "iou"
        self.missing.append(1 - _iou(self._box(image, position, j, i), row[:4], kind))
        self._add_box(image, position, j, i, row)
        self.total += 1
        if not spec.objectness_smooth or delta[4] == 0:
            delta[4] = self.weights[int(row[4])] * spec.obj_normalizer * (1 - out[4])
        self._add_class(out, delta, int(row[4]))

    def _add_box(self, image: int, position: int, j: int, i: int, row: Tensor) -> None:
        spec, cell = self.spec, (image, position, slice(None), j, i)
        out, delta = self.out[cell], self.delta[cell]
        scale = spec.iou_normalizer * self.weights[int(row[4])]
        self.rewritten += int((delta[:4] != 0).any())
        if spec.iou_loss == "mse":
            ratio = row[2:4] * self.net / torch.tensor(spec.anchors[spec.mask[position]])
            size = (ratio / 4).sqrt() if spec.new_coords else ratio.log()
            centre = torch.stack((row[0] * self.width - i, row[1] * self.height - j))
            delta[:4] += (2 - row[2] * row[3]) * scale * (torch.cat((centre, size)) - out[:4])
            return
        gradient = boxes.box_gradient(self._box(image, position, j, i), row[:4], spec.iou_loss)
        if not spec.new_coords:
            gradient[2:] *= out[2:4].exp()
        delta[:4] += (gradient * scale).nan_to_num(0.0).clamp(-spec.max_delta, spec.max_delta)

    def _add_class(self, out: Tensor, delta: Tensor, label: int) -> None:
        spec, own = self.spec, float(out[5 + label])
        low, high = 0.5 * spec.label_smooth_eps, 1 - 0.5 * spec.label_smooth_eps
        if delta[5 + label] != 0:
            delta[5 + label] = (high - own) * self.weights[label]
            return
        for c in range(spec.classes):
            goal = float(c == label) if spec.focal_loss else (high if c == label else low)
            delta[5 + c] = goal - out[5 + c]
        if spec.focal_loss:
            log = torch.tensor(own).log()
            delta[5:] *= 0.5 * -(1 - own) * (2 * own * log + own - 1)
        elif spec.counters_per_class is not None:
            delta[5 + label] *= self.weights[label] * spec.cls_normalizer

    def _average(self) -> None:
        count = (self.delta[:, :, 5:] > 0).sum(2, keepdim=True).clamp_min(1)
        count[self.delta[:, :, 4:5] == 0] = 1
        self.delta[:, :, :4] /= count

    def cost(self) -> float:
        """The reported cost."""
        squares = (self.delta / self.spec.delta_normalizer).square()
        if self.spec.iou_loss == "mse":
            return float(squares.sum())
        mean = sum(self.missing) / max(len(self.missing), 1)
        return float(self.spec.iou_normalizer * mean + self.spec.obj_normalizer * squares[:, :, 4:].sum())
