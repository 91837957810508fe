"""``csptrain cfg graph``: the network as a picture."""

from __future__ import annotations

from pathlib import Path

from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments
from csptrain.cli.session import Overrides, load_graph
from csptrain.cli.voice import say
from csptrain.errors import CfgError


def run(argv: list[str]) -> int:
    """Draw and write; raises CfgError."""
    from csptrain.formats.files import utf8, write_atomically
    from csptrain.report.diagram import draw
    from csptrain.report.draw import save_png
    from csptrain.report.picture import paint, svg

    parser = Arguments(
        "cfg graph",
        "Draw a network: a column for each stage of one resolution, with its cost; layers that are not simply read by "
        "the next one have a line at their side.",
    )
    parser.positional("cfg", "the cfg file")
    parser.option(
        "o", Path, None, "picture to write, .svg or .png (default: the cfg's name with .svg, here)", metavar="FILE"
    )
    parser.option("size", parse_size, None, "input size instead of the cfg's", metavar="N[xM]")
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become notes")
    options = parser.parse(argv)
    target = options.o or Path(Path(options.cfg).with_suffix(".svg").name)
    suffix = target.suffix.lower()
    if suffix not in (".svg", ".png"):
        raise parser.error(f"{target} is neither .svg nor .png")
    graph, _ = load_graph(Path(options.cfg), Overrides(size=options.size), say, options.lenient)
    picture = draw(graph)
    if suffix == ".svg":
        write_atomically(target, [utf8(svg(picture))], CfgError)
    else:
        save_png(paint(picture), target)
    say(f"wrote {target}")
    return 0
