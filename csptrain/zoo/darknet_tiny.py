"""The small detectors of Darknet: YOLOv3-tiny, YOLOv3-tiny-PRN and YOLOv4-tiny.

Layer numbers, shapes and order are those of the public networks, so that public weights fit.
"""

from __future__ import annotations

from csptrain.zoo.heads import Taps, prn
from csptrain.zoo.training import (
    LARGE,
    MEDIUM,
    SMALL,
    TINY_ANCHORS,
    YOLOV4_ANCHORS,
    YOLOV4_TINY_HEAD,
    BoxHeads,
)
from csptrain.zoo.writer import IMAGE, CfgWriter


def yolov3_tiny(cfg: CfgWriter, classes: int) -> None:
    """YOLOv3-tiny: the Darknet reference network and two box heads."""
    boxes = BoxHeads(classes, TINY_ANCHORS)
    c4, _, x = _reference(cfg)
    x = cfg.conv(cfg.conv(x, 1024, 3), 256)
    cfg.comment("boxes at stride 32")
    boxes.place(cfg, cfg.conv(x, 512, 3), (3, 4, 5))
    cfg.comment("boxes at stride 16")
    _place_below(cfg, x, 128, c4, 256, boxes, (0, 1, 2))


def yolov3_tiny_prn(cfg: CfgWriter, classes: int) -> None:
    """YOLOv3-tiny with partial residual connections in place of wide layers."""
    c4, wide, x = _reference(cfg)
    c5 = cfg.shortcut(cfg.conv(x, 512, 3), wide, activation="leaky")
    prn(cfg, Taps(c4, c4, c5), BoxHeads(classes, TINY_ANCHORS), ((3, 4, 5), (1, 2, 3)))


def yolov4_tiny(cfg: CfgWriter, classes: int) -> None:
    """YOLOv4-tiny: three cross-stage partial stages and two box heads."""
    boxes = BoxHeads(classes, TINY_ANCHORS, YOLOV4_TINY_HEAD)
    taps = _partial_backbone(cfg)
    x = cfg.conv(taps.c5, 256)
    cfg.comment("boxes at stride 32")
    boxes.place(cfg, cfg.conv(x, 512, 3), (3, 4, 5))
    cfg.comment("boxes at stride 16")
    _place_below(cfg, x, 128, taps.c4, 256, boxes, (1, 2, 3))


def yolov4_tiny_3l(cfg: CfgWriter, classes: int) -> None:
    """YOLOv4-tiny with a third box head at stride 8."""
    boxes = BoxHeads(classes, YOLOV4_ANCHORS, YOLOV4_TINY_HEAD)
    taps = _partial_backbone(cfg)
    x = cfg.conv(taps.c5, 256)
    cfg.comment("boxes at stride 32")
    boxes.place(cfg, cfg.conv(x, 512, 3), LARGE)
    cfg.comment("boxes at stride 16")
    x = _place_below(cfg, x, 128, taps.c4, 256, boxes, MEDIUM)
    cfg.comment("boxes at stride 8")
    _place_below(cfg, x, 64, taps.c3, 128, boxes, SMALL)


def _reference(cfg: CfgWriter) -> tuple[int, int, int]:
    """The Darknet reference network: its layer at stride 16, and those around its last pooling."""
    tap = x = IMAGE
    for stage, filters in enumerate((16, 32, 64, 128, 256)):
        cfg.comment(f"stride {1 << stage}")
        tap = cfg.conv(x, filters, 3)
        x = cfg.maxpool(tap)
    cfg.comment("stride 32")
    wide = cfg.conv(x, 512, 3)
    return tap, wide, cfg.maxpool(wide, 2, 1)


def _partial_backbone(cfg: CfgWriter) -> Taps:
    """CSPDarknet53-tiny: each stage sends half of its channels through two convolutions."""
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
        tap = cfg.conv(cfg.concat(second, first), filters)
        x = cfg.concat(base, tap)
        taps.append(tap)
    cfg.comment("stride 32")
    return Taps(taps[1], taps[2], cfg.conv(cfg.maxpool(x), 512, 3))


def _place_below(
    cfg: CfgWriter, above: int, width: int, tap: int, filters: int, boxes: BoxHeads, mask: tuple[int, ...]
) -> int:
    """Predict at half the stride from the layer above, narrowed, and a tap of the backbone."""
    x = cfg.upsample(cfg.conv(above, width))
    x = cfg.conv(cfg.concat(x, tap), filters, 3)
    boxes.place(cfg, x, mask)
    return x
