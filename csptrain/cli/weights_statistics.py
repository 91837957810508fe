"""``csptrain statistics``: every tensor of a weights file in numbers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from csptrain.cli.arguments import Arguments
from csptrain.cli.session import Overrides, load_graph
from csptrain.cli.voice import show, show_object, tell


def run(argv: list[str]) -> int:
    """Print the table, or JSON; raises CspError."""
    parser = Arguments("statistics", "Print mean, variance, least and largest value of every tensor of a weights file.")
    parser.positional("cfg", "the network")
    parser.positional("weights", "its weights")
    parser.json()
    parser.flag("partial", "accept weights that end early or go on after the last layer")
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become notes")
    options = parser.parse(argv)
    graph, _ = load_graph(Path(options.cfg), Overrides(), tell, options.lenient)

    from csptrain.formats.darknet import fill
    from csptrain.formats.rewrite import statistics

    rows = list(statistics(fill(graph, options.weights, options.partial)))
    show_object({"tensors": [asdict(row) for row in rows]})
    heads = "".join(f" {word:>12s}" for word in ("mean", "variance", "min", "max"))
    show(f"{'layer':>5s} {'kind':14s} {'tensor':17s} {'floats':>9s}{heads}")
    for row in rows:
        numbers = "".join(f" {value:12.5g}" for value in (row.mean, row.variance, row.low, row.high))
        bad = f"  {row.bad} INFINITE OR NO NUMBER" if row.bad else ""
        show(f"{row.layer:5d} {row.kind:14s} {row.name:17s} {row.count:9d}{numbers}{bad}")
    return 0
