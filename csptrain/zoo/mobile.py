"""Networks of inverted residuals: MobileNet-v2 and EfficientNet-B0 as Darknet has them.

Source: EfficientNet-B0 in the layer order of the public network, whose widths differ from those of its paper;
MobileNet-v2 as the first version of its paper has it (96 channels, not 64, begin at stride 16) and with a 1x1
convolution in the first block too, which is what its public costs in Darknet say (3.47M, 0.858 BFLOPs).
"""

from __future__ import annotations

from dataclasses import dataclass

from csptrain.zoo.backbone import Taps
from csptrain.zoo.dense import squeeze_excitation
from csptrain.zoo.writer import IMAGE, CfgWriter


@dataclass(frozen=True)
class Block:
    """1x1 to ``wide`` channels, one filter of ``size`` on each, 1x1 to ``out``.

    ``squeeze``: width of the squeeze-and-excitation; 0 for none. ``dropout``: before the shortcut, if there is one.
    """

    wide: int
    out: int
    size: int = 3
    stride: int = 1
    squeeze: int = 0
    dropout: str = ""


def _stage(blocks: int, wide: tuple[int, int], out: int, stride: int) -> list[Block]:
    """MobileNet's: the first block has its own width and stride."""
    return [Block(wide[0], out, 3, stride), *[Block(wide[1], out)] * (blocks - 1)]


MOBILENET_V2 = (
    _stage(1, (32, 32), 16, 1),
    _stage(2, (96, 144), 24, 2),
    _stage(3, (144, 192), 32, 2),
    _stage(4, (192, 384), 64, 1),
    _stage(3, (384, 576), 96, 2),
    _stage(3, (576, 960), 160, 2),
    _stage(1, (960, 960), 320, 1),
)
EFFICIENTNET_B0 = (
    [Block(32, 16, 3, 1, 8)],
    [Block(96, 24, 3, 2, 16), Block(144, 24, 3, 1, 8, ".2")],
    [Block(144, 40, 5, 2, 8), Block(192, 40, 5, 1, 16, ".2")],
    [Block(192, 80, 3, 1, 16), *[Block(384, 80, 3, 1, 24, ".2")] * 2],
    [Block(384, 112, 5, 2, 24), *[Block(576, 112, 5, 1, 32, ".2")] * 2],
    [Block(576, 192, 5, 2, 32), *[Block(960, 192, 5, 1, 64, ".2")] * 3],
    [Block(960, 320, 3, 1, 64)],
)


def mobilenet_v2(cfg: CfgWriter) -> Taps:
    """MobileNet-v2."""
    return _inverted(cfg, MOBILENET_V2)


def efficientnet_b0(cfg: CfgWriter) -> Taps:
    """EfficientNet-B0."""
    return _inverted(cfg, EFFICIENTNET_B0)


def _inverted(cfg: CfgWriter, stages: tuple[list[Block], ...]) -> Taps:
    cfg.comment("stem, stride 2")
    x = cfg.conv(IMAGE, 32, 3, 2)
    last: dict[float, int] = {}
    for number, blocks in enumerate(stages, 1):
        stride = int(cfg.stride(x)) * blocks[0].stride
        cfg.comment(f"stage {number}, stride {stride}: inverted residuals")
        for count, block in enumerate(blocks, 1):
            cfg.comment(f"block {count}")
            x = _block(cfg, x, block)
        last[stride] = x
    cfg.comment("wide end")
    return Taps(last[8], last[16], cfg.conv(x, 1280))


def _block(cfg: CfgWriter, x: int, block: Block) -> int:
    y = cfg.conv(cfg.conv(x, block.wide), block.wide, block.size, block.stride, groups=block.wide)
    if block.squeeze:
        y = squeeze_excitation(cfg, y, block.squeeze)
    y = cfg.conv(y, block.out, activation="linear")
    if cfg.channels(x) != block.out or block.stride > 1:
        return y
    return cfg.shortcut(cfg.dropout(y, block.dropout) if block.dropout else y, x)
