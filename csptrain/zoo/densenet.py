"""DenseNet-201, its Elastic form and the cross-stage partial one of that.

Source: the public densenet201 of Darknet, in its layer order. DenseNet-201-Elastic is Elastic's own network, which
normalizes before it convolves, in Darknet's words; there is no bilinear upsampling among them, so the coarse way comes
back to the nearest pixel. CSPDenseNet-201-Elastic is a candidate: the paper's rule with the layers of DenseNet-201.
"""

from __future__ import annotations

from csptrain.zoo.backbone import Partial, Taps, split
from csptrain.zoo.resnet import res_stem
from csptrain.zoo.writer import IMAGE, CfgWriter

LAYERS = (6, 12, 48, 32)
ELASTIC_LAYERS = (10, 20, 40, 30)
GROWTH = 32
# Channels after each transition of Darknet's DenseNet-201; half of those before it, but for the last.
TRANSITIONS = (128, 256, 512)
#: Three quarters of the channels go around: the split of the candidate.
CANDIDATE = Partial(0.75, "both", "route")


def densenet201(cfg: CfgWriter) -> Taps:
    """DenseNet-201: dense layers of a 1x1 and a 3x3 convolution, transitions that halve the map."""
    x = res_stem(cfg)
    taps = []
    for stage, layers in enumerate(LAYERS):
        _say_stage(cfg, stage, layers, "dense layers")
        for number in range(1, layers + 1):
            cfg.comment(f"dense layer {number}")
            x = cfg.concat(cfg.conv(cfg.conv(x, 4 * GROWTH), GROWTH, 3), x)
        taps.append(x)
        if stage < 3:
            cfg.comment("transition")
            x = cfg.maxpool(cfg.conv(x, TRANSITIONS[stage]))
    return Taps(*taps[1:])


def densenet201_elastic(cfg: CfgWriter) -> Taps:
    """DenseNet-201-Elastic: every dense layer works on the map and on one of half its size."""
    x = _stem(cfg)
    taps = []
    for stage, layers in enumerate(ELASTIC_LAYERS):
        _say_stage(cfg, stage, layers, "elastic dense layers")
        x = _elastic_block(cfg, x, layers)
        taps.append(x)
        if stage < 3:
            cfg.comment("transition")
            x = cfg.local_avgpool(_normalized_conv(cfg, x, cfg.channels(x) // 2))
    return Taps(taps[1], taps[2], _end(cfg, x))


def csp_densenet201_elastic(cfg: CfgWriter, partial: Partial = CANDIDATE) -> Taps:
    """CSPDenseNet-201-Elastic: a part of each stage's channels goes around its dense block."""
    x = _stem(cfg)
    taps = []
    for stage, layers in enumerate(LAYERS):
        _say_stage(cfg, stage, layers, "elastic dense layers on one part")
        part1, part2 = split(cfg, x, partial.widths(cfg.channels(x)), partial, words=("block", "it"))
        part2 = _elastic_block(cfg, part2, layers)
        if partial.before:
            cfg.comment("transition before the join")
            part2 = _normalized_conv(cfg, part2, cfg.channels(part2))
        x = cfg.concat(part1, part2)
        taps.append(x)
        if stage < 3:
            if partial.after:
                cfg.comment("transition after the join")
                x = _normalized_conv(cfg, x, cfg.channels(x) // 2)
            x = cfg.local_avgpool(x)
    return Taps(taps[1], taps[2], _end(cfg, x))


def _say_stage(cfg: CfgWriter, stage: int, layers: int, title: str) -> None:
    cfg.comment(f"stage {stage + 1}, stride {4 << stage}: {layers} {title}")


def _stem(cfg: CfgWriter) -> int:
    cfg.comment("stem, stride 4")
    return cfg.maxpool(cfg.conv(IMAGE, 64, 7, 2), 3, 2)


def _end(cfg: CfgWriter, x: int) -> int:
    cfg.comment("the last normalization")
    return cfg.activate(cfg.batchnorm(x))


def _normalized_conv(cfg: CfgWriter, x: int, filters: int) -> int:
    """1x1 convolution of ``x`` normalized and activated."""
    return _linear(cfg, cfg.activate(cfg.batchnorm(x)), filters)


def _linear(cfg: CfgWriter, x: int, filters: int, size: int = 1) -> int:
    return cfg.conv(x, filters, size, activation="linear", batch_normalize=False)


def _elastic_block(cfg: CfgWriter, x: int, layers: int) -> int:
    for number in range(1, layers + 1):
        cfg.comment(f"dense layer {number}")
        new = _elastic_layer(cfg, x)
        x = cfg.concat(x, new)
    return x


def _elastic_layer(cfg: CfgWriter, x: int) -> int:
    """New channels: the sum of what is found at full and at half size; at stride 32 both are full."""

    def way(x: int) -> int:
        return _linear(cfg, cfg.conv(x, 2 * GROWTH), GROWTH, 3)

    coarser = cfg.stride(x) < 32
    x = cfg.activate(cfg.batchnorm(x))
    full = way(x)
    half = cfg.upsample(way(cfg.local_avgpool(x))) if coarser else way(x)
    return cfg.shortcut(half, full)
