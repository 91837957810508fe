"""The paper's Reference networks: three cross-stage partial stages and one wide layer at stride 32.

Source: the #Parameter and BFLOPs of Tables 3 and 4 and of the b forms, whose last layer is 1x1 instead of 3x3: exactly
the difference of the two. CSPPeleeNet Reference is by CSPPeleeNet's own rule. Of CSPDenseNet Reference the figures fix
only that a stage of c channels has 7 c*c weights.
"""

from __future__ import annotations

from csptrain.zoo.backbone import HALF, Partial, Taps, split
from csptrain.zoo.dense import DenseStyle
from csptrain.zoo.peleenet import csp_dense_stages, pelee_stem
from csptrain.zoo.writer import CfgWriter

WIDE = 512
# Dense layers, width of their 1x1 convolutions, growth, by stage.
PELEE_STAGES = ((2, 16, 32), (2, 64, 64), (2, 128, 128))
DENSE_WIDTHS = (64, 128, 256)


def csp_peleenet_reference(cfg: CfgWriter, partial: Partial = HALF, size: int = 3) -> Taps:
    """CSPPeleeNet Reference; ``size`` of the last convolution: 1 in the b form."""
    stages = [(layers, width, DenseStyle(growth)) for layers, width, growth in PELEE_STAGES]
    taps = csp_dense_stages(cfg, pelee_stem(cfg), stages, partial)
    cfg.comment("stride 32")
    x = cfg.maxpool(taps[-1])
    if partial.after:
        x = cfg.conv(x, cfg.channels(x))
    return Taps(taps[1], taps[2], cfg.conv(x, WIDE, size))


def csp_densenet_reference(cfg: CfgWriter, size: int = 3) -> Taps:
    """CSPDenseNet Reference; ``size`` of the last convolution: 1 in the b form."""
    x = pelee_stem(cfg, last=False)
    taps = []
    for stage, width in enumerate(DENSE_WIDTHS):
        cfg.comment(f"stage {stage + 1}, stride {4 << stage}: two layers on one part")
        if stage:
            x = cfg.maxpool(x)
        part1, part2 = split(cfg, x, (width, width // 2), HALF, words=("layers", "them"))
        cfg.comment("two layers, joined")
        first = cfg.conv(part2, width // 2, 3)
        second = cfg.conv(first, width // 2, 3)
        cfg.comment("transition before the join")
        x = cfg.concat(part1, cfg.conv(cfg.concat(first, second), width))
        taps.append(x)
    cfg.comment("stride 32")
    return Taps(taps[1], taps[2], cfg.conv(cfg.maxpool(x), WIDE, size))
