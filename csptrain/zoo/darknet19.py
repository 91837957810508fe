"""Darknet-19, the backbone of YOLOv2.

Layer numbers, shapes and order are those of the public network, so that public weights fit.
"""

from __future__ import annotations

from csptrain.zoo.backbone import Taps
from csptrain.zoo.writer import IMAGE, CfgWriter

# Convolutions of each stage and the channels of its 3x3; a 1x1 to half of them stands between any two.
STAGES = ((1, 32), (1, 64), (3, 128), (3, 256), (5, 512), (5, 1024))


def darknet19(cfg: CfgWriter) -> Taps:
    """Six stages with a pooling between each two."""
    taps = []
    x = IMAGE
    for stage, (convolutions, width) in enumerate(STAGES):
        cfg.comment(f"stage {stage + 1}, stride {1 << stage}")
        if stage:
            x = cfg.maxpool(x)
        for number in range(convolutions):
            x = cfg.conv(x, width // 2) if number % 2 else cfg.conv(x, width, 3)
        taps.append(x)
    return Taps(*taps[3:])
