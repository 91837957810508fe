"""ThunderNet's Context Enhancement Module (CEM) on three scales.

Source: ThunderNet, and the BFLOPs of Table 2 of the CSPNet paper. A candidate: other wirings meet them too. ThunderNet
adds the global context to each map; Darknet's language has no sum of a vector and a map, so here it scales the maps.
"""

from __future__ import annotations

from csptrain.zoo.backbone import Taps
from csptrain.zoo.heads.boxes import BoxHeads
from csptrain.zoo.heads.head import Head
from csptrain.zoo.writer import CfgWriter

WIDTH = 128


def cem(cfg: CfgWriter, taps: Taps, boxes: BoxHeads) -> None:
    """Every scale sees all three, and the mean of the coarsest."""
    cfg.comment(f"{WIDTH} channels of each scale")
    c5, c4, c3 = (cfg.conv(tap, WIDTH) for tap in (taps.c5, taps.c4, taps.c3))
    cfg.comment("global context")
    context = cfg.conv(cfg.avgpool(taps.c5), WIDTH, activation="logistic", batch_normalize=False)
    cfg.comment("boxes at stride 32: strides 32, 16 and 8")
    x = cfg.shortcut(cfg.maxpool(c4), c5)
    x = cfg.shortcut(cfg.maxpool(c3, 4, 4), x)
    _boxes(cfg, cfg.scale_channels(context, x), boxes, 32)
    cfg.comment("boxes at stride 16: strides 32, 16 and 8")
    x = cfg.shortcut(cfg.upsample(c5), c4)
    x = cfg.shortcut(cfg.maxpool(c3), x)
    _boxes(cfg, cfg.scale_channels(context, x), boxes, 16)
    cfg.comment("boxes at stride 8: strides 32, 16 and 8")
    x = cfg.shortcut(cfg.upsample(c4), c3)
    x = cfg.shortcut(cfg.upsample(c5, 4), x)
    _boxes(cfg, cfg.scale_channels(context, x), boxes, 8)


def _boxes(cfg: CfgWriter, x: int, boxes: BoxHeads, stride: int) -> None:
    x = cfg.conv(boxes.attend(cfg, x), 2 * WIDTH)
    boxes.place(cfg, x, stride)


CEM = Head(
    "the Context Enhancement Module (CEM)",
    "candidate: there is no published cfg; all printed costs are met",
    (32, 16, 8),
    cem,
)
