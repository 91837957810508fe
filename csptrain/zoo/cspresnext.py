"""CSPResNeXt-50, in the layer order of the public network, so that public weights fit.

Source: the CSPNet paper, Table 3 and 4.
"""

from __future__ import annotations

from csptrain.zoo.heads import Taps
from csptrain.zoo.writer import IMAGE, CfgWriter

GROUPS = 32
BLOCKS = (3, 3, 5, 2)
WIDTHS = (128, 256, 512, 1024)
# Of the two convolutions that split a stage: so in the public network, whose weights depend on it.
SPLIT_ACTIVATIONS = ("leaky", "linear", "linear", "leaky")


def cspresnext50(cfg: CfgWriter) -> Taps:
    """Four stages of grouped bottleneck blocks, each around a cross-stage part."""
    cfg.comment("stem, stride 4")
    x = cfg.maxpool(cfg.conv(IMAGE, 64, 7, 2))
    taps = []
    for stage, (blocks, width, split) in enumerate(zip(BLOCKS, WIDTHS, SPLIT_ACTIVATIONS, strict=True)):
        cfg.comment(f"stage {stage + 1}, stride {4 << stage}: {blocks} blocks of {GROUPS} groups on one part")
        if stage:
            x = cfg.conv(x, width, 3, 2, groups=GROUPS)
        cfg.comment("the part that goes around the blocks")
        part1 = cfg.conv(x, width, activation=split)
        cfg.comment("the part that goes through them")
        part2 = cfg.conv(x, width if stage else 64, activation=split)
        for number in range(1, blocks + 1):
            cfg.comment(f"block {number}")
            part2 = _block(cfg, part2, width)
        cfg.comment("transition before the join, and after it")
        part2 = cfg.conv(part2, width)
        x = cfg.conv(cfg.concat(part2, part1), 2 * width)
        taps.append(x)
    return Taps(*taps[1:])


def _block(cfg: CfgWriter, x: int, width: int) -> int:
    """1x1, grouped 3x3, 1x1, plus the input's channels."""
    y = cfg.conv(cfg.conv(x, width), width, 3, groups=GROUPS)
    return cfg.shortcut(cfg.conv(y, width, activation="linear"), x, activation="leaky")
