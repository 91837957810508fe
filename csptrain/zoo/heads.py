"""What stands on a backbone: a classifier, or feature pyramids for boxes.

Source: the EFM is one wiring of the paper's Exact Fusion Model that meets all nine of its printed costs
(docs/paper.md); PRN and FPN are those of the partial residual networks the paper compares with.
"""

from __future__ import annotations

from typing import NamedTuple

from csptrain.zoo.training import LARGE, MEDIUM, SMALL, BoxHeads
from csptrain.zoo.writer import CfgWriter


class Taps(NamedTuple):
    """The backbone's layers at strides 8, 16 and 32 that heads read."""

    c3: int
    c4: int
    c5: int


def classifier(cfg: CfgWriter, taps: Taps, classes: int) -> None:
    """Mean of each map, one linear layer, softmax."""
    cfg.comment("classifier")
    x = cfg.conv(cfg.avgpool(taps.c5), classes, activation="linear", batch_normalize=False)
    cfg.softmax(x)


def efm(cfg: CfgWriter, taps: Taps, boxes: BoxHeads, sam: bool = False, spp: bool = False) -> None:
    """Exact Fusion Model: each scale predicts from itself and its neighbours, narrowed by maxout.

    ``sam``: spatial attention before each prediction. ``spp``: spatial pyramid pooling at stride 32.
    """
    p5, p4, t4, p3 = _efm_pyramid(cfg, taps, spp)
    cfg.comment("fuse at stride 32: strides 32 and 16")
    fused = cfg.concat(cfg.maxout(p5, 128), cfg.maxpool(p4))
    _predict(cfg, fused, boxes, LARGE, sam)
    cfg.comment("fuse at stride 16: strides 32, 16 and 8")
    above = cfg.upsample(cfg.conv(p5, 64))
    fused = cfg.concat(above, p4, cfg.maxpool(p3))
    _predict(cfg, fused, boxes, MEDIUM, sam)
    cfg.comment("fuse at stride 8: strides 16 and 8")
    fused = cfg.concat(cfg.upsample(cfg.conv(t4, 64)), p3)
    _predict(cfg, fused, boxes, SMALL, sam)


def _efm_pyramid(cfg: CfgWriter, taps: Taps, spp: bool) -> tuple[int, int, int, int]:
    """Layers of 256 @/32, 128 @/16, its maxout of 64 @/16, and 64 @/8."""
    cfg.comment("pyramid, stride 32")
    p5 = cfg.conv(cfg.conv(taps.c5, 256), 256, 3)
    p5 = cfg.maxout(cfg.conv(pyramid_pooling(cfg, cfg.conv(p5, 128, 3)), 512), 256) if spp else cfg.conv(p5, 256, 3)
    cfg.comment("pyramid, stride 16")
    above = cfg.upsample(cfg.maxout(p5, 64))
    p4 = cfg.concat(above, cfg.conv(taps.c4, 64))
    p4 = cfg.conv(cfg.conv(p4, 128, 3), 128, 3)
    t4 = cfg.maxout(p4, 64)
    cfg.comment("pyramid, stride 8")
    above = cfg.conv(cfg.upsample(cfg.maxout(t4, 32)), 32)
    p3 = cfg.conv(cfg.concat(above, cfg.conv(taps.c3, 64)), 64)
    p3 = cfg.conv(cfg.conv(p3, 64, 3), 64, 3)
    return p5, p4, t4, cfg.shortcut(cfg.conv(taps.c3, 64), p3)


def _predict(cfg: CfgWriter, x: int, boxes: BoxHeads, mask: tuple[int, ...], sam: bool) -> None:
    if sam:
        cfg.comment("spatial attention")
        x = cfg.sam(cfg.conv(x, cfg.channels(x), activation="logistic"), x)
    boxes.place(cfg, x, mask)


def pyramid_pooling(cfg: CfgWriter, x: int) -> int:
    """``x`` and its maxima over 5x5, 9x9 and 13x13 windows, the widest first."""
    pooled = [cfg.maxpool(x, size, 1) for size in (5, 9, 13)]
    return cfg.concat(*reversed(pooled), x)


def prn(cfg: CfgWriter, taps: Taps, boxes: BoxHeads, masks: tuple[tuple[int, ...], ...]) -> None:
    """Partial Residual Network: scales meet by adding first channels; 2 or 3 of them, one for each mask."""
    cfg.comment("partial residual head, stride 32")
    narrow = cfg.conv(taps.c5, 256)
    # The published network goes on from here, not from the sum.
    x = cfg.conv(narrow, 256, 3)
    boxes.place(cfg, cfg.shortcut(x, narrow, activation="leaky"), masks[0])
    for tap, mask, stride in zip((taps.c4, taps.c3), masks[1:], (16, 8), strict=False):
        cfg.comment(f"partial residual head, stride {stride}")
        above = cfg.upsample(cfg.conv(x, 128))
        x = cfg.conv(cfg.shortcut(above, tap, activation="leaky"), 128, 3)
        x = cfg.shortcut(x, above, activation="leaky")
        x = cfg.shortcut(x, tap, activation="leaky")
        boxes.place(cfg, x, mask)


def panet_spp(cfg: CfgWriter, taps: Taps, boxes: BoxHeads) -> None:
    """Path aggregation (top-down, then bottom-up) with spatial pyramid pooling at stride 32."""
    cfg.comment("spatial pyramid pooling, stride 32")
    x = cfg.conv(cfg.conv(cfg.conv(taps.c5, 512), 1024, 3), 512)
    x = cfg.conv(pyramid_pooling(cfg, x), 512)
    n5 = cfg.conv(cfg.conv(x, 1024, 3), 512)
    cfg.comment("down to stride 16")
    n4 = _panet_down(cfg, n5, taps.c4, 256)
    cfg.comment("down to stride 8")
    x = _panet_down(cfg, n4, taps.c3, 128)
    boxes.place(cfg, cfg.conv(x, 256, 3), SMALL)
    for below, width, mask in ((n4, 256, MEDIUM), (n5, 512, LARGE)):
        cfg.comment(f"up to stride {width // 16}")
        joined = cfg.concat(cfg.conv(x, width, 3, 2), below)
        x = _alternate(cfg, joined, width)
        boxes.place(cfg, cfg.conv(x, 2 * width, 3), mask)


def _panet_down(cfg: CfgWriter, above: int, tap: int, width: int) -> int:
    above = cfg.upsample(cfg.conv(above, width))
    return _alternate(cfg, cfg.concat(cfg.conv(tap, width), above), width)


def _alternate(cfg: CfgWriter, x: int, width: int) -> int:
    """1x1, 3x3, 1x1, 3x3, 1x1."""
    x = cfg.conv(x, width)
    for _ in range(2):
        x = cfg.conv(cfg.conv(x, 2 * width, 3), width)
    return x
