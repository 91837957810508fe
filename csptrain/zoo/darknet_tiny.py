"""The backbones of YOLOv3-tiny-PRN and YOLOv4-tiny.

Layer numbers, shapes and order are those of the public networks, so that public weights fit.
"""

from __future__ import annotations

from csptrain.zoo.backbone import Taps
from csptrain.zoo.darknet import reference_stages
from csptrain.zoo.writer import IMAGE, CfgWriter


def partial_residual_reference(cfg: CfgWriter) -> Taps:
    """The Darknet reference network with its last layer half as wide, and added to the one before."""
    c3, c4, wide = reference_stages(cfg)
    last = cfg.conv(cfg.maxpool(wide, 2, 1), 512, 3)
    return Taps(c3, c4, cfg.shortcut(last, wide, activation=cfg.activation))


def csp_darknet53_tiny(cfg: CfgWriter) -> Taps:
    """CSPDarknet-53-tiny: each stage sends half of its channels through two convolutions."""
    cfg.comment("stem, stride 4")
    x = cfg.conv(cfg.conv(IMAGE, 32, 3, 2), 64, 3, 2)
    taps = []
    for stage, filters in enumerate((64, 128, 256)):
        cfg.comment(f"stage {stage + 1}, stride {4 << stage}: half of the channels goes through two more layers")
        if stage:
            x = cfg.maxpool(x)
        base = cfg.conv(x, filters, 3)
        first = cfg.conv(cfg.part(base, 1), filters // 2, 3)
        second = cfg.conv(first, filters // 2, 3)
        taps.append(cfg.conv(cfg.concat(second, first), filters))
        x = cfg.concat(base, taps[-1])
    cfg.comment("stride 32")
    return Taps(taps[1], taps[2], cfg.conv(cfg.maxpool(x), 512, 3))
