"""``csptrain ops``: the operations of one forward pass, as Darknet counts and prints them."""

from __future__ import annotations

from pathlib import Path

from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments
from csptrain.cli.session import Overrides, load_graph
from csptrain.cli.voice import show, show_object, tell


def run(argv: list[str]) -> int:
    """Print the two lines; raises CspError."""
    parser = Arguments(
        "ops", "Print the floating point operations of a cfg: 2 for each multiplication, groups ignored."
    )
    parser.positional("cfg", "the network")
    parser.option("size", parse_size, None, "input size instead of the cfg's", metavar="N[xM]")
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become notes")
    parser.json()
    options = parser.parse(argv)
    graph, _ = load_graph(Path(options.cfg), Overrides(size=options.size), tell, options.lenient)
    operations = sum(node.cost.operations for node in graph.nodes)
    show(f"Floating Point Operations: {operations}", f"Floating Point Operations: {operations / 1e9:.2f} Bn")
    shape = graph.net.shape
    show_object({"cfg": options.cfg, "input": [shape.w, shape.h, shape.c], "operations": operations})
    return 0
