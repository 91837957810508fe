"""YOLOv2 and its tiny form: one scale, [region], anchors in cells.

Source: the public networks, in their layer order.
"""

from __future__ import annotations

from csptrain.zoo.darknet import darknet_reference
from csptrain.zoo.darknet19 import darknet19
from csptrain.zoo.writer import CfgWriter

# Width and height in cells of 32 pixels, from small to large.
ANCHORS = ("0.57273,0.677385", "1.87446,2.06253", "3.33843,5.47434", "7.88282,3.52778", "9.77052,9.16828")


def yolov2(cfg: CfgWriter, classes: int) -> None:
    """YOLOv2: boxes at stride 32 that see the finer map too, its cells of 2x2 laid out as channels."""
    taps = darknet19(cfg)
    cfg.comment("boxes at stride 32")
    x = cfg.conv(cfg.conv(taps.c5, 1024, 3), 1024, 3)
    cfg.comment("the map at stride 16, laid out at stride 32")
    fine = cfg.reorg(cfg.conv(taps.c4, 64))
    _region(cfg, cfg.conv(cfg.concat(fine, x), 1024, 3), classes, rescore=1, jitter=".3")


def yolov2_tiny(cfg: CfgWriter, classes: int) -> None:
    """YOLOv2-tiny: one more convolution on YOLOv3-tiny's backbone."""
    x = darknet_reference(cfg, boxes=True).c5
    cfg.comment("boxes at stride 32")
    _region(cfg, cfg.conv(x, 512, 3), classes, rescore=0, jitter=".2")


def _region(cfg: CfgWriter, x: int, classes: int, rescore: int, jitter: str) -> None:
    """A linear 1x1 convolution and [region].

    ``rescore``: 1 to learn the overlap as objectness, not 1. ``jitter``: of the crop, in parts of the image.
    """
    x = cfg.conv(x, len(ANCHORS) * (5 + classes), activation="linear", batch_normalize=False)
    cfg.region(
        x,
        ("anchors", ", ".join(ANCHORS)),
        ("bias_match", 1),
        ("classes", classes),
        ("coords", 4),
        ("num", len(ANCHORS)),
        ("softmax", 1),
        ("jitter", jitter),
        ("rescore", rescore),
        ("object_scale", 5),
        ("noobject_scale", 1),
        ("class_scale", 1),
        ("coord_scale", 1),
        ("thresh", ".6"),
        ("random", 1),
    )
