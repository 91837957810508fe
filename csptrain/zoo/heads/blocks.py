"""Parts that several heads share."""

from __future__ import annotations

from csptrain.zoo.writer import CfgWriter


def alternate(cfg: CfgWriter, x: int, width: int, times: int = 3) -> int:
    """1x1 convolutions to ``width``, ``times`` of them, with a 3x3 to twice that between any two."""
    x = cfg.conv(x, width)
    for _ in range(times - 1):
        x = cfg.conv(cfg.conv(x, 2 * width, 3), width)
    return x


def pyramid_pooling(cfg: CfgWriter, x: int) -> int:
    """``x`` and its maxima over 5x5, 9x9 and 13x13 windows, the widest first."""
    pooled = [cfg.maxpool(x, size, 1) for size in (5, 9, 13)]
    return cfg.concat(*reversed(pooled), x)


def pooled_alternate(cfg: CfgWriter, x: int, width: int) -> int:
    """``alternate`` with spatial pyramid pooling after its second 1x1 convolution."""
    x = alternate(cfg, x, width, times=2)
    cfg.comment("spatial pyramid pooling")
    return alternate(cfg, pyramid_pooling(cfg, x), width, times=2)
