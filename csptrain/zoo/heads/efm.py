"""The paper's Exact Fusion Model (EFM): each scale predicts from itself and its neighbours, narrowed by maxout.

Source: section 3.2 and Figure 6 of the CSPNet paper; one wiring that meets all nine of its printed costs.
"""

from __future__ import annotations

from csptrain.zoo.backbone import Taps
from csptrain.zoo.heads.blocks import pyramid_pooling
from csptrain.zoo.heads.boxes import BoxHeads
from csptrain.zoo.heads.head import Head
from csptrain.zoo.writer import CfgWriter


def efm(cfg: CfgWriter, taps: Taps, boxes: BoxHeads) -> None:
    """Three scales from coarse to fine, each fused with its neighbours."""
    cfg.comment("pyramid, stride 32")
    p5 = cfg.conv(cfg.conv(taps.c5, 256), 256, 3)
    _fused(cfg, taps, boxes, cfg.conv(p5, 256, 3))


def efm_spp(cfg: CfgWriter, taps: Taps, boxes: BoxHeads) -> None:
    """The same with spatial pyramid pooling at stride 32, made narrow by maxout."""
    cfg.comment("pyramid with spatial pyramid pooling, stride 32")
    p5 = cfg.conv(cfg.conv(taps.c5, 256), 256, 3)
    p5 = cfg.conv(pyramid_pooling(cfg, cfg.conv(p5, 128, 3)), 512)
    _fused(cfg, taps, boxes, cfg.maxout(p5, 256))


def _fused(cfg: CfgWriter, taps: Taps, boxes: BoxHeads, p5: int) -> None:
    """The rest of the pyramid on its coarsest layer, 256 @/32, and the predictions."""
    p4, t4, p3 = _pyramid(cfg, taps, p5)
    cfg.comment("fuse at stride 32: strides 32 and 16")
    fused = cfg.concat(cfg.maxout(p5, 128), cfg.maxpool(p4))
    boxes.predict(cfg, fused, 32)
    cfg.comment("fuse at stride 16: strides 32, 16 and 8")
    above = cfg.upsample(cfg.conv(p5, 64))
    fused = cfg.concat(above, p4, cfg.maxpool(p3))
    boxes.predict(cfg, fused, 16)
    cfg.comment("fuse at stride 8: strides 16 and 8")
    fused = cfg.concat(cfg.upsample(cfg.conv(t4, 64)), p3)
    boxes.predict(cfg, fused, 8)


def _pyramid(cfg: CfgWriter, taps: Taps, p5: int) -> tuple[int, int, int]:
    """Layers of 128 @/16, its maxout of 64 @/16, and 64 @/8."""
    cfg.comment("pyramid, stride 16")
    above = cfg.upsample(cfg.maxout(p5, 64))
    p4 = cfg.concat(above, cfg.conv(taps.c4, 64))
    p4 = cfg.conv(cfg.conv(p4, 128, 3), 128, 3)
    t4 = cfg.maxout(p4, 64)
    cfg.comment("pyramid, stride 8")
    above = cfg.conv(cfg.upsample(cfg.maxout(t4, 32)), 32)
    p3 = cfg.conv(cfg.concat(above, cfg.conv(taps.c3, 64)), 64)
    p3 = cfg.conv(cfg.conv(p3, 64, 3), 64, 3)
    return p4, t4, cfg.shortcut(cfg.conv(taps.c3, 64), p3)


_EVIDENCE = "candidate: there is no published cfg; all printed costs are met"
EFM = Head("the Exact Fusion Model", _EVIDENCE, (32, 16, 8), efm)
EFM_SPP = Head("the Exact Fusion Model with spatial pyramid pooling", _EVIDENCE, (32, 16, 8), efm_spp)
