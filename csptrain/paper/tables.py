"""Tables 1 to 5: every row of the paper, with the figures that need no data set computed and held against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from csptrain.paper.cell import Cell, Printed, Verdict, beside, held_against, only_here, only_paper
from csptrain.paper.networks import bflops, cost, millions
from csptrain.paper.sheet import Line, Sheet
from csptrain.paper.statements import about
from csptrain.zoo.rows.contents import TABLES
from csptrain.zoo.rows.row import Row

#: Column of a table -> field of its rows, in the paper's order.
Columns = dict[str, str]

_AP: Columns = {"AP": "ap", "AP50": "ap50", "AP75": "ap75"}
_TITLES = {
    1: "Table 1: ablation study of CSPNet on ImageNet",
    2: "Table 2: ablation study of EFM on MS COCO (CSPPeleeNet, 416x416)",
    3: "Table 3: comparison with the state of the art on ImageNet",
    4: "Table 4: comparison with the state of the art on MS COCO object detection",
    5: "Table 5: inference rate of real-time detectors",
}
_LABELS: dict[int, Columns] = {
    1: {"model": "name", "gamma": "gamma"},
    2: {"head": "name"},
    3: {"model": "name"},
    4: {"method": "name", "backbone": "backbone", "size": "size"},
    5: {"model": "name", "size": "size"},
}
_COLUMNS: dict[int, Columns] = {
    1: {"BFLOPs": "bflops", "change": "change", "Top-1": "top1"},
    2: {"BFLOPs": "bflops", "FPS": "fps", **_AP},
    3: {"#Parameter": "parameters", "BFLOPs": "bflops", "change": "change", "Top-1": "top1", "Top-5": "top5"},
    4: {
        "FPS": "fps",
        "BFLOPs": "bflops",
        "#Parameter": "parameters",
        **_AP,
        "APs": "ap_s",
        "APm": "ap_m",
        "APl": "ap_l",
    },
    5: {
        "#Parameter": "parameters",
        "BFLOPs": "bflops",
        "GPU FPS": "fps",
        "CPU FPS": "cpu_fps",
        "mGPU FPS": "mobile_fps",
        "AP50": "ap50",
    },
}
#: The row that speeds are put in relation to, and the column of the paper's own speeds.
BASELINES = {1: "PeleeNet", 2: "PRN", 3: "PeleeNet", 4: "YOLOv3 (tiny)", 5: "YOLOv3-tiny"}
_SPEEDS = {2: "fps", 4: "fps", 5: "cpu_fps"}
CIO, LARGEST = "CIO", "largest layer"
SPEED = "FPS in OpenCV"


@dataclass(frozen=True)
class Found:
    """What was measured here.

    ``speeds``: frames a second by cfg and size. ``accuracies``: in percent, by cfg, size and number of crops, then by
    the row's field. ``comparable``: they were measured on the paper's data set. ``notes``: how; said below the table.
    """

    speeds: Mapping[tuple[str, int], float] = field(default_factory=dict)
    accuracies: Mapping[tuple[str, int, int], Mapping[str, float]] = field(default_factory=dict)
    comparable: bool = True
    notes: tuple[str, ...] = ()


NOTHING = Found()


def table(number: int, found: Found = NOTHING) -> Sheet:
    """A table of the paper; raises CfgError for a row's network that is not in the zoo."""
    rows = _with_costs(number)
    return Sheet(
        f"table{number}",
        _TITLES[number],
        tuple(_LABELS[number]),
        (*_COLUMNS[number], CIO, LARGEST, SPEED, _ratio_column(number)),
        tuple(_line(row, rows, found) for row in rows),
        about(f"table{number}"),
        (*_notes(number), *found.notes),
    )


def speed_rows(number: int, wanted: set[str] | None) -> list[Row]:
    """The rows of a table whose speed is measured: those of the ``wanted`` cfgs, or all, and always its baseline."""
    own = [row for row in TABLES[number] if row.cfg and not row.quoted]
    return [row for row in own if wanted is None or row.cfg in wanted or row.name == BASELINES[number]]


def _with_costs(number: int) -> tuple[Row, ...]:
    """The rows; those of Table 5 have the costs that Table 4 prints for the same networks."""
    if number != 5:
        return TABLES[number]
    printed = {(row.cfg, row.size): row for row in TABLES[4] if row.cfg}
    return tuple(_costs_of(row, printed.get((row.cfg, row.size))) for row in TABLES[5])


def _costs_of(row: Row, other: Row | None) -> Row:
    if other is None:
        return row
    return replace(
        row,
        parameters=other.parameters,
        bflops=other.bflops,
        counting=other.counting,
        unmatched=other.unmatched,
        evidence=other.evidence,
        note=other.note,
    )


def _line(row: Row, rows: tuple[Row, ...], found: Found) -> Line:
    labels = (getattr(row, name) for name in _LABELS[row.table].values())
    cells = [cell for cell in _cells(row, rows, found) if cell.paper or cell.here]
    return Line(
        tuple("" if label == 0 else str(label) for label in labels),
        tuple(cells),
        row.cfg,
        row.quoted,
        row.evidence,
        row.note,
    )


def _cells(row: Row, rows: tuple[Row, ...], found: Found) -> Iterator[Cell]:
    for column, name in _COLUMNS[row.table].items():
        printed: str = getattr(row, name)
        if name in ("parameters", "bflops", "change"):
            yield _cost_cell(row, rows, column, name, printed)
        else:
            measured = found.accuracies.get((row.cfg, row.size, row.crops), {}).get(name)
            yield (
                only_paper(column, printed)
                if measured is None or not printed
                else _measured(column, printed, measured, found.comparable)
            )
    if row.cfg:
        network = cost(row.cfg, row.size)
        yield only_here(CIO, f"{network.cio / 1e6:.1f}M")
        yield only_here(LARGEST, f"{network.bottleneck.bflops:.3f}")
        yield from _speed_cells(row, rows, found)


def _measured(column: str, printed: str, value: float, comparable: bool) -> Cell:
    cell = beside(column, printed, value)
    return cell if comparable else replace(cell, difference="")


def _cost_cell(row: Row, rows: tuple[Row, ...], column: str, name: str, printed: str) -> Cell:
    if not row.cfg:
        return only_paper(column, _crops(row, name, printed))
    if name == "change":
        if not row.baseline:
            return only_paper(column, printed)
        base = next(other for other in rows if other.name == row.baseline and other.cfg)
        value = 100 * (bflops(row) / bflops(base) - 1)
    else:
        value = bflops(row) if name == "bflops" else millions(row)
    if not printed:
        return only_here(column, {"change": f"{value:+.0f}%", "bflops": f"{value:.3f}"}.get(name, f"{value:.2f}M"))
    if row.quoted:
        return beside(column, printed, value)
    cell = held_against(column, printed, value, dict(row.unmatched).get(name, ""), row.note)
    return cell if row.crops == 1 or name != "bflops" else _cropped(cell, row)


def _crops(row: Row, name: str, printed: str) -> str:
    return f"{printed}x{row.crops}" if printed and name == "bflops" and row.crops > 1 else printed


def _cropped(cell: Cell, row: Row) -> Cell:
    times = f"x{row.crops}"
    return Cell(cell.column, cell.paper + times, cell.here + times, cell.difference, cell.verdict, cell.note)


def _ratio_column(number: int) -> str:
    return f"FPS / {BASELINES[number]}"


def _speed_cells(row: Row, rows: tuple[Row, ...], found: Found) -> Iterator[Cell]:
    here = found.speeds.get((row.cfg, row.size))
    if here is None:
        return
    yield only_here(SPEED, f"{here:.1f}")
    base = next(other for other in rows if other.name == BASELINES[row.table])
    base_speed = found.speeds.get((base.cfg, base.size))
    if base_speed is None:
        return
    ratio = here / base_speed
    name = _SPEEDS.get(row.table)
    printed, base_printed = (getattr(one, name) if name else "" for one in (row, base))
    column = _ratio_column(row.table)
    if not (printed and base_printed):
        yield only_here(column, f"{ratio:.2f}")
        return
    paper = Printed.read(printed).value / Printed.read(base_printed).value
    off = f"{round(ratio, 2) - round(paper, 2):+.2f}"
    yield Cell(column, f"{paper:.2f}", f"{ratio:.2f}", off, Verdict.BESIDE)


def _notes(number: int) -> tuple[str, ...]:
    costs = "CIO: input and output values of all convolutions; largest layer: its BFLOPs; the paper prints neither"
    if number == 5:
        return ("#Parameter and BFLOPs are those of the same networks in Table 4", costs)
    return (costs,)
