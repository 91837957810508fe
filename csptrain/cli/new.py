"""``csptrain new``: from a folder of labelled pictures to lists, names, a data file and a cfg that fits them."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments
from csptrain.cli.trained import fraction, natural, positive
from csptrain.cli.voice import say, tell

VERB = "new"
_MOST_TOLD = 10
KINDS = ("yolo", "voc", "coco", "labelme", "cvat")


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Make a project of a folder of pictures and their labels (YOLO txt, VOC xml, COCO json, LabelMe json, CVAT "
        "xml): lists to learn from and to measure on, names, a data file, a cfg that fits the boxes, and the commands "
        "to run next. The pictures and labels stay as they are and where they are.",
    )
    parser.positional("project", "folder to make; its name is that of the files in it")
    parser.positional("images", "folder of the pictures, with labels in it or beside it")
    parser.option("labels", Path, None, "where the labels are (default: among or beside the images)", metavar="PATH")
    parser.option("format", str, None, "kind of the labels, where there are several", choices=KINDS)
    parser.option("names", str, None, "class names, as a,b,c or a file with one a line", metavar="NAMES")
    parser.option("cfg", str, None, "a network of cfg/ by name, or a cfg of your own", metavar="CFG")
    parser.option("size", parse_size, None, "input size (default: by the size of the boxes)", metavar="N[xM]")
    parser.option("iterations", positive, None, "length of the training (default: by the number of images)")
    parser.option("valid", fraction, None, "share of the images to measure on (0.2)", metavar="SHARE")
    parser.option("test", fraction, None, "share of the images to keep for the end (0)", metavar="SHARE")
    parser.option("seed", natural, 0, "of the draw of images and anchors (0)", metavar="N")
    parser.flag("background", "take images without labels as showing nothing; they are left out otherwise")
    parser.flag("copy", "copy the pictures instead of linking to them")
    return parser


def run(argv: list[str]) -> int:
    """Make the project, say what was chosen and what to do next; raises CspError."""
    parser = arguments()
    options = vars(parser.parse(argv))
    project, images = options.pop("project"), options.pop("images")
    folder = Path(os.path.normpath(project))
    if folder.name in ("", ".."):
        raise parser.error(f"'{project}' is no name for a folder")

    from csptrain.project.make import Wishes, make_project

    origin = shlex.join(["csptrain", VERB, *argv])
    made = make_project(folder, Path(images), Wishes(**options), origin, _ask_names)
    _tell_left_out(made.left_out)
    say(*made.told, f"wrote       {folder}", "", "next:")
    for step in made.steps:
        say(f"  # {step.purpose}", f"  {step.command}")
    return 0


def _ask_names(classes: int) -> tuple[str, ...]:
    """The class names, asked for where a person sits at the terminal; none otherwise."""
    if not _at_a_terminal():
        return ()
    print(f"The labels number {classes} classes. Their names in that order, between commas (Enter: numbers): ", end="")
    sys.stdout.flush()
    return tuple(word.strip() for word in sys.stdin.readline().split(",") if word.strip())


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _tell_left_out(lines: Sequence[str]) -> None:
    for line in lines[:_MOST_TOLD]:
        tell(f"left out: {line}")
    if len(lines) > _MOST_TOLD:
        tell(f"left out: {len(lines) - _MOST_TOLD} more")
