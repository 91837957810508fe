"""Path aggregation (PANet): from coarse to fine as YOLOv3 does, then back to coarse, with spatial pyramid pooling.

Source: the public csresnext50-panet-spp, yolov4 and yolov4-csp, in their layer order.
"""

from __future__ import annotations

from collections.abc import Callable

from csptrain.zoo.backbone import Taps
from csptrain.zoo.heads.blocks import alternate, pooled_alternate, pyramid_pooling
from csptrain.zoo.heads.boxes import BoxHeads
from csptrain.zoo.heads.head import Head
from csptrain.zoo.writer import CfgWriter

Block = Callable[[CfgWriter, int, int], int]


def panet_spp(cfg: CfgWriter, taps: Taps, boxes: BoxHeads) -> None:
    """Alternating 1x1 and 3x3 convolutions at each step."""
    cfg.comment("pyramid, stride 32")
    _aggregate(cfg, pooled_alternate(cfg, taps.c5, 512), taps, boxes, 512, alternate)


def panet_csp(cfg: CfgWriter, taps: Taps, boxes: BoxHeads, width: int = 512, pairs: int = 2) -> None:
    """The same with a cross-stage partial block at each step, of as many ``pairs`` of convolutions.

    ``width``: channels at stride 32, half of those at each step down.
    """

    def block(cfg: CfgWriter, x: int, width: int) -> int:
        return _partial(cfg, cfg.conv(x, width), width, pairs)

    cfg.comment("pyramid, stride 32")
    _aggregate(cfg, _partial_pooled(cfg, taps.c5, width, pairs), taps, boxes, width, block)


def _aggregate(cfg: CfgWriter, n5: int, taps: Taps, boxes: BoxHeads, width: int, block: Block) -> None:
    cfg.comment("down to stride 16")
    n4 = _down(cfg, n5, taps.c4, width // 2, block)
    cfg.comment("down to stride 8")
    x = _down(cfg, n4, taps.c3, width // 4, block)
    boxes.predict(cfg, cfg.conv(x, width // 2, 3), 8)
    for below, stride, own in ((n4, 16, width // 2), (n5, 32, width)):
        cfg.comment(f"up to stride {stride}")
        joined = cfg.concat(cfg.conv(x, own, 3, 2), below)
        x = block(cfg, joined, own)
        boxes.predict(cfg, cfg.conv(x, 2 * own, 3), stride)


def _down(cfg: CfgWriter, above: int, tap: int, width: int, block: Block) -> int:
    above = cfg.upsample(cfg.conv(above, width))
    return block(cfg, cfg.concat(cfg.conv(tap, width), above), width)


def _partial(cfg: CfgWriter, x: int, width: int, pairs: int) -> int:
    """One part goes around the pairs of 1x1 and 3x3 convolutions; then the two are joined."""
    around, through = _split(cfg, x, width)
    for number in range(pairs):
        through = cfg.conv(through if number == 0 else cfg.conv(through, width), width, 3)
    return _join(cfg, around, through, width)


def _partial_pooled(cfg: CfgWriter, x: int, width: int, pairs: int) -> int:
    """The same with spatial pyramid pooling amid the pairs."""
    around, through = _split(cfg, x, width)
    through = cfg.conv(cfg.conv(through, width, 3), width)
    cfg.comment("spatial pyramid pooling")
    through = pyramid_pooling(cfg, through)
    for _ in range(pairs - 1):
        through = cfg.conv(cfg.conv(through, width), width, 3)
    return _join(cfg, around, through, width)


def _split(cfg: CfgWriter, x: int, width: int) -> tuple[int, int]:
    cfg.comment("the part that goes around the block")
    around = cfg.conv(x, width)
    cfg.comment("the part that goes through it")
    return around, cfg.conv(x, width)


def _join(cfg: CfgWriter, around: int, through: int, width: int) -> int:
    joined = cfg.concat(through, around)
    cfg.comment("transition after the join")
    return cfg.conv(joined, width)


_EVIDENCE = "layer order and widths of the public networks"
PANET_SPP = Head("path aggregation and spatial pyramid pooling: PANet (SPP)", _EVIDENCE, (32, 16, 8), panet_spp)
PANET_CSP = Head("cross-stage partial PANet (SPP), as in YOLOv4-CSP", _EVIDENCE, (32, 16, 8), panet_csp)
