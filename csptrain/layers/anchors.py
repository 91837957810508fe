"""What the heads that give boxes share: classes, anchors, and the data options that the last head sets for all."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from csptrain.cfg.fields import integer, number, numbers, opt
from csptrain.cfg.text import Reading
from csptrain.layers.base import Head, Shape

if TYPE_CHECKING:
    from csptrain.layers.onnx_target import OnnxTarget, Value

MISSING_ANCHOR = 0.5
MAX_ANCHORS = 4096  # far above any cfg; keeps a typing error from becoming an allocation


@dataclass(frozen=True, kw_only=True)
class BoxHead(Head):
    """Options of a head that predicts boxes; jitter, resize and random hold for the whole network."""

    has_boxes = True

    classes: int = opt(20, integer)
    num: int = opt(1, integer)
    max: int = opt(200, integer)
    jitter: float = opt(0.2, number)
    resize: float = opt(1.0, number)
    random: float = opt(0.0, number)

    def check(self, reading: Reading) -> None:
        self.positive(reading, classes=self.classes, num=self.num, max=self.max)
        if self.num > MAX_ANCHORS:
            raise self.error(f"num={self.num} is more than {MAX_ANCHORS}", "num")

    @abstractmethod
    def onnx_boxes(self, target: OnnxTarget, output: Value, net_width: int, net_height: int) -> tuple[Value, Value]:
        """What ``decode`` gives of an activated output, without a threshold, in operators of ONNX.

        Boxes [N, B, 4] (x y w h relative to the network's input) and scores [N, B, classes].
        """


@dataclass(frozen=True, kw_only=True)
class AnchorHead(BoxHead):
    """Options of a head that predicts boxes from anchors."""

    box_entries: ClassVar[int] = 5  # x, y, w, h, objectness

    anchors: tuple[float, ...] | None = opt(None, numbers)

    def check(self, reading: Reading) -> None:
        super().check(reading)
        if self.anchors is not None and len(self.anchors) != 2 * self.num:
            reading.mistake(
                self.error(
                    f"num={self.num} but {len(self.anchors)} numbers in anchors=",
                    "num" if self.section.get("num") else "anchors",
                    f"{2 * self.num} numbers for num={self.num}, or num={len(self.anchors) // 2}",
                )
            )

    @property
    def anchor_count(self) -> int:
        """Anchors of the network, of which this head may use some."""
        return self.num

    @property
    def anchor_pairs(self) -> tuple[tuple[float, float], ...]:
        """All anchors as (width, height); 0.5 where none is given."""
        given = (self.anchors or ())[: 2 * self.anchor_count]
        flat = given + (MISSING_ANCHOR,) * (2 * self.anchor_count - len(given))
        return tuple(zip(flat[0::2], flat[1::2], strict=True))

    @property
    def boxes_per_cell(self) -> int:
        """Boxes that each cell predicts."""
        return self.num

    @property
    def filters_needed(self) -> int:
        """Channels that the layer before must have."""
        return self.boxes_per_cell * (self.classes + self.box_entries)

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        if inputs[0].c != self.filters_needed:
            raise self.error(
                f"the layer before has {inputs[0].c} channels, {self.boxes_per_cell} anchors of {self.classes} classes "
                f"need {self.filters_needed}",
                "classes",
                f"set filters={self.filters_needed} in the [convolutional] before",
            )
        return inputs[0]
