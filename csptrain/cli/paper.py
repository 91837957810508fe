"""``csptrain paper``: a table or figure of the CSPNet paper, every figure beside what is found here."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cli.arguments import Arguments, unknown
from csptrain.cli.classifiers import IMAGENET
from csptrain.cli.session import COCO
from csptrain.cli.trained import positive
from csptrain.cli.voice import show, show_object, tell
from csptrain.errors import CspError

if TYPE_CHECKING:
    from csptrain.paper.runs import Course, Kind
    from csptrain.paper.sheet import Sheet
    from csptrain.paper.tables import Found
    from csptrain.zoo.rows.row import Row

#: What can be asked for -> the table whose rows it shows; 0 for figures about costs alone.
SHEETS = {"table1": 1, "table2": 2, "table3": 3, "table4": 4, "table5": 5, "figure4": 1, "figure7": 0, "figure8": 0}
CLASSIFIERS = (1, 3)
FOLDER = Path("runs/paper")
EXIT_UNEXPLAINED = 1


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        "paper",
        "Compute a table or figure of the CSPNet paper and hold it against what is printed there. Costs need no data "
        "set. Written as Markdown, CSV, JSON and an HTML page. Exit code 1: a figure differs for no known reason.",
    )
    parser.positional("sheet", ", ".join(SHEETS))
    parser.option("o", Path, FOLDER, f"folder to write to (default {FOLDER})", metavar="DIR")
    parser.option("rows", str, None, "what takes time for the networks of these cfgs alone", metavar="A,B")
    parser.flag("speed", "measure frames a second in OpenCV on this CPU")
    parser.flag("train", "train the rows' networks as far as they are not, then measure them")
    parser.flag("valid", "measure the networks whose weights are there: from --train, or weights/CFG.weights")
    parser.flag("smoke", "train and measure three rows on small data, in minutes")
    parser.option(
        "data", Path, None, f"data file instead of {IMAGENET}, {COCO} or the built-in set of --smoke", metavar="FILE"
    )
    parser.option("iterations", positive, None, "length of --train or --smoke instead of the cfg's", metavar="N")
    parser.option("device", str, None, "cpu, cuda, cuda:1 (default: cuda if there is one)")
    parser.json()
    return parser


def run(argv: list[str]) -> int:
    """Find, print and write; 1 when a figure differs for no known reason. Raises CspError."""
    parser = arguments()
    options = parser.parse(argv)
    if options.sheet not in SHEETS:
        raise unknown("table or figure", options.sheet, SHEETS)
    if not SHEETS[options.sheet] and (options.speed or options.train or options.valid or options.smoke):
        raise parser.error(f"{options.sheet} is about costs alone: nothing in it is measured or trained")
    if options.smoke and (options.train or options.valid):
        raise parser.error("--smoke has a course of its own, without --train and --valid")
    from csptrain.paper import layout

    sheet = _sheet(options.sheet, _found(options))
    for path in layout.write(sheet, options.o):
        tell(f"wrote {path}")
    show(*layout.lines(sheet))
    show_object(sheet.as_dict())
    return EXIT_UNEXPLAINED if sheet.unexplained else 0


def _sheet(name: str, found: Found) -> Sheet:
    from csptrain.paper import figures, tables

    if name.startswith("table"):
        return tables.table(SHEETS[name], found)
    if name == "figure4":
        return figures.figure4(found)
    return figures.figure7() if name == "figure7" else figures.figure8()


def _found(options: argparse.Namespace) -> Found:
    """What takes time to find, as far as it is asked for; raises CspError."""
    from csptrain.paper.tables import Found

    found = Found()
    if options.train or options.valid or options.smoke:
        found = _accuracies(options)
    if options.speed:
        from csptrain.paper.speed import frames_a_second
        from csptrain.paper.tables import speed_rows

        rows = speed_rows(SHEETS[options.sheet], _chosen(options))
        speeds, how = frames_a_second([(row.cfg, row.size) for row in rows], tell)
        found = replace(found, speeds=speeds, notes=(*found.notes, how))
    return found


def _accuracies(options: argparse.Namespace) -> Found:
    from csptrain.paper import runs
    from csptrain.paper.tables import Found

    course = _course(options)
    accuracies = {}
    missing = []
    for row in _rows(options):
        weights = runs.find_weights(row, course) if options.valid and not options.train else None
        if weights is None and options.valid and not options.train:
            missing.append(row.cfg)
            continue
        weights = weights or runs.train(row, course, tell)
        accuracies[row.cfg, row.size, row.crops] = runs.measure(row, weights, course, tell)
    notes = [f"trained here: {course}" if not options.valid or options.train else f"measured here on {course.data}"]
    if options.smoke:
        notes.append("these trainings prove the way from data to table; their accuracies are none of the paper's")
    if missing:
        notes.append(f"no weights yet: {', '.join(dict.fromkeys(missing))}")
    return Found(accuracies=accuracies, comparable=not options.smoke, notes=tuple(notes))


def _course(options: argparse.Namespace) -> Course:
    from csptrain.paper.runs import Course, check_data
    from csptrain.paper.smoke import smoke_course

    classifier = SHEETS[options.sheet] in CLASSIFIERS
    kind: Kind = "classifier" if classifier else "detector"
    if options.smoke:
        return smoke_course(kind, options.o, options.data, options.iterations, options.device)
    course = Course(
        kind,
        options.data or (IMAGENET if classifier else COCO),
        options.o / "trained",
        iterations=options.iterations,
        device=options.device,
    )
    check_data(course)
    return course


def _chosen(options: argparse.Namespace) -> set[str] | None:
    """The cfgs of --rows; raises CspError for one that is no row's."""
    from csptrain.zoo.rows.contents import TABLES

    if options.rows is None:
        return None
    known = {row.cfg for row in TABLES[SHEETS[options.sheet]] if row.cfg and not row.quoted}
    wanted = set(options.rows.split(","))
    if wanted - known:
        raise CspError(
            f"{min(wanted - known)} is no network of {options.sheet}", hint=f"legal: {', '.join(sorted(known))}"
        )
    return wanted


def _rows(options: argparse.Namespace) -> list[Row]:
    """The rows that are trained or measured, one for each network, size and number of crops."""
    from csptrain.paper.smoke import ROWS
    from csptrain.zoo.rows.contents import TABLES

    number = SHEETS[options.sheet]
    wanted = _chosen(options) or (set(ROWS[number]) if options.smoke else None)
    rows = (row for row in TABLES[number] if row.cfg and not row.quoted)
    kept = (row for row in rows if wanted is None or row.cfg in wanted)
    return list({(row.cfg, row.size, row.crops): row for row in kept}.values())
