"""ResNets and ResNeXt-50 as Darknet has them: shortcuts add what fits, no projection.

Source: the public resnet50, resnet101 and resnet152, in their layer order; ResNet-10 and ResNeXt-50 by the same rule,
which meets the #Parameter and BFLOPs of Table 3 of the CSPNet paper.
"""

from __future__ import annotations

from collections.abc import Callable

from csptrain.zoo.backbone import Taps
from csptrain.zoo.writer import IMAGE, CfgWriter

#: A block of ``width`` channels that makes ``stride`` steps.
Block = Callable[[CfgWriter, int, int, int], int]


def resnet10(cfg: CfgWriter) -> Taps:
    """One block of two 3x3 convolutions in each of four stages."""
    return _stages(cfg, (1, 1, 1, 1), 64, _basic)


def resnet50(cfg: CfgWriter) -> Taps:
    """ResNet-50."""
    return _stages(cfg, (3, 4, 6, 3), 64, _bottleneck)


def resnet101(cfg: CfgWriter) -> Taps:
    """ResNet-101."""
    return _stages(cfg, (3, 4, 23, 3), 64, _bottleneck)


def resnet152(cfg: CfgWriter) -> Taps:
    """ResNet-152."""
    return _stages(cfg, (3, 8, 36, 3), 64, _bottleneck)


def resnext50(cfg: CfgWriter) -> Taps:
    """ResNeXt-50 with 32 groups, of 4 channels in the first stage."""
    return _stages(cfg, (3, 4, 6, 3), 128, _grouped)


def res_stem(cfg: CfgWriter) -> int:
    """7x7 convolution to 64 channels and pooling."""
    cfg.comment("stem, stride 4")
    return cfg.maxpool(cfg.conv(IMAGE, 64, 7, 2))


def _stages(cfg: CfgWriter, blocks: tuple[int, ...], width: int, block: Block) -> Taps:
    x = res_stem(cfg)
    taps = []
    for stage, count in enumerate(blocks):
        cfg.comment(f"stage {stage + 1}, stride {4 << stage}: residual blocks")
        for number in range(count):
            cfg.comment(f"block {number + 1}")
            x = block(cfg, x, width << stage, 2 if stage and not number else 1)
        taps.append(x)
    return Taps(*taps[1:])


def _basic(cfg: CfgWriter, x: int, width: int, stride: int) -> int:
    y = cfg.conv(cfg.conv(x, width, 3, stride), width, 3, activation="linear")
    return cfg.shortcut(y, x, activation=cfg.activation)


def _bottleneck(cfg: CfgWriter, x: int, width: int, stride: int) -> int:
    y = cfg.conv(cfg.conv(cfg.conv(x, width), width, 3, stride), 4 * width, activation="linear")
    return cfg.shortcut(y, x, activation=cfg.activation)


def _grouped(cfg: CfgWriter, x: int, width: int, stride: int) -> int:
    y = cfg.conv(cfg.conv(x, width), width, 3, stride, groups=32)
    return cfg.shortcut(cfg.conv(y, 2 * width, activation="linear"), x, activation=cfg.activation)
