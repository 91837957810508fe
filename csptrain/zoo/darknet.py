"""Darknet's own backbones: the reference network, Darknet-53 and its cross-stage partial form.

Layer numbers, shapes and order are those of the public networks, so that public weights fit.
"""

from __future__ import annotations

from csptrain.zoo.backbone import HALF, Partial, Taps, join, split
from csptrain.zoo.elastic import elastic_block
from csptrain.zoo.writer import IMAGE, CfgWriter

WIDTHS = (64, 128, 256, 512, 1024)
BLOCKS = (1, 2, 8, 8, 4)


def darknet_reference(cfg: CfgWriter, boxes: bool = False) -> Taps:
    """Seven convolutions of 3x3, with a pooling between each two.

    ``boxes``: the last pooling has a stride of 1, as in YOLOv3-tiny, so that the network ends at stride 32, not 64.
    """
    c3, c4, x = reference_stages(cfg)
    x = cfg.maxpool(x, 2, 1) if boxes else cfg.maxpool(x, padding=1)
    cfg.comment(f"stride {32 if boxes else 64}")
    return Taps(c3, c4, cfg.conv(x, 1024, 3))


def reference_stages(cfg: CfgWriter) -> Taps:
    """The reference network up to its last pooling."""
    taps = []
    x = IMAGE
    for stage, filters in enumerate((16, 32, 64, 128, 256, 512)):
        cfg.comment(f"stride {1 << stage}")
        taps.append(cfg.conv(x, filters, 3))
        x = cfg.maxpool(taps[-1]) if stage < 5 else taps[-1]
    return Taps(*taps[3:])


def darknet53(cfg: CfgWriter) -> Taps:
    """Darknet-53: five stages of residual blocks."""
    x = _stem(cfg)
    taps = []
    for stage, (width, blocks) in enumerate(zip(WIDTHS, BLOCKS, strict=True)):
        cfg.comment(f"stage {stage + 1}, stride {2 << stage}: residual blocks")
        x = residual_blocks(cfg, cfg.conv(x, width, 3, 2), blocks, width // 2)
        taps.append(x)
    return Taps(*taps[2:])


def csp_darknet53(cfg: CfgWriter, partial: Partial = HALF, elastic: bool = False) -> Taps:
    """CSPDarknet-53: the blocks work on a part of each stage's channels, in the first one on as many as it has.

    ``elastic``: half of that part at half the size.
    """
    x = _stem(cfg)
    taps = []
    kind = "elastic" if elastic else "residual"
    for stage, (width, blocks) in enumerate(zip(WIDTHS, BLOCKS, strict=True)):
        cfg.comment(f"stage {stage + 1}, stride {2 << stage}: {kind} blocks on one part")
        widths = partial.widths(width) if stage else (width, width)
        part1, part2 = split(cfg, cfg.conv(x, width, 3, 2), widths, partial)
        if elastic:
            part2 = _elastic_blocks(cfg, part2, blocks)
        else:
            part2 = residual_blocks(cfg, part2, blocks, cfg.channels(part2) if stage else width // 2)
        x = join(cfg, part1, part2, partial, width)
        taps.append(x)
    return Taps(*taps[2:])


def _stem(cfg: CfgWriter) -> int:
    cfg.comment("stem, stride 1")
    return cfg.conv(IMAGE, 32, 3)


def residual_blocks(cfg: CfgWriter, x: int, blocks: int, middle: int) -> int:
    """Each 1x1 to ``middle`` channels, 3x3, plus the input."""
    for number in range(1, blocks + 1):
        cfg.comment(f"block {number}")
        x = cfg.shortcut(cfg.conv(cfg.conv(x, middle), cfg.channels(x), 3), x)
    return x


def _elastic_blocks(cfg: CfgWriter, x: int, blocks: int) -> int:
    for number in range(1, blocks + 1):
        cfg.comment(f"block {number}")
        x = elastic_block(cfg, x, closing=False)
    return x
