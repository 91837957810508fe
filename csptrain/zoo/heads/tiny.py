"""The head of YOLOv3-tiny and YOLOv4-tiny: one 3x3 convolution for each scale.

Source: the public networks, in their layer order.
"""

from __future__ import annotations

from csptrain.zoo.backbone import Taps
from csptrain.zoo.heads.boxes import BoxHeads
from csptrain.zoo.heads.head import Head
from csptrain.zoo.writer import CfgWriter


def tiny(cfg: CfgWriter, taps: Taps, boxes: BoxHeads) -> None:
    """As many scales as there are boxes for, from coarse to fine."""
    x = cfg.conv(taps.c5, 256)
    cfg.comment("boxes at stride 32")
    boxes.predict(cfg, cfg.conv(x, 512, 3), 32)
    for tap, stride, width in ((taps.c4, 16, 128), (taps.c3, 8, 64)):
        if stride not in boxes.masks:
            return
        cfg.comment(f"boxes at stride {stride}")
        above = cfg.upsample(cfg.conv(x, width))
        x = cfg.conv(cfg.concat(above, tap), 2 * width, 3)
        boxes.predict(cfg, x, stride)


_EVIDENCE = "layer order and widths of the public networks"
TINY = Head("the head of YOLO-tiny", _EVIDENCE, (32, 16), tiny)
TINY_3L = Head("the head of YOLO-tiny with a third scale", _EVIDENCE, (32, 16, 8), tiny)
