"""``csptrain cfg info``: Darknet's layer table of a cfg."""

from __future__ import annotations

from pathlib import Path

from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments
from csptrain.cli.session import Overrides, load_graph
from csptrain.cli.voice import say, show, show_object
from csptrain.summary import summarize


def run(argv: list[str]) -> int:
    """Print the table, or JSON; raises CfgError."""
    parser = Arguments("cfg info", "Print the layers of a cfg with shapes, BFLOPs and parameters.")
    parser.positional("cfg", "the cfg file")
    parser.option("size", parse_size, None, "input size instead of the cfg's", metavar="N[xM]")
    parser.json()
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become notes")
    options = parser.parse(argv)
    graph, _ = load_graph(Path(options.cfg), Overrides(size=options.size), say, options.lenient)
    summary = summarize(graph)
    show(*summary.lines())
    show_object(summary.as_dict())
    return 0
