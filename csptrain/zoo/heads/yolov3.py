"""YOLOv3's head: three scales, each joined with the one above it, five convolutions wide.

Source: YOLOv3, and its public form with spatial pyramid pooling, in the layer order of the public networks.
"""

from __future__ import annotations

from csptrain.zoo.backbone import Taps
from csptrain.zoo.heads.blocks import alternate, pooled_alternate
from csptrain.zoo.heads.boxes import BoxHeads
from csptrain.zoo.heads.head import Head
from csptrain.zoo.writer import CfgWriter


def yolov3(cfg: CfgWriter, taps: Taps, boxes: BoxHeads) -> None:
    """Three scales from coarse to fine."""
    cfg.comment("boxes at stride 32")
    _down(cfg, alternate(cfg, taps.c5, 512), taps, boxes)


def yolov3_spp(cfg: CfgWriter, taps: Taps, boxes: BoxHeads) -> None:
    """The same with spatial pyramid pooling at stride 32."""
    cfg.comment("boxes at stride 32")
    _down(cfg, pooled_alternate(cfg, taps.c5, 512), taps, boxes)


def _down(cfg: CfgWriter, x: int, taps: Taps, boxes: BoxHeads) -> None:
    """Boxes from the layer at stride 32, then from those below it."""
    boxes.predict(cfg, cfg.conv(x, 1024, 3), 32)
    for tap, stride, width in ((taps.c4, 16, 256), (taps.c3, 8, 128)):
        cfg.comment(f"boxes at stride {stride}")
        above = cfg.upsample(cfg.conv(x, width))
        x = alternate(cfg, cfg.concat(above, tap), width)
        boxes.predict(cfg, cfg.conv(x, 2 * width, 3), stride)


_EVIDENCE = "layer order and widths of the public networks"
YOLOV3 = Head("YOLOv3's head", _EVIDENCE, (32, 16, 8), yolov3)
YOLOV3_SPP = Head("YOLOv3's head with spatial pyramid pooling", _EVIDENCE, (32, 16, 8), yolov3_spp)
