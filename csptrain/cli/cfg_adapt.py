"""``csptrain cfg adapt``: another number of classes, other anchors, another input size; the rest of the text stays."""

from __future__ import annotations

from pathlib import Path

from csptrain.cfg import edit, text
from csptrain.cfg.draft import Draft, carry_over
from csptrain.cfg.edit import Sections, parse_size
from csptrain.cfg.fields import Malformed, numbers
from csptrain.cli.arguments import Arguments
from csptrain.cli.voice import say, show_text, tell
from csptrain.errors import CfgError


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        "cfg adapt",
        "Change a cfg so that all that belongs together changes together: classes and filters; anchors, num, mask and "
        "filters. Comments and layout stay. The result is planned before it is written.",
    )
    parser.positional("cfg", "the cfg file")
    parser.option("classes", int, None, "number of classes")
    parser.option(
        "anchors", _anchors, None, "width,height of each anchor, between commas; another number is dealt out anew"
    )
    parser.option("size", parse_size, None, "input size", metavar="N[xM]")
    parser.option("o", Path, None, "file to write to (default: print it)", metavar="FILE")
    return parser


def run(argv: list[str]) -> int:
    """Adapt, say what changed, and write; raises CfgError."""
    from csptrain import graph
    from csptrain.formats.files import write_atomically

    parser = arguments()
    options = parser.parse(argv)
    if options.classes is None and options.anchors is None and options.size is None:
        raise parser.error("say what to change: --classes, --anchors or --size")
    if options.classes is not None and options.classes < 1:
        raise parser.error(f"--classes {options.classes} must be 1 or more")
    content = text.read_text(options.cfg, errors="surrogateescape")
    before = text.parse(content, options.cfg)
    after, changes = before, list[str]()
    if options.classes is not None:
        after, said = edit.set_classes(after, options.classes)
        changes += said
    if options.anchors is not None:
        after, said = edit.set_anchors(after, options.anchors, _finest_first(after))
        changes += said
    if options.size is not None:
        after, said = edit.set_size(after, *options.size)
        changes += said
    graph.plan(after)
    draft = Draft(content)
    carry_over(draft, before, after)
    for line in changes or ["nothing changes"]:
        tell(line)
    if options.o is None:
        show_text(draft.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    else:
        write_atomically(options.o, [draft.text.encode("utf-8", "surrogateescape")], CfgError)
        say(f"wrote {options.o}")
    return 0


def _anchors(words: str) -> tuple[float, ...]:
    try:
        return numbers("".join(words.split()))
    except Malformed as bad:
        raise ValueError(f"{words} is not {bad.legal}") from None


def _finest_first(sections: Sections) -> tuple[int, ...]:
    """Numbers of the [yolo] layers, that of the largest map first."""
    from csptrain import graph

    nodes = graph.plan(sections).nodes
    heads = [node for node in nodes if node.layer.kind in ("yolo", "Gaussian_yolo")]
    heads.sort(key=lambda node: -node.output.h * node.output.w)
    return tuple(node.layer.index for node in heads)
