"""How the networks are trained: the options of [net], those of the box heads, and the anchors.

Source: section 4.1 of the CSPNet paper, which follows YOLOv3's settings; where its text is silent or
misprinted, the settings of the Darknet networks of that family.
"""

from __future__ import annotations

from dataclasses import dataclass

from csptrain.zoo.writer import CfgWriter

Options = tuple[tuple[str, str], ...]

# Width and height in pixels of the input, from small to large.
YOLOV3_ANCHORS = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
TINY_ANCHORS = (10, 14, 23, 27, 37, 58, 81, 82, 135, 169, 344, 319)
YOLOV4_ANCHORS = (12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401)

# Which of nine anchors belong to the heads at strides 32, 16 and 8.
LARGE, MEDIUM, SMALL = (6, 7, 8), (3, 4, 5), (0, 1, 2)


@dataclass(frozen=True)
class Training:
    """Options of [net] beside the input's size."""

    batch: int
    subdivisions: int
    schedule: Options
    augmentation: Options
    notes: tuple[str, ...] = ()

    def net(self, width: int, height: int) -> list[tuple[str, str]]:
        """The options of [net] for an input of this size in pixels."""
        head = (("batch", self.batch), ("subdivisions", self.subdivisions))
        size = (("width", width), ("height", height), ("channels", 3))
        options = [(key, str(value)) for key, value in (*head, *size)]
        return options + [("momentum", "0.9"), ("decay", "0.0005"), *self.augmentation, *self.schedule]


def detector(
    subdivisions: int,
    learning_rate: str = "0.001",
    max_batches: int = 500500,
    steps: tuple[int, int] = (400000, 450000),
) -> Training:
    """A detector on COCO: batch 64, the rate divided by ten at each of two steps."""
    schedule = (
        ("learning_rate", learning_rate),
        ("burn_in", "1000"),
        ("max_batches", str(max_batches)),
        ("policy", "steps"),
        ("steps", f"{steps[0]},{steps[1]}"),
        ("scales", ".1,.1"),
    )
    colour = (("angle", "0"), ("saturation", "1.5"), ("exposure", "1.5"), ("hue", ".1"))
    return Training(64, subdivisions, schedule, colour)


IMAGENET_NOTES = (
    "Training as in section 4.1 but for two numbers: the paper prints decay 0.005 and, for ResNets, 8000,000",
    "steps; the settings that it follows have 0.0005 and 800,000",
)


def imagenet(max_batches: int) -> Training:
    """A classifier on ImageNet: batch 128, rate 0.1 falling with the fourth power of the time left."""
    schedule = (
        ("learning_rate", "0.1"),
        ("burn_in", "1000"),
        ("max_batches", str(max_batches)),
        ("policy", "poly"),
        ("power", "4"),
    )
    crops = (("min_crop", "128"), ("max_crop", "448"))
    colour = (("angle", "7"), ("hue", ".1"), ("saturation", ".75"), ("exposure", ".75"), ("aspect", ".75"))
    return Training(128, 4, schedule, (*crops, *colour), IMAGENET_NOTES)


YOLOV3_HEAD: Options = (("jitter", ".3"), ("ignore_thresh", ".7"), ("truth_thresh", "1"), ("random", "1"))
YOLOV4_TINY_HEAD: Options = (
    ("jitter", ".3"),
    ("scale_x_y", "1.05"),
    ("cls_normalizer", "1.0"),
    ("iou_normalizer", "0.07"),
    ("iou_loss", "ciou"),
    ("ignore_thresh", ".7"),
    ("truth_thresh", "1"),
    ("random", "0"),
    ("resize", "1.5"),
    ("nms_kind", "greedynms"),
    ("beta_nms", "0.6"),
)


@dataclass(frozen=True)
class BoxHeads:
    """The box heads of a detector: a linear 1x1 convolution and [yolo] at each scale."""

    classes: int
    anchors: tuple[int, ...] = YOLOV3_ANCHORS
    options: Options = YOLOV3_HEAD

    def place(self, cfg: CfgWriter, x: int, mask: tuple[int, ...]) -> int:
        """Predict from ``x`` with the anchors of these numbers."""
        x = cfg.conv(x, len(mask) * (5 + self.classes), activation="linear", batch_normalize=False)
        pairs = zip(self.anchors[::2], self.anchors[1::2], strict=True)
        own = (
            ("mask", ",".join(str(number) for number in mask)),
            ("anchors", ", ".join(f"{w},{h}" for w, h in pairs)),
            ("classes", self.classes),
            ("num", len(self.anchors) // 2),
        )
        return cfg.yolo(x, *own, *self.options)
