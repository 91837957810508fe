"""``csptrain cfg new``: a network of ``cfg/`` by its name, or one's own from a backbone, its form and a head."""

from __future__ import annotations

from pathlib import Path

from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments
from csptrain.cli.voice import say, show_text, tell
from csptrain.errors import CfgError


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        "cfg new",
        "Compose a cfg from a backbone, its cross-stage partial form and what stands on it, with the CSPNet paper's "
        "training settings; or write a network of cfg/ by its name: csptrain cfg new yolov4-tiny -o yolov4-tiny.cfg. A "
        "word that is not known is answered with all that are.",
    )
    parser.positional("name", "a network of cfg/; --size and --classes may change it", optional=True)
    parser.option("backbone", str, None, "the backbone, as csppeleenet or cspdarknet53", metavar="NAME")
    parser.option("head", str, None, "what stands on it, as efm (default: classifier)", metavar="NAME")
    parser.option("gamma", float, None, "fraction of a stage's channels that goes around its blocks")
    parser.option("fusion", str, None, "transition before the join, after it or at both: last, first, both")
    parser.option("split", str, None, "each part made by a convolution, or channels as they are: conv, route")
    parser.flag("se", "squeeze-and-excitation on the new channels of dense layers")
    parser.option("activation", str, None, "activation of all convolutions that have one (default: the backbone's)")
    parser.option("attention", str, None, "attention before each prediction of boxes: none, sam")
    parser.option("loss", str, None, "loss of boxes: mse, giou")
    parser.option("size", parse_size, None, "input size (default: the classifier's own, 416)", metavar="N[xM]")
    parser.option("classes", int, None, "number of classes (default: 1000, or 80 of boxes)")
    parser.option("o", Path, None, "file to write to (default: print it)", metavar="FILE")
    return parser


def run(argv: list[str]) -> int:
    """Compose, say what it costs, and write or print; raises CfgError."""
    from csptrain.formats.files import write_atomically
    from csptrain.zoo.composer import Choice, compose
    from csptrain.zoo.contents import compose as by_name

    parser = arguments()
    options = vars(parser.parse(argv))
    file, name = options.pop("o"), options.pop("name")
    squeeze = options.pop("se")
    if name is not None:
        parts = [key for key, value in options.items() if value is not None and key not in ("size", "classes")]
        if parts or squeeze:
            raise parser.error(f"--{(*parts, 'se')[0]} is for a network that is composed, not for one of cfg/")
        width, height = options["size"] or (None, None)
        content = by_name(name, width, height, options["classes"])
    elif options["backbone"] is None:
        raise parser.error("say which backbone: --backbone NAME, or name a network of cfg/")
    else:
        options["head"] = options["head"] or "classifier"
        name, content = compose(Choice(squeeze=squeeze, **options))
    if file is None:
        show_text(content)
        return 0
    write_atomically(file, [content.encode()], CfgError)
    figures = next(line for line in content.splitlines() if " BFLOPs at " in line).removeprefix("# ")
    tell(f"{name}: {figures}")
    say(f"wrote {file}")
    return 0
