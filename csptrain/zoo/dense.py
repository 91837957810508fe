"""Dense blocks of two-way layers, and squeeze-and-excitation: what the PeleeNets are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from csptrain.zoo.writer import CfgWriter


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


PLAIN = DenseStyle()


def dense_block(cfg: CfgWriter, x: int, layers: int, width: int, style: DenseStyle = PLAIN) -> int:
    """The block's input and the new channels of all its layers, joined; ``width`` of a layer's 1x1 convolutions."""
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
    joined = cfg.concat(one, two)
    return (squeeze_excitation(cfg, joined, cfg.channels(joined) // style.squeeze),)


def squeeze_excitation(cfg: CfgWriter, x: int, width: int) -> int:
    """``x`` with each channel scaled by what the mean of all, narrowed to ``width`` channels, says."""
    scale = cfg.conv(cfg.avgpool(x), width, batch_normalize=False)
    scale = cfg.conv(scale, cfg.channels(x), activation="logistic", batch_normalize=False)
    return cfg.scale_channels(scale, x)
