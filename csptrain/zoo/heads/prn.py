"""The head of the Partial Residual Network: scales meet by adding first channels, not by joining them.

Source: the public yolov3-tiny-prn, in its layer order. Its widths on other backbones follow from their printed costs.
"""

from __future__ import annotations

from csptrain.zoo.backbone import Taps
from csptrain.zoo.heads.boxes import BoxHeads
from csptrain.zoo.heads.head import Head
from csptrain.zoo.writer import CfgWriter


def prn(cfg: CfgWriter, taps: Taps, boxes: BoxHeads) -> None:
    """As many scales as there are boxes for, from coarse to fine."""
    cfg.comment("partial residual head, stride 32")
    narrow = cfg.conv(taps.c5, 256)
    # The published network goes on from here, not from the sum.
    x = cfg.conv(narrow, 256, 3)
    boxes.predict(cfg, cfg.shortcut(x, narrow, activation=cfg.activation), 32)
    for tap, stride in ((taps.c4, 16), (taps.c3, 8)):
        if stride not in boxes.masks:
            return
        cfg.comment(f"partial residual head, stride {stride}")
        above = cfg.upsample(cfg.conv(x, 128))
        x = cfg.conv(cfg.shortcut(above, tap, activation=cfg.activation), 128, 3)
        x = cfg.shortcut(x, above, activation=cfg.activation)
        x = cfg.shortcut(x, tap, activation=cfg.activation)
        boxes.predict(cfg, x, stride)


_EVIDENCE = "exact: layers of the public yolov3-tiny-prn; all printed costs are met"
PRN = Head("the Partial Residual Network (PRN)", _EVIDENCE, (32, 16), prn)
PRN_3L = Head("the Partial Residual Network of three scales", _EVIDENCE, (32, 16, 8), prn)
