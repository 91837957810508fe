"""``csptrain cfg diff``: two networks, layer by layer."""

from __future__ import annotations

from csptrain.cli.arguments import Arguments
from csptrain.cli.voice import show, show_object


def run(argv: list[str]) -> int:
    """Print what differs; raises CfgError."""
    from csptrain import graph
    from csptrain.report.structure import compare

    parser = Arguments(
        "cfg diff",
        "Compare two networks: which layers were added, removed or changed, and what that does to size and cost. "
        "Layout, order of keys, short names, written-out defaults and the way of counting layers make no difference.",
    )
    parser.positional("old", "the first cfg")
    parser.positional("new", "the second cfg")
    parser.flag("lenient", "read the cfgs as Darknet does")
    parser.json()
    options = parser.parse(argv)
    comparison = compare(graph.load(options.old, options.lenient), graph.load(options.new, options.lenient))
    show(*comparison.lines())
    show_object(comparison.as_dict())
    return 0
