"""PeleeNet and its cross-stage partial forms.

Source: PeleeNet's and the CSPNet paper; what they leave unsaid follows from the #Parameter and BFLOPs
printed in Tables 1-3 (docs/paper.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from csptrain.zoo.heads import Taps
from csptrain.zoo.writer import IMAGE, CfgWriter

WIDTHS = (16, 32, 64, 64)  # of the 1x1 convolutions in a dense layer, by stage
LAYERS = (3, 4, 8, 6)
PARTIAL_LAYERS = (2, 4, 8, 4)
FUSIONS = ("both", "last", "first")


@dataclass(frozen=True)
class DenseStyle:
    """How a dense block is wired.

    ``sparse``: a layer reads the ones 1, 2, 4, 8... before it instead of all.
    ``group_channels``: input channels of each group of the 3x3 convolutions; 0 for no groups.
    ``squeeze``: reduction of the squeeze-and-excitation on a layer's new channels; 0 for none.
    """

    growth: int = 32
    sparse: bool = False
    group_channels: int = 0
    squeeze: int = 0


def peleenet(cfg: CfgWriter, style: DenseStyle = DenseStyle()) -> Taps:
    """PeleeNet with 3, 4, 8 and 6 two-way dense layers."""
    x = _stem(cfg)
    taps = []
    for stage, (layers, width) in enumerate(zip(LAYERS, WIDTHS, strict=True)):
        cfg.comment(f"stage {stage + 1}, stride {4 << stage}: {layers} dense layers, then the transition")
        if stage:
            x = cfg.maxpool(x)
        x = _dense_block(cfg, x, layers, width, style)
        x = cfg.conv(x, cfg.channels(x))
        taps.append(x)
    return Taps(*taps[1:])


def csp_peleenet(cfg: CfgWriter, gamma: float = 0.5, fusion: str = "both", style: DenseStyle = DenseStyle()) -> Taps:
    """CSPPeleeNet: the part ``gamma`` of a stage's channels goes around its dense block.

    ``fusion``: ``last`` has a transition before the two parts are joined, ``first`` one after; ``both``,
    the partial transition of the paper's CSPPeleeNet, has the two.

    Raises ValueError for another fusion, or a gamma that splits no stage into whole channels.
    """
    if fusion not in FUSIONS:
        raise ValueError(f"fusion={fusion}: legal are {', '.join(FUSIONS)}")
    if fusion == "first":
        return _csp_fusion_first(cfg, gamma, style)
    x = _stem(cfg)
    taps = []
    for stage, (layers, width) in enumerate(zip(PARTIAL_LAYERS, WIDTHS, strict=True)):
        cfg.comment(f"stage {stage + 1}, stride {4 << stage}: {layers} dense layers on one part")
        if stage:
            x = cfg.maxpool(x)
        if fusion == "both":
            cfg.comment(f"transition after the {'join' if stage else 'stem'}")
            x = cfg.conv(x, cfg.channels(x))
        around, through = _widths(cfg.channels(x), gamma) if stage else (32, 32)
        cfg.comment("the part that goes around the block")
        part1 = cfg.conv(x, around)
        cfg.comment("the part that goes through it")
        part2 = _dense_block(cfg, cfg.conv(x, through), layers, width, style)
        cfg.comment("transition before the join")
        part2 = cfg.conv(part2, cfg.channels(part2))
        x = cfg.concat(part1, part2)
        taps.append(x)
    cfg.comment("the last transition")
    x = cfg.conv(x, cfg.channels(x))
    return Taps(taps[1], taps[2], x)


def _csp_fusion_first(cfg: CfgWriter, gamma: float, style: DenseStyle) -> Taps:
    x = _stem(cfg)
    layers_by_stage = (*PARTIAL_LAYERS[:3], LAYERS[3])
    taps = []
    cfg.comment("the two parts of stage 1")
    part1, part2 = cfg.conv(x, 32), cfg.conv(x, 32)
    for stage, (layers, width) in enumerate(zip(layers_by_stage, WIDTHS, strict=True)):
        cfg.comment(f"stage {stage + 1}, stride {4 << stage}: {layers} dense layers on one part")
        part2 = _dense_block(cfg, part2, layers, width, style)
        x = cfg.concat(part1, part2)
        taps.append(x)
        if stage < 3:
            around, through = _widths(cfg.channels(x), gamma)
            cfg.comment("the transition after the join makes the next two parts")
            part1 = cfg.conv(cfg.maxpool(x), around)
            part2 = cfg.maxpool(cfg.conv(x, through))
    cfg.comment("the last transition")
    x = cfg.conv(x, cfg.channels(x))
    return Taps(taps[1], taps[2], x)


def _widths(channels: int, gamma: float) -> tuple[int, int]:
    around = round(channels * gamma)
    if around != channels * gamma or not 0 < around < channels:
        raise ValueError(f"gamma={gamma} does not split {channels} channels")
    return around, channels - around


def _stem(cfg: CfgWriter) -> int:
    cfg.comment("stem, stride 4")
    x = cfg.conv(IMAGE, 32, 3, 2)
    pooled = cfg.maxpool(x)
    convolved = cfg.conv(cfg.conv(x, 16), 32, 3, 2)
    return cfg.conv(cfg.concat(pooled, convolved), 32)


def _dense_block(cfg: CfgWriter, x: int, layers: int, width: int, style: DenseStyle) -> int:
    """The block's input and the new channels of all its layers, joined."""
    features: list[tuple[int, ...]] = [(x,)]
    for number in range(1, layers + 1):
        joined = cfg.concat(*_flat(_recent(features) if style.sparse else features))
        cfg.comment(f"dense layer {number}")
        new = _dense_layer(cfg, joined, width, style)
        if style.sparse:
            features.append(new)
        else:
            # What was joined once stands for all its pieces.
            features = [(joined,), new]
    return cfg.concat(*_flat(features))


def _recent(features: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    back = [1 << power for power in range(len(features).bit_length())]
    return [features[-distance] for distance in back if distance <= len(features)]


def _flat(features: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(x for feature in features for x in feature)


def _dense_layer(cfg: CfgWriter, x: int, width: int, style: DenseStyle) -> tuple[int, ...]:
    """Two ways to new channels: one 3x3 convolution, and two of them."""

    def conv3(x: int) -> int:
        groups = cfg.channels(x) // style.group_channels if style.group_channels else 1
        return cfg.conv(x, style.growth // 2, 3, groups=groups)

    one = conv3(cfg.conv(x, width))
    two = conv3(conv3(cfg.conv(x, width)))
    if not style.squeeze:
        return one, two
    return (squeeze_excitation(cfg, cfg.concat(one, two), style.squeeze),)


def squeeze_excitation(cfg: CfgWriter, x: int, reduction: int) -> int:
    """``x`` with each channel scaled by what the mean of all says."""
    scale = cfg.conv(cfg.avgpool(x), cfg.channels(x) // reduction, batch_normalize=False)
    scale = cfg.conv(scale, cfg.channels(x), activation="logistic", batch_normalize=False)
    return cfg.scale_channels(scale, x)
