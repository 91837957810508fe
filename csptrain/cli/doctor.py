"""``csptrain doctor``: a data set, and the cfg that is to learn it, before the first hour of training."""

from __future__ import annotations

from pathlib import Path

from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments, UsageError
from csptrain.cli.session import DATA_SUFFIXES, pick_device
from csptrain.cli.trained import natural, positive
from csptrain.cli.voice import show, show_object, tell
from csptrain.errors import CspError

VERB = "doctor"


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Look at the lists, pictures, labels and classes of a data set, and at the anchors of a cfg with it: csptrain "
        "doctor x.data [net.cfg]. Every finding says where, what it means and what to do. Exit code 1 if there is an "
        "error.",
    )
    parser.positional("files", "data [cfg]", many=True)
    parser.option("html", Path, None, "write a page with the findings and labels drawn on pictures", metavar="FILE")
    parser.json()
    parser.flag("dry_run", "train one mini-batch at the largest size of the cfg: memory and time")
    parser.flag("overfit", "train on eight pictures from random weights, to see whether they are learnt by heart")
    parser.option("iterations", positive, 200, "length of --overfit (200)", metavar="N")
    parser.option("size", parse_size, None, "input size instead of the cfg's (without a cfg 416)", metavar="N[xM]")
    parser.option("tiny", positive, 4, "pixels that the shorter side of a box needs at that size (4)", metavar="N")
    parser.option("few", natural, 10, "boxes in train that a class needs (10)", metavar="N")
    parser.option("pictures", positive, None, "pictures of a list to decode (default: all)", metavar="N")
    parser.option("device", str, None, "of the trials: cpu, cuda, cuda:1 (default: cuda if there is one)")
    parser.flag("lenient", "read the cfg as Darknet does")
    return parser


def run(argv: list[str]) -> int:
    """Examine, print, write the page, and return 1 if there is an error; raises CspError."""
    parser = arguments()
    options = parser.parse(argv)
    data, cfg = _files(options.files)
    trials = options.dry_run or options.overfit
    if trials and cfg is None:
        raise parser.error("--dry-run and --overfit need a cfg")

    from csptrain.doctor.examine import Settings, examine
    from csptrain.doctor.lines import report_lines

    settings = Settings(
        size=options.size,
        tiny=options.tiny,
        few=options.few,
        most_pictures=options.pictures,
        lenient=options.lenient,
        device=pick_device(options.device) if trials else None,
        dry_run=options.dry_run,
        overfit=options.iterations if options.overfit else 0,
    )
    done = examine(data, cfg, settings)
    show(*report_lines(done))
    show_object(done.as_dict())
    if options.html is not None:
        from csptrain.doctor.sheet import doctor_page
        from csptrain.formats.files import utf8, write_atomically

        write_atomically(options.html, [utf8(doctor_page(done))], CspError)
        tell(f"wrote {options.html}")
    return int(done.book.verdict == "errors")


def _files(words: list[str]) -> tuple[Path, Path | None]:
    rest = list(words)
    if not rest or not rest[0].endswith(DATA_SUFFIXES):
        found = f"found '{rest[0]}'" if rest else "none is given"
        raise UsageError(f"{VERB} needs a data file: {found}", hint=f"csptrain {VERB} x.data [net.cfg]")
    data = Path(rest.pop(0))
    cfg = Path(rest.pop(0)) if rest and rest[0].endswith(".cfg") else None
    if rest:
        raise UsageError(f"{VERB} takes a data file and a cfg: found '{rest[0]}'", hint=f"csptrain {VERB} x.data y.cfg")
    return data, cfg
