"""Options, activation and geometry of Darknet's [yolo] head.

Letters: N images, A mask anchors, H W map, P = A*H*W predictions of an image, K some of them,
C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from csptrain.losses import assign

FLOAT_MAX = 3.4028234663852886e38
_CLASS_SEEN = 0.25


@dataclass(frozen=True)
class YoloSpec:
    """Options of a [yolo] section that its arithmetic needs, in the cfg's spelling.

    anchors: width and height in network pixels of ALL anchors, of which this head predicts those in `mask`.
    counters_per_class: objects of each class in the data; rare classes weigh more.
    """

    classes: int
    anchors: tuple[tuple[float, float], ...]
    mask: tuple[int, ...]
    ignore_thresh: float = 0.5
    truth_thresh: float = 1.0
    iou_thresh: float = 1.0
    iou_loss: str = "mse"
    iou_thresh_kind: str = "iou"
    iou_normalizer: float = 0.75
    obj_normalizer: float = 1.0
    cls_normalizer: float = 1.0
    delta_normalizer: float = 1.0
    max_delta: float = FLOAT_MAX
    scale_x_y: float = 1.0
    new_coords: bool = False
    objectness_smooth: bool = False
    label_smooth_eps: float = 0.0
    focal_loss: bool = False
    counters_per_class: tuple[float, ...] | None = None
    max: int = 200


@torch.no_grad()
def yolo_activate(raw: Tensor, spec: YoloSpec) -> Tensor:
    """Output of the [yolo] layer from the raw map `[N, A*(5+C), H, W]`, same shape, `raw` untouched.

    Logistic on all but the sizes (`new_coords`: on nothing), then x and y stretched by `scale_x_y`.
    """
    entries = (len(spec.mask), 5 + spec.classes)
    output = raw.clone() if spec.new_coords else raw.sigmoid()
    split, source = output.unflatten(1, entries), raw.unflatten(1, entries)
    if not spec.new_coords:
        split[:, :, 2:4] = source[:, :, 2:4]
    if spec.scale_x_y != 1:
        split[:, :, :2].mul_(spec.scale_x_y).sub_(0.5 * (spec.scale_x_y - 1))
    return output


class Head:
    """An activated output map and the geometry needed to read it."""

    def __init__(self, output: Tensor, spec: YoloSpec, net_width: int, net_height: int) -> None:
        self.spec = spec
        self.height, self.width = output.shape[2:]
        entries = (len(spec.mask), 5 + spec.classes)
        self.values: Tensor = output.unflatten(1, entries).flatten(3)  # [N, A, 5+C, H*W]
        self.cells = self.height * self.width
        self.predictions = len(spec.mask) * self.cells
        self.extent = output.new_tensor([self.width, self.height])
        self.anchors = output.new_tensor(spec.anchors) / output.new_tensor([net_width, net_height])
        self.mask = torch.tensor(spec.mask, device=output.device)

    def locate(self, key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image, mask position and cell `[K]` of prediction keys `[K]`."""
        prediction = key % self.predictions
        return key // self.predictions, prediction // self.cells, prediction % self.cells

    def rows(self, key: Tensor) -> Tensor:
        """All entries `[K, 5+C]` of the predictions with the given keys."""
        image, position, cell = self.locate(key)
        return self.values[image, position, :, cell]

    def any_class_seen(self, key: Tensor) -> Tensor:
        """Whether any class is likely `[K]` bool in the predictions with the given keys."""
        return (self.rows(key)[:, 5:] > _CLASS_SEEN).any(1)

    def cell_of(self, box: Tensor) -> tuple[Tensor, Tensor]:
        """Column and row `[K]` int64 of the cells that answer for boxes `[K, 4]`."""
        return assign.cell_of(box, self.width, self.height)

    def all_boxes(self) -> Tensor:
        """Boxes `[N, P, 4]` of every prediction, relative to the image."""
        cell = torch.arange(self.cells, device=self.values.device)
        values = self.values[:, :, :4].transpose(2, 3)
        return self._decode(values, cell, self.anchors[self.mask, None]).flatten(1, 2)

    def boxes_of(self, key: Tensor, rows: Tensor) -> Tensor:
        """Boxes `[K, 4]` of the predictions with the given keys and entries."""
        _, position, cell = self.locate(key)
        return self._decode(rows[:, :4], cell, self.anchors[self.mask[position]])

    def grid(self, cell: Tensor) -> Tensor:
        """Column and row `[..., 2]` float of cells `[...]`."""
        return torch.stack((cell % self.width, cell // self.width), dim=-1).float()

    def _decode(self, values: Tensor, cell: Tensor, anchor: Tensor) -> Tensor:
        centre = (values[..., :2] + self.grid(cell)) / self.extent
        raw_size = values[..., 2:4]
        size = 4 * raw_size**2 if self.spec.new_coords else raw_size.exp()
        return torch.cat((centre, size * anchor), dim=-1)

    @cached_property
    def class_weights(self) -> Tensor:
        """Multiplier `[C]` of each class, all 1 without `counters_per_class`."""
        if self.spec.counters_per_class is None:
            return self.values.new_ones(self.spec.classes)
        counters = self.values.new_tensor(self.spec.counters_per_class)
        return torch.clamp_max(counters.max() / counters, self.spec.max_delta)
