"""The box heads of a detector: at each scale a linear 1x1 convolution and [yolo], with their anchors and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from csptrain.errors import CfgError
from csptrain.zoo.heads.options import YOLOV3, ByStride
from csptrain.zoo.training import Options
from csptrain.zoo.writer import CfgWriter

# Width and height in pixels of the input, from small to large.
YOLOV3_ANCHORS = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
TINY_ANCHORS = (10, 14, 23, 27, 37, 58, 81, 82, 135, 169, 344, 319)
YOLOV4_ANCHORS = (12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401)

# Which anchors each stride has.
Masks = Mapping[int, tuple[int, ...]]
THREE_SCALES: Masks = {32: (6, 7, 8), 16: (3, 4, 5), 8: (0, 1, 2)}
TWO_SCALES: Masks = {32: (3, 4, 5), 16: (0, 1, 2)}
# As published: the smallest anchor serves no scale, the fourth both.
TINY_MASKS: Masks = {32: (3, 4, 5), 16: (1, 2, 3)}

ATTENTIONS = ("none", "sam")


@dataclass(frozen=True)
class BoxHeads:
    """The box heads of a detector.

    ``masks``: the numbers of the anchors of each stride. ``options``: of [yolo] at every scale, ``options_at``: further
    ones by stride. ``attention``: ``sam`` for spatial attention before each prediction.
    """

    classes: int
    anchors: tuple[int, ...] = YOLOV3_ANCHORS
    masks: Masks = field(default_factory=lambda: THREE_SCALES)
    options: Options = YOLOV3
    options_at: ByStride = field(default_factory=dict)
    attention: str = "none"

    def __post_init__(self) -> None:
        if self.attention not in ATTENTIONS:
            raise CfgError(f"attention={self.attention}", hint=f"legal: {', '.join(ATTENTIONS)}")

    @classmethod
    def spread(
        cls, classes: int, strides: tuple[int, ...], anchors: tuple[int, ...] = (), attention: str = "none"
    ) -> BoxHeads:
        """Anchors shared out evenly over ``strides``, the largest to the largest stride.

        ``anchors``: widths and heights from small to large; without them those of YOLOv3, or of its tiny form for two
        strides. Raises CfgError for anchors that are not pairs or fewer than strides.
        """
        anchors = anchors or (TINY_ANCHORS if len(strides) == 2 else YOLOV3_ANCHORS)
        pairs, rest = divmod(len(anchors), 2)
        if rest or pairs < len(strides):
            raise CfgError(
                f"anchors={','.join(map(str, anchors))}: {len(anchors)} numbers for {len(strides)} scales",
                hint="legal: a width and a height for each anchor, and an anchor or more for each scale",
            )
        ends = [pairs * number // len(strides) for number in range(len(strides) + 1)]
        masks = {
            stride: tuple(range(first, last))
            for stride, first, last in zip(sorted(strides), ends[:-1], ends[1:], strict=True)
        }
        return cls(classes, anchors, masks, attention=attention)

    def predict(self, cfg: CfgWriter, x: int, stride: int) -> int:
        """Attend, then predict from ``x``, which lies at this stride."""
        return self.place(cfg, self.attend(cfg, x), stride)

    def attend(self, cfg: CfgWriter, x: int) -> int:
        """``x``, or what spatial attention makes of it: each value weighed by what a 1x1 convolution sees there."""
        if self.attention == "none":
            return x
        cfg.comment("spatial attention")
        return cfg.sam(cfg.conv(x, cfg.channels(x), activation="logistic"), x)

    def place(self, cfg: CfgWriter, x: int, stride: int) -> int:
        """Predict from ``x``, which lies at this stride."""
        mask, options = self.masks[stride], (*self.options, *self.options_at.get(stride, ()))
        # With new_coords=1 [yolo] applies no sigmoid of its own.
        activation = "logistic" if ("new_coords", "1") in options else "linear"
        x = cfg.conv(x, len(mask) * (5 + self.classes), activation=activation, batch_normalize=False)
        pairs = zip(self.anchors[::2], self.anchors[1::2], strict=True)
        own = (
            ("mask", ",".join(str(number) for number in mask)),
            ("anchors", ", ".join(f"{w},{h}" for w, h in pairs)),
            ("classes", self.classes),
            ("num", len(self.anchors) // 2),
        )
        return cfg.yolo(x, *own, *options)
