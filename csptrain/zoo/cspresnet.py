"""The cross-stage partial forms of ResNet and ResNeXt.

Source: CSPResNeXt-50 in the layer order of the public network, so that public weights fit; CSPResNet-50 by the same
rule, which meets its #Parameter, and the deeper ones from it; CSPResNet-10 from the figures of Table 3 alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from csptrain.zoo.backbone import HALF, Partial, Taps, join, split
from csptrain.zoo.elastic import elastic_block
from csptrain.zoo.resnet import res_stem
from csptrain.zoo.writer import CfgWriter

WIDTHS = (128, 256, 512, 1024)
ONE_BLOCK = ("block", "it")


@dataclass(frozen=True)
class Stages:
    """Blocks in each of four stages; their making for a width; and the widths between the stages.

    ``first``: channels that go through stage 1. ``after``: channels after a stage, over those of a part.
    ``groups``: of the convolutions between stages. ``split_activations``: of the two convolutions that split a stage;
    None for that of all others. ``title``: what the comments call the blocks.
    """

    blocks: tuple[int, int, int, int]
    block: Callable[[CfgWriter, int, int], int]
    title: str
    first: int = 64
    after: int = 1
    groups: int = 1
    split_activations: tuple[str | None, ...] = (None, None, None, None)


def csp_resnet(cfg: CfgWriter, stages: Stages, partial: Partial = HALF) -> Taps:
    """Four stages of bottleneck blocks, each around a cross-stage part.

    Where channels are split as they are, a stage begins with as many as its two parts have.
    """
    x = res_stem(cfg)
    taps = []
    own = zip(stages.blocks, WIDTHS, stages.split_activations, strict=True)
    for stage, (blocks, width, activation) in enumerate(own):
        cfg.comment(f"stage {stage + 1}, stride {4 << stage}: {blocks} {stages.title} on one part")
        if stage:
            base = 2 * width if partial.split == "route" else stages.after * WIDTHS[stage - 1]
            x = cfg.conv(x, base, 3, 2, groups=stages.groups)
        around, through = partial.widths(2 * width)
        part1, part2 = split(cfg, x, (around, through if stage else stages.first), partial, activation)
        for number in range(1, blocks + 1):
            cfg.comment(f"block {number}")
            part2 = stages.block(cfg, part2, through)
        x = join(cfg, part1, part2, partial, stages.after * width)
        taps.append(x)
    return Taps(*taps[1:])


def _bottleneck(cfg: CfgWriter, x: int, width: int) -> int:
    """1x1, 3x3 of half the width, 1x1, plus the input's channels."""
    y = cfg.conv(cfg.conv(x, width // 2), width // 2, 3)
    return cfg.shortcut(cfg.conv(y, width, activation="linear"), x, activation=cfg.activation)


def _grouped(cfg: CfgWriter, x: int, width: int) -> int:
    """1x1, 3x3 in 32 groups, 1x1, plus the input's channels."""
    y = cfg.conv(cfg.conv(x, width), width, 3, groups=32)
    return cfg.shortcut(cfg.conv(y, width, activation="linear"), x, activation=cfg.activation)


def _elastic(cfg: CfgWriter, x: int, width: int) -> int:
    return elastic_block(cfg, x)


def _elastic_grouped(cfg: CfgWriter, x: int, width: int) -> int:
    return elastic_block(cfg, x, groups=16)


# The activations of the two convolutions that split a stage are so in the public network; its weights depend on it.
_RESNEXT_SPLITS = (None, "linear", "linear", None)

CSP_RESNET50 = Stages((3, 3, 5, 2), _bottleneck, "blocks")
CSP_RESNET101 = Stages((3, 3, 22, 2), _bottleneck, "blocks")
CSP_RESNET152 = Stages((3, 7, 35, 2), _bottleneck, "blocks")
CSP_RESNEXT50 = Stages(
    (3, 3, 5, 2), _grouped, "blocks of 32 groups", after=2, groups=32, split_activations=_RESNEXT_SPLITS
)
CSP_RESNET50_ELASTIC = Stages((3, 3, 5, 2), _elastic, "elastic blocks", first=128)
CSP_RESNEXT50_ELASTIC = Stages(
    (3, 3, 5, 2), _elastic_grouped, "elastic blocks of 2 x 16 groups", first=128, after=2, groups=32
)


def csp_resnext50(cfg: CfgWriter, partial: Partial = HALF) -> Taps:
    """CSPResNeXt-50."""
    return csp_resnet(cfg, CSP_RESNEXT50, partial)


def csp_resnet10(cfg: CfgWriter) -> Taps:
    """CSPResNet-10: the parts of a stage are made on the way to its stride, one by pooling and one by a convolution."""
    x = res_stem(cfg)
    cfg.comment("stage 1, stride 4: one block on one part")
    part1, part2 = split(cfg, x, (64, 64), HALF, words=ONE_BLOCK)
    x = join(cfg, part1, _basic(cfg, part2), HALF, 128)
    taps = []
    for stage, width in enumerate((64, 128, 256), 2):
        cfg.comment(f"stage {stage}, stride {2 << stage}: one block on one part")
        cfg.comment("the part that goes around the block")
        part1 = cfg.conv(cfg.maxpool(x), width)
        cfg.comment("the part that goes through it")
        part2 = _basic(cfg, cfg.conv(x, width, 3, 2))
        x = join(cfg, part1, part2, HALF, width) if stage < 4 else cfg.concat(part2, part1)
        taps.append(x)
    return Taps(*taps)


def _basic(cfg: CfgWriter, x: int) -> int:
    """Two 3x3 convolutions, plus the input."""
    width = cfg.channels(x)
    cfg.comment("block")
    y = cfg.conv(cfg.conv(x, width, 3), width, 3, activation="linear")
    return cfg.shortcut(y, x, activation=cfg.activation)
