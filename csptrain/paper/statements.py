"""Figures in the sentences of the paper that need no data set: what its text says of the costs of networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from csptrain.cfg import text
from csptrain.cost import explore
from csptrain.graph import plan
from csptrain.layers.pooling import MaxPool
from csptrain.paper.cell import held_against
from csptrain.paper.networks import cost, planned
from csptrain.paper.sheet import Statement
from csptrain.zoo.writer import IMAGE, CfgWriter

Network = tuple[str, int]  # cfg, side of the input in pixels

PELEE, PARTIAL = ("peleenet", 224), ("csppeleenet", 224)
YOLO, PRN, EFM = ("peleenet-yolov3-2l", 416), ("peleenet-prn", 416), ("csppeleenet-efm", 416)
RESNEXT, CSPRESNEXT = ("resnext50", 256), ("csresnext50", 256)


@dataclass(frozen=True)
class _Claim:
    """A sentence, the section it stands in, its figure as printed, and how the figure is computed here."""

    where: str
    says: str
    printed: str
    value: Callable[[], float]
    note: str = ""


def about(sheet: str) -> tuple[Statement, ...]:
    """The sentences that belong to a table or figure."""
    return tuple(
        Statement(claim.says, held_against(claim.where, claim.printed, claim.value(), note=claim.note))
        for claim in _CLAIMS.get(sheet, ())
    )


def dense_block_cio(channels: int, layers: int, growth: int, half: bool = False) -> float:
    """The paper's CIO, for each pixel, of a dense block on c channels of m layers with growth rate d.

    ``half``: of the partial dense block, which half of the channels goes through.
    """
    base = channels * layers / 2 if half else channels * layers
    return base + (layers**2 + layers) * growth / 2


def counted_dense_block_cio(channels: int, layers: int, growth: int, half: bool = False) -> float:
    """The same, counted on a planned block of one convolution a layer."""
    side = 8
    cfg = CfgWriter()
    base = cfg.conv(IMAGE, channels)
    x = cfg.part(base, 1) if half else base
    for _ in range(layers):
        x = cfg.concat(cfg.conv(x, growth, 3), x)
    net = [("batch", "1"), ("width", str(side)), ("height", str(side)), ("channels", "3")]
    network = explore(plan(text.parse(cfg.text(net, []), "dense block")))
    return sum(layer.cio for layer in network.layers[base + 1 :]) / side**2


def _operations_saved(of: Network, by: Network) -> float:
    """Percent by which the operations fall."""
    return 100 * (1 - cost(*by).bflops / cost(*of).bflops)


def _bottleneck_saved(of: Network, by: Network) -> float:
    """Percent by which the operations of the largest layer fall."""
    return 100 * (1 - cost(*by).bottleneck.bflops / cost(*of).bottleneck.bflops)


def _maxout_saved(network: Network) -> float:
    """Percent of its map's values that the strongest maxout of a network leaves out."""
    maxouts = (node for node in planned(*network).nodes if isinstance(node.layer, MaxPool) and node.layer.maxpool_depth)
    return max(100 * (1 - node.output.outputs / node.inputs[0].outputs) for node in maxouts)


def _cio(network: Network) -> float:
    """Millions of values, pooling layers counted too."""
    return cost(*network).pooled_cio / 1e6


def _cut(name: str, cfg: str, printed: str) -> _Claim:
    says = f"part of PeleeNet's operations that {name} saves"
    return _Claim("section 4.2", says, printed, partial(_operations_saved, PELEE, (cfg, 224)))


def _dense_claims() -> Iterator[_Claim]:
    formulas = {False: "a dense block, (c m) + (m^2 + m) d / 2", True: "a partial one, (c m + (m^2 + m) d) / 2"}
    for half, formula in formulas.items():
        for sizes in ((128, 4, 32), (512, 8, 32)):
            says = "CIO a pixel of {}, for c, m, d = {}, {}, {}".format(formula, *sizes)
            printed = f"{dense_block_cio(*sizes, half):.0f}"
            yield _Claim("section 3.1", says, printed, partial(counted_dense_block_cio, *sizes, half))


_CIO_NOTE = "pooling layers counted too: HarDNet's own formula, convolutions alone, gives 1 to 2M less"
_CLAIMS: dict[str, tuple[_Claim, ...]] = {
    "table1": (
        _cut("CSP (fusion last), gamma 0.5,", "csppeleenet-last", "21%"),
        _cut("CSP (fusion last), gamma 0.25,", "csppeleenet-last-25", "11%"),
        _cut("CSPPeleeNet", "csppeleenet", "13%"),
        _cut("CSPPeleeNet, gamma 0.25,", "csppeleenet-25", "3%"),
    ),
    "table3": (
        _Claim(
            "section 4.3",
            "part of EfficientNet-B0's operations that SECSPPeleeNet-swish saves",
            "3%",
            partial(_operations_saved, ("efficientnet-b0", 224), ("secsppeleenet-swish", 224)),
        ),
    ),
    "figure7": (
        _Claim(
            "section 4.5",
            "part of the largest layer of PeleeNet-PRN, a transition of the backbone, that CSPPeleeNet-EFM saves",
            "44%",
            partial(_bottleneck_saved, PRN, EFM),
        ),
        _Claim(
            "section 4.5",
            "part of the largest layer of PeleeNet-YOLO, in its head, that CSPPeleeNet-EFM saves",
            "80%",
            partial(_bottleneck_saved, YOLO, EFM),
        ),
        _Claim(
            "introduction",
            "part of the memory of the feature pyramid that cross-channel pooling saves",
            "75%",
            partial(_maxout_saved, EFM),
            "of the map that EFM's first maxout narrows, 256 to 64 channels; the paper does not say what is counted",
        ),
    ),
    "figure8": (
        _Claim("section 4.5", "CIO of ResNeXt-50", "34.4M", partial(_cio, RESNEXT), _CIO_NOTE),
        _Claim("section 4.5", "CIO of CSPResNeXt-50", "32.6M", partial(_cio, CSPRESNEXT), _CIO_NOTE),
        _Claim(
            "section 4.5",
            "part of ResNeXt-50's operations that CSPResNeXt-50 saves",
            "22%",
            partial(_operations_saved, RESNEXT, CSPRESNEXT),
        ),
        *_dense_claims(),
    ),
}
