"""``csptrain cost``: what each layer of networks costs, as a table, CSV, JSON, a page or a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments
from csptrain.cli.session import Overrides, load_graph
from csptrain.cli.voice import show, show_object, tell
from csptrain.errors import CfgError

if TYPE_CHECKING:
    from csptrain.cost import LayerCost, NetworkCost

MEASURES = ("bflops", "cio", "parameters", "traffic", "memory")
FEW = ("bflops", "cio", "memory")
COLUMNS = (
    "layer",
    "kind",
    "filters  size/stride",
    "output",
    "BFLOPs",
    "parameters",
    "CIO",
    "traffic MiB",
    "held MiB",
    "sees pixels",
)
_MIB = 1 << 20


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        "cost",
        "Print what each layer of networks costs for one image: operations, parameters, convolutional input and "
        "output (CIO), memory traffic, memory held, receptive field. Several cfgs are compared.",
    )
    parser.positional("cfg", "the cfg files", many=True)
    parser.option("size", parse_size, None, "input size instead of the cfgs'", metavar="N[xM]")
    parser.option("csv", Path, None, "write a line for each layer of each network", metavar="FILE")
    parser.option("html", Path, None, "write one page with pictures and tables", metavar="FILE")
    parser.option("png", Path, None, "draw a bar for each layer, networks side by side", metavar="FILE")
    parser.option(
        "show", str, None, f"a row of bars for one measure alone (default: {', '.join(FEW)})", choices=MEASURES
    )
    parser.json()
    parser.flag("totals", "print the networks' totals alone")
    parser.flag("lenient", "read the cfgs as Darknet does; mistakes become notes")
    return parser


def run(argv: list[str]) -> int:
    """Print and write; raises CspError."""
    parser = arguments()
    options = parser.parse(argv)
    if not options.cfg:
        raise parser.error("no cfg is given")
    from csptrain.cost import explore

    networks = [
        explore(load_graph(Path(path), Overrides(size=options.size), tell, options.lenient)[0]) for path in options.cfg
    ]
    show(*_lines(networks, options.totals))
    show_object({"networks": [network.as_dict() for network in networks]})
    _write(networks, options.csv, options.html, options.png, (options.show,) if options.show else FEW)
    return 0


def _write(
    networks: Sequence[NetworkCost],
    csv_file: Path | None,
    html: Path | None,
    png: Path | None,
    measures: Sequence[str],
) -> None:
    from csptrain.formats.files import utf8, write_atomically
    from csptrain.report.bars import MEASURES as KNOWN
    from csptrain.report.bars import draw_bars
    from csptrain.report.draw import save_png
    from csptrain.report.page import drawing, heading, page, table
    from csptrain.report.picture import paint, svg

    if csv_file:
        write_atomically(csv_file, [utf8(_csv(networks))], CfgError)
        tell(f"wrote {csv_file}")
    if not (html or png):
        return
    picture = draw_bars(
        dict(zip(_names(networks), networks, strict=True)),
        [KNOWN[name] for name in measures],
        "Cost of each layer, for one image",
    )
    if png:
        save_png(paint(picture), png)
        tell(f"wrote {png}")
    if html:
        parts = [table(*_totals(networks)), drawing(svg(picture))]
        for network in networks:
            parts += [heading(network.path), table(COLUMNS, [_cells(layer) for layer in network.layers])]
        write_atomically(html, [utf8(page("Cost of networks", parts))], CfgError)
        tell(f"wrote {html}")


def _lines(networks: Sequence[NetworkCost], totals_alone: bool) -> Iterator[str]:
    if not totals_alone:
        for network in networks:
            yield f"{network.path}, {network.image.w}x{network.image.h}"
            yield from _aligned(COLUMNS, [_cells(layer) for layer in network.layers])
            yield ""
    yield from _aligned(*_totals(networks))


def _cells(layer: LayerCost) -> list[str]:
    rows, columns = layer.field
    seen = f"{columns:.0f}" if rows == columns else f"{columns:.0f}x{rows:.0f}"
    return [
        str(layer.index),
        layer.kind,
        layer.middle,
        f"{layer.output.w}x{layer.output.h}x{layer.output.c}",
        f"{layer.bflops:.4f}" if layer.bflops else "",
        str(layer.parameters) if layer.parameters else "",
        f"{layer.cio / 1e6:.3f}M" if layer.cio else "",
        f"{layer.traffic / _MIB:.2f}" if layer.traffic else "",
        f"{layer.held / _MIB:.2f}",
        "image" if "inf" in seen else seen,
    ]


def _names(networks: Sequence[NetworkCost]) -> list[str]:
    """Of each network a name that no other has: the cfg's, its path, or that with a number."""
    for names in ([network.name for network in networks], [network.path for network in networks]):
        if len(set(names)) == len(networks):
            return names
    return [f"{network.path} ({number})" for number, network in enumerate(networks, 1)]


def _totals(networks: Sequence[NetworkCost]) -> tuple[list[str], list[list[str]]]:
    header = ["", *_names(networks)]
    rows: dict[str, Callable[[NetworkCost], str]] = {
        "input": lambda network: f"{network.image.w}x{network.image.h}",
        "BFLOPs": lambda network: f"{network.bflops:.3f}",
        "largest layer, BFLOPs": lambda network: f"{network.bottleneck.bflops:.4f} (layer {network.bottleneck.index})",
        "parameters": lambda network: f"{network.parameters / 1e6:.3f}M",
        "weights alone": lambda network: f"{network.weights / 1e6:.3f}M",
        "CIO": lambda network: f"{network.cio / 1e6:.2f}M",
        "CIO with pooling": lambda network: f"{network.pooled_cio / 1e6:.2f}M",
        "traffic, MiB": lambda network: f"{network.traffic / _MIB:.1f}",
        "peak memory, MiB": lambda network: f"{network.peak.held / _MIB:.1f} (layer {network.peak.index})",
        "all outputs kept, MiB": lambda network: f"{network.kept / _MIB:.1f}",
    }
    return header, [[name, *(value(network) for network in networks)] for name, value in rows.items()]


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of one width; all but the first three of many to the right."""
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]
    words = (1, 2) if len(header) == len(COLUMNS) else (0,)
    for row in (header, *rows):
        cells = (
            text.ljust(width) if place in words else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _csv(networks: Sequence[NetworkCost]) -> str:
    stream = io.StringIO()
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow(
        "cfg layer kind width height channels bflops parameters read written cio traffic_bytes held_bytes "
        "field_columns field_rows".split()
    )
    for network in networks:
        for layer in network.layers:
            numbers = layer.as_dict()
            columns, rows = numbers["field"]
            lines.writerow(
                [
                    network.path,
                    layer.index,
                    layer.kind,
                    *numbers["output"],
                    layer.bflops,
                    layer.parameters,
                    layer.read,
                    layer.written,
                    layer.cio,
                    layer.traffic,
                    layer.held,
                    columns,
                    rows,
                ]
            )
    return stream.getvalue()
