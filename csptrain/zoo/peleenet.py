"""PeleeNet and its cross-stage partial forms.

Source: PeleeNet's and the CSPNet paper; what they leave unsaid follows from the #Parameter and BFLOPs
printed in Tables 1-3 (docs/paper.md).
"""

from __future__ import annotations

from csptrain.zoo.backbone import HALF, Partial, Taps, split
from csptrain.zoo.dense import PLAIN, DenseStyle, dense_block
from csptrain.zoo.writer import IMAGE, CfgWriter

WIDTHS = (16, 32, 64, 64)  # of the 1x1 convolutions in a dense layer, by stage
LAYERS = (3, 4, 8, 6)
PARTIAL_LAYERS = (2, 4, 8, 4)
# Channels of the two parts of stage 1: as many as the stem gives in each, whatever gamma.
FIRST = (32, 32)
SPLIT_WORDS = ("block", "it")


def peleenet(cfg: CfgWriter, style: DenseStyle = PLAIN) -> Taps:
    """PeleeNet with 3, 4, 8 and 6 two-way dense layers."""
    x = pelee_stem(cfg)
    taps = []
    for stage, (layers, width) in enumerate(zip(LAYERS, WIDTHS, strict=True)):
        cfg.comment(f"stage {stage + 1}, stride {4 << stage}: {layers} dense layers, then the transition")
        if stage:
            x = cfg.maxpool(x)
        x = dense_block(cfg, x, layers, width, style)
        x = cfg.conv(x, cfg.channels(x))
        taps.append(x)
    return Taps(*taps[1:])


def csp_peleenet(cfg: CfgWriter, partial: Partial = HALF, style: DenseStyle = PLAIN) -> Taps:
    """CSPPeleeNet: a part of each stage's channels goes around its dense block."""
    x = pelee_stem(cfg)
    if not partial.before:
        return _fusion_first(cfg, x, partial, style)
    stages = [(layers, width, style) for layers, width in zip(PARTIAL_LAYERS, WIDTHS, strict=True)]
    taps = csp_dense_stages(cfg, x, stages, partial)
    cfg.comment("the last transition")
    x = cfg.conv(taps[-1], cfg.channels(taps[-1]))
    return Taps(taps[1], taps[2], x)


def csp_dense_stages(cfg: CfgWriter, x: int, stages: list[tuple[int, int, DenseStyle]], partial: Partial) -> list[int]:
    """Stages of (dense layers, width of their 1x1 convolutions, wiring), a pooling between each two."""
    taps = []
    for stage, (layers, width, style) in enumerate(stages):
        cfg.comment(f"stage {stage + 1}, stride {4 << stage}: {layers} dense layers on one part")
        if stage:
            x = cfg.maxpool(x)
        if partial.after:
            cfg.comment(f"transition after the {'join' if stage else 'stem'}")
            x = cfg.conv(x, cfg.channels(x))
        widths = partial.widths(cfg.channels(x)) if stage else FIRST
        part1, part2 = split(cfg, x, widths, partial, words=SPLIT_WORDS)
        part2 = dense_block(cfg, part2, layers, width, style)
        cfg.comment("transition before the join")
        part2 = cfg.conv(part2, cfg.channels(part2))
        x = cfg.concat(part1, part2)
        taps.append(x)
    return taps


def _fusion_first(cfg: CfgWriter, x: int, partial: Partial, style: DenseStyle) -> Taps:
    layers_by_stage = (*PARTIAL_LAYERS[:3], LAYERS[3])
    taps = []
    cfg.comment("the two parts of stage 1")
    part1, part2 = split(cfg, x, FIRST, partial, words=SPLIT_WORDS)
    for stage, (layers, width) in enumerate(zip(layers_by_stage, WIDTHS, strict=True)):
        cfg.comment(f"stage {stage + 1}, stride {4 << stage}: {layers} dense layers on one part")
        part2 = dense_block(cfg, part2, layers, width, style)
        x = cfg.concat(part1, part2)
        taps.append(x)
        if stage < 3:
            part1, part2 = _transition_to_parts(cfg, x, partial)
    cfg.comment("the last transition")
    x = cfg.conv(x, cfg.channels(x))
    return Taps(taps[1], taps[2], x)


def _transition_to_parts(cfg: CfgWriter, x: int, partial: Partial) -> tuple[int, int]:
    widths = partial.widths(cfg.channels(x))
    if partial.split == "route":
        cfg.comment("transition after the join")
        return split(cfg, cfg.maxpool(cfg.conv(x, cfg.channels(x))), widths, partial, words=SPLIT_WORDS)
    around, through = widths
    cfg.comment("the transition after the join makes the next two parts")
    part1 = cfg.conv(cfg.maxpool(x), around)
    return part1, cfg.maxpool(cfg.conv(x, through))


def pelee_stem(cfg: CfgWriter, last: bool = True) -> int:
    """Pooled and convolved halves, 64 channels; ``last``: a 1x1 convolution makes 32 of them."""
    cfg.comment("stem, stride 4")
    x = cfg.conv(IMAGE, 32, 3, 2)
    pooled = cfg.maxpool(x)
    convolved = cfg.conv(cfg.conv(x, 16), 32, 3, 2)
    joined = cfg.concat(pooled, convolved)
    return cfg.conv(joined, 32) if last else joined
