"""``csptrain cfg diff``: two networks, layer by layer."""

from __future__ import annotations

import json

from csptrain.cli.arguments import Arguments


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
    parser.flag("json", "one JSON object")
    options = parser.parse(argv)
    comparison = compare(graph.load(options.old, options.lenient), graph.load(options.new, options.lenient))
    print(json.dumps(comparison.as_dict()) if options.json else "\n".join(comparison.lines()))
    return 0
