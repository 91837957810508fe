"""The figures of the rows against the text of the paper, cell by cell, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from csptrain.zoo.rows.contents import TABLES
from csptrain.zoo.rows.row import Row

#: The columns of each table from the right, and the number of its rows.
COLUMNS = {
    1: ("top1", "bflops"),
    2: ("bflops", "fps", "ap", "ap50", "ap75"),
    3: ("parameters", "bflops", "top1", "top5"),
    4: ("size", "fps", "bflops", "parameters", "ap", "ap50", "ap75", "ap_s", "ap_m", "ap_l"),
    5: ("size", "fps", "cpu_fps", "mobile_fps", "ap50"),
}


def printed(paper: str, table: int) -> Iterator[tuple[str, ...]]:
    """The cells of a table's rows in the text, which has a tab between any two."""
    _, _, after = paper.partition(f"Table {table}: ")
    lines = after.splitlines()[1:]
    heading = next(number for number, line in enumerate(lines) if "\t" in line)
    for line in lines[heading + 1 :]:
        if "\t" not in line:
            return
        yield tuple(line.split("\t"))[-len(COLUMNS[table]) :]


def cells(row: Row) -> tuple[str, ...]:
    """The same cells of a row, as the paper writes them."""
    found = []
    for column in COLUMNS[row.table]:
        text = str(getattr(row, column) or "-")
        if column == "size" and row.table == 4:
            text = f"{text}×{text}"
        if column == "bflops":
            text += f"×{row.crops}" if row.crops > 1 else ""
            text += f" ({row.change})" if row.change else ""
        found.append(text)
    return tuple(found)


@pytest.mark.parametrize("table", COLUMNS)
def test_every_cell_is_the_papers(shared: Path, table: int) -> None:
    paper = (shared / "paper" / "cspnet.txt").read_text(encoding="utf-8")
    expected = [tuple(cell.strip() for cell in row) for row in printed(paper, table)]
    assert expected
    assert [cells(row) for row in TABLES[table]] == expected


def test_table_5_repeats_table_4() -> None:
    """The same systems by size, rate and AP50, whatever their names."""
    table4 = {(row.cfg, row.size): (row.fps, row.ap50) for row in TABLES[4]}
    for row in TABLES[5]:
        if row.cfg:
            assert table4[row.cfg, row.size] == (row.fps, row.ap50), row.name


def test_networks_are_named_by_what_the_rows_say() -> None:
    """Backbone and head of a row of Table 4 stand in its cfg's name."""
    words = {
        "PeleeNet": "peleenet",
        "CSPPeleeNet": "csppeleenet",
        "CSPPeleeNet Ref.": "csppeleenet-ref",
        "CSPDenseNet Ref.": "cspdensenet-ref",
        "CSPDenseNetb Ref.": "cspdensenetb-ref",
        "CSPResNeXt50": "csresnext50",
    }
    for row in TABLES[4]:
        if row.cfg and row.backbone in words:
            head = re.sub(r"[ ()]+", "-", row.name.lower()).strip("-")
            assert row.cfg == f"{words[row.backbone]}-{head}"
