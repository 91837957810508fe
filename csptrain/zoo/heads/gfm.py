"""The Global Fusion Model (GFM): every scale sees a map made of all of them.

Source: Figure 6 and the BFLOPs of Table 2 of the CSPNet paper; one of several wirings that meet that single number.
"""

from __future__ import annotations

from csptrain.zoo.backbone import Taps
from csptrain.zoo.heads.boxes import BoxHeads
from csptrain.zoo.heads.head import Head
from csptrain.zoo.writer import CfgWriter


def gfm(cfg: CfgWriter, taps: Taps, boxes: BoxHeads) -> None:
    """A pyramid of 256, 128 and 64 channels, fused at stride 16 for all scales."""
    p5, p4, p3 = _pyramid(cfg, taps)
    cfg.comment("global fusion at stride 16: strides 32, 16 and 8")
    half = cfg.maxpool(p3)
    x = cfg.shortcut(cfg.upsample(cfg.maxout(p5, 128)), p4)
    fused = cfg.conv(cfg.shortcut(x, half), 128)
    cfg.comment("boxes at stride 32")
    below = cfg.conv(cfg.maxpool(fused), 64)
    boxes.predict(cfg, cfg.concat(cfg.maxout(p5, 128), below, cfg.maxpool(half)), 32)
    cfg.comment("boxes at stride 16")
    boxes.predict(cfg, cfg.concat(p4, fused), 16)
    cfg.comment("boxes at stride 8")
    above = cfg.upsample(cfg.conv(fused, 64))
    boxes.predict(cfg, cfg.concat(above, p3), 8)


def _pyramid(cfg: CfgWriter, taps: Taps) -> tuple[int, int, int]:
    """Layers of 256 @/32, 128 @/16 and 64 @/8."""
    cfg.comment("pyramid, stride 32")
    p5 = cfg.conv(cfg.conv(cfg.conv(taps.c5, 128), 256, 3), 256, 3)
    cfg.comment("pyramid, stride 16")
    above = cfg.upsample(cfg.conv(p5, 128))
    p4 = cfg.shortcut(cfg.conv(taps.c4, 128), above)
    p4 = cfg.conv(cfg.conv(p4, 128, 3), 128, 3)
    cfg.comment("pyramid, stride 8")
    above = cfg.upsample(cfg.maxout(p4, 64))
    p3 = cfg.conv(cfg.shortcut(above, taps.c3), 64, 3)
    return p5, p4, cfg.conv(p3, 64, 3)


GFM = Head(
    "the Global Fusion Model (GFM)",
    "weak candidate: there is no published cfg; its one printed cost is met",
    (32, 16, 8),
    gfm,
)
