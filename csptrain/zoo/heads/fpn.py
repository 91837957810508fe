"""Feature pyramids of two scales that join the map above with the backbone's: what PRN was compared with.

Source: the widths are those of the PRN head; the costs printed for PeleeNet with these heads are met.
"""

from __future__ import annotations

from csptrain.zoo.backbone import Taps
from csptrain.zoo.heads.boxes import BoxHeads
from csptrain.zoo.heads.head import Head
from csptrain.zoo.writer import CfgWriter


def fpn(cfg: CfgWriter, taps: Taps, boxes: BoxHeads) -> None:
    """Feature Pyramid Network: one 3x3 convolution after the join."""
    boxes.predict(cfg, _joined(cfg, taps, boxes), 16)


def yolov3_2l(cfg: CfgWriter, taps: Taps, boxes: BoxHeads) -> None:
    """The same with YOLOv3's alternation of 1x1 and 3x3 after the join: PeleeNet-YOLO of Figure 7."""
    x = _joined(cfg, taps, boxes)
    boxes.predict(cfg, cfg.conv(cfg.conv(x, 128), 128, 3), 16)


def _joined(cfg: CfgWriter, taps: Taps, boxes: BoxHeads) -> int:
    """Boxes at stride 32, and the layer at stride 16 after the join."""
    cfg.comment("feature pyramid, stride 32")
    narrow = cfg.conv(taps.c5, 256)
    x = cfg.shortcut(cfg.conv(narrow, 256, 3), narrow)
    boxes.predict(cfg, x, 32)
    cfg.comment("feature pyramid, stride 16")
    above = cfg.upsample(cfg.conv(x, 128))
    return cfg.conv(cfg.concat(above, taps.c4), 128, 3)


_EVIDENCE = "exact: all costs printed for PeleeNet with this head are met"
FPN = Head("the Feature Pyramid Network (FPN)", _EVIDENCE, (32, 16), fpn)
YOLOV3_2L = Head("YOLOv3's head narrowed to two scales", _EVIDENCE, (32, 16), yolov3_2l)
