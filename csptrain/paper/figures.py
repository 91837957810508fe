"""Figures 4, 7 and 8: the same comparisons, drawn from the networks here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from csptrain.paper.cell import only_here
from csptrain.paper.networks import cost
from csptrain.paper.sheet import Line, Sheet
from csptrain.paper.statements import CSPRESNEXT, EFM, PRN, RESNEXT, YOLO, Network, about
from csptrain.paper.tables import NOTHING, Found, table
from csptrain.report.bars import MEASURES, draw_bars
from csptrain.report.scatter import Series, draw_scatter

#: What Figure 4 calls the rows of Table 1.
STRATEGIES = {
    "PeleeNet": "PeleeNet: no partial block",
    "CSP (fusion first)": "CSP (fusion first)",
    "CSP (fusion last)": "CSP (fusion last)",
    "CSPPeleeNet": "CSPPeleeNet: both",
}


def figure4(found: Found = NOTHING) -> Sheet:
    """Top-1 against BFLOPs of the four ways to fuse, for all gammas of Table 1."""
    rows = table(1, found)
    lines = tuple(line for line in rows.lines if line.labels[0] in STRATEGIES)
    series = [*_accuracies(lines, "paper"), *(_accuracies(lines, "here") if found.comparable else ())]
    picture = draw_scatter(
        series,
        "Figure 4: truncating the gradient flow",
        "BFLOPs of one image, counted here",
        "top-1 in %",
        "at each point its gamma, the part of a stage's channels that goes around its dense block; the paper's figure "
        "shows gamma 0.5",
    )
    return Sheet(
        "figure4",
        "Figure 4: truncating the gradient flow, accuracy against operations",
        rows.labels,
        ("BFLOPs", "change", "Top-1"),
        lines,
        notes=("accuracies are the paper's, from Table 1, unless a training here stands beside them", *found.notes),
        pictures=(picture,),
    )


def _accuracies(lines: Sequence[Line], part: str) -> list[Series]:
    """The points of each strategy, of the paper's accuracies or of those here."""
    found = []
    for colour, (name, strategy) in enumerate(STRATEGIES.items()):
        points = tuple(
            (cost(line.cfg, 224).bflops, float(getattr(line.cell("Top-1"), part)), line.labels[1])
            for line in lines
            if line.labels[0] == name and getattr(line.cell("Top-1"), part)
        )
        if points:
            here = part == "here"
            found.append(Series(f"{strategy}, trained here" if here else strategy, points, colour, here))
    return found


def figure7() -> Sheet:
    """Operations of each layer of three detectors."""
    return _of_layers(
        "figure7",
        "Figure 7: operations of each layer, and where a detector's bottleneck lies",
        {"PeleeNet-YOLO": YOLO, "PeleeNet-PRN": PRN, "CSPPeleeNet-EFM": EFM},
        "bflops",
        "the paper's figure prints no numbers; its text has the ones below the table",
    )


def figure8() -> Sheet:
    """Input and output of each convolution of ResNeXt-50 and of its partial form."""
    return _of_layers(
        "figure8",
        "Figure 8: input and output of each convolution",
        {"ResNeXt-50": RESNEXT, "CSPResNeXt-50": CSPRESNEXT},
        "cio",
        "the paper's figure prints no numbers; the least memory access for the same operations is that of convolutions "
        "with as many input as output channels: equal bars",
    )


def _of_layers(name: str, title: str, networks: Mapping[str, Network], measure: str, note: str) -> Sheet:
    costs = {network: cost(*network) for network in networks.values()}
    lines = []
    for said, network in networks.items():
        found = costs[network]
        most = found.bottleneck
        figures = {
            "BFLOPs": f"{found.bflops:.3f}",
            "largest layer": f"{most.bflops:.4f}",
            "which": f"{most.index}: {most.middle}",
            "weights": f"{found.weights / 1e6:.2f}M",
            "CIO": f"{found.cio / 1e6:.2f}M",
            "CIO with pooling": f"{found.pooled_cio / 1e6:.2f}M",
            "peak memory MiB": f"{found.peak.held / (1 << 20):.1f}",
        }
        cells = tuple(only_here(column, text) for column, text in figures.items())
        lines.append(Line((said, f"{network[1]}x{network[1]}"), cells, network[0]))
    picture = draw_bars({name: costs[network] for name, network in networks.items()}, [MEASURES[measure]], title)
    columns = tuple(cell.column for cell in lines[0].cells)
    return Sheet(name, title, ("network", "input"), columns, tuple(lines), about(name), (note,), pictures=(picture,))
