"""Elastic blocks of the residual networks: half of the channels at full size, half at half of it.

Source: the #Parameter and BFLOPs of the public CSPDarkNet-53-Elastic, CSPResNet-50-Elastic and CSPResNeXt-50-Elastic,
all met; the order of their layers is not public.
"""

from __future__ import annotations

from csptrain.zoo.writer import CfgWriter


def elastic_block(cfg: CfgWriter, x: int, groups: int = 1, closing: bool = True) -> int:
    """1x1, 3x3 and, if ``closing``, 1x1 on each half, joined, plus the input.

    ``groups``: of the 3x3 convolutions.
    """
    width = cfg.channels(x) // 2
    # Without a closing convolution the sum is linear, as in Darknet-53; with one, as in ResNet, the convolution is.
    after = cfg.activation if closing else "linear"

    def way(x: int) -> int:
        y = cfg.conv(cfg.conv(x, width), width, 3, groups=groups)
        return cfg.conv(y, width, activation="linear") if closing else y

    full = way(cfg.part(x, 0))
    half = cfg.upsample(way(cfg.maxpool(cfg.part(x, 1))))
    return cfg.shortcut(cfg.concat(full, half), x, activation=after)
