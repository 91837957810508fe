"""The rows of the paper's tables: every figure of a network of ours, to the printed digit."""

from __future__ import annotations

from pathlib import Path

import pytest

from csptrain import graph
from csptrain.zoo.contents import RECIPES
from csptrain.zoo.figures import Figures
from csptrain.zoo.rows.beside import BESIDE
from csptrain.zoo.rows.contents import TABLES
from csptrain.zoo.rows.row import Counting, Row

ROWS = [row for table in TABLES.values() for row in table] + list(BESIDE)
COUNTINGS: tuple[Counting, ...] = ("weights", "file", "learnable")
OWN = [row for row in ROWS if row.cfg and row.size and (row.bflops or row.parameters)]


def name_of(row: Row) -> str:
    return f"{row.table}-{row.name}-{row.gamma or row.backbone}-{row.size}"


def digits(value: float, like: str) -> str:
    """A number with as many decimals as ``like`` and its unit."""
    number = like.rstrip("M")
    return f"{value:.{len(number.partition('.')[2])}f}" + like[len(number) :]


def here(figures: Figures, column: str, like: str) -> str:
    return digits(figures.operations / 1e9 if column == "bflops" else figures.parameters / 1e6, like)


@pytest.mark.parametrize("row", OWN, ids=name_of)
def test_figures_are_the_printed_ones_or_known_not_to_be(repository: Path, row: Row) -> None:
    planned = graph.load(repository / "cfg" / f"{row.cfg}.cfg").resized(row.size, row.size)
    figures = Figures.of(planned, row.counting)
    unmatched = dict(row.unmatched)
    for column in ("bflops", "parameters"):
        printed = getattr(row, column)
        if not printed or row.quoted:
            continue
        found = here(figures, column, printed)
        if column in unmatched:
            assert found == unmatched[column] != printed
        else:
            assert found == printed


def test_what_is_unmatched_is_said_and_little() -> None:
    unmatched = [(row.table, row.name, column, figure) for row in ROWS for column, figure in row.unmatched]
    assert unmatched == [
        (3, "Darknet Reference", "bflops", "0.97"),
        (3, "CSPDenseNet Reference", "bflops", "0.836"),
        (3, "CSPDenseNet-201-Elastic", "bflops", "7.09"),
        (4, "YOLOv3", "parameters", "61.9M"),
        (4, "YOLOv3", "parameters", "61.9M"),
        (4, "YOLOv3", "parameters", "61.9M"),
        (4, "PRN", "parameters", "4.94M"),
    ]
    assert all(row.note for row in ROWS if row.unmatched)


def test_every_row_has_its_network_or_is_quoted() -> None:
    assert [len(table) for table in TABLES.values()] == [12, 10, 24, 38, 10]
    for row in ROWS:
        assert row.cfg in RECIPES if row.cfg else row.quoted, row
        assert row.evidence or row.quoted or row.table == 5, row
        assert row.size or not row.cfg, row
        assert not row.baseline or row.baseline in {other.name for other in TABLES[row.table]}


def test_changes_are_those_of_the_figures() -> None:
    """The paper's percentages: of the printed BFLOPs against those of the baseline row."""
    changed = [row for row in TABLES[3] if row.change]
    assert len(changed) == 6
    for row in changed:
        baseline = next(other for other in TABLES[3] if other.name == row.baseline)
        assert f"{100 * (float(row.bflops) / float(baseline.bflops) - 1):+.0f}%" == row.change


def test_the_three_ways_of_counting(repository: Path) -> None:
    planned = graph.load(repository / "cfg" / "densenet201-elastic.cfg")
    figures = {counting: Figures.of(planned, counting).parameters for counting in COUNTINGS}
    weights, normalized, unnormalized_biases, classes = 19260736, 110544, 7856, 1000
    assert figures == {
        "weights": weights,
        "learnable": weights + 2 * normalized + classes,
        "file": weights + 4 * normalized + unnormalized_biases + classes,
    }
