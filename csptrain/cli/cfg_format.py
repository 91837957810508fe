"""``csptrain cfg format``: a cfg in canonical layout."""

from __future__ import annotations

from pathlib import Path

from csptrain.cfg.layout import tidy
from csptrain.cfg.text import Reading, parse, read_text
from csptrain.cli.arguments import Arguments
from csptrain.cli.voice import say, show_text
from csptrain.errors import CfgError


def run(argv: list[str]) -> int:
    """Print the tidy text, or write it back; raises CfgError."""
    from csptrain.formats.files import write_atomically
    from csptrain.layers.contents import BY_NAME
    from csptrain.net import NAMES

    parser = Arguments(
        "cfg format",
        "One way to write a cfg: no blanks around =, full section names, one blank line between sections.",
    )
    parser.positional("files", "cfg files", many=True)
    parser.flag("write", "write back instead of printing")
    options = parser.parse(argv)
    if not options.files:
        raise parser.error("no cfg is given")
    names = {**dict.fromkeys(NAMES, "net"), **{name: kind.kind for name, kind in BY_NAME.items()}}
    for path in map(Path, options.files):
        before = read_text(path, errors="surrogateescape")
        parse(before, str(path), Reading(lenient=True))
        after = tidy(before, names)
        if not options.write:
            show_text(after.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        elif after != before:
            write_atomically(path.resolve(), [after.encode("utf-8", "surrogateescape")], CfgError)
            say(f"wrote {path}")
    return 0
