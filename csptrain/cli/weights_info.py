"""``csptrain weights info``: what each layer of a cfg takes from a weights file, and where the two part."""

from __future__ import annotations

from pathlib import Path

from csptrain.cli.arguments import Arguments
from csptrain.cli.session import Overrides, load_graph
from csptrain.cli.voice import show, show_object, tell


def run(argv: list[str]) -> int:
    """Print the map, or JSON; raises CspError, also where cfg and file do not fit (unless ``--partial``)."""
    parser = Arguments("weights info", "Print the header of a weights file and what each layer of a cfg takes from it.")
    parser.positional("cfg", "the network")
    parser.positional("weights", "the file")
    parser.json()
    parser.flag("partial", "a file that ends early or goes on is no error")
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become notes")
    options = parser.parse(argv)
    graph, _ = load_graph(Path(options.cfg), Overrides(), tell, options.lenient)

    from csptrain.formats.weights_map import map_weights

    found = map_weights(graph, options.weights)
    show(*found.lines())
    show_object(found.as_dict())
    if found.verdict is not None and not options.partial:
        raise found.verdict
    return 0
