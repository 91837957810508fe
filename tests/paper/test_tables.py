"""The tables: all that can be computed is computed, and is what the paper prints but for the known few."""

from __future__ import annotations

from pathlib import Path

import pytest

from csptrain.paper.cell import Verdict
from csptrain.paper.sheet import Sheet
from csptrain.paper.tables import Found, speed_rows, table
from csptrain.zoo.rows.contents import TABLES

#: Table -> figures that are met, figures that are compared.
SCORES = {1: (16, 16), 2: (10, 10), 3: (40, 43), 4: (34, 38), 5: (15, 16)}


@pytest.fixture(scope="module")
def sheets() -> dict[int, Sheet]:
    return {number: table(number) for number in SCORES}


@pytest.mark.parametrize("number", SCORES)
def test_scores(sheets: dict[int, Sheet], number: int) -> None:
    assert sheets[number].score == "matched {} of {}".format(*SCORES[number])
    assert sheets[number].unexplained == 0


@pytest.mark.parametrize("number", SCORES)
def test_the_page_tells_the_scores(number: int) -> None:
    page = Path(__file__).resolve().parent.parent.parent / "docs/paper.md"
    assert "| table{} | {} of {} |".format(number, *SCORES[number]) in page.read_text(encoding="utf-8")


def test_what_is_not_met_has_a_reason(sheets: dict[int, Sheet]) -> None:
    found = {(name, cell.column) for sheet in sheets.values() for name, cell in sheet.deviations()}
    assert found == {
        ("Darknet Reference", "BFLOPs"),
        ("CSPDenseNet Reference", "BFLOPs"),
        ("CSPDenseNet-201-Elastic", "BFLOPs"),
        ("YOLOv3, DarkNet53, 608", "#Parameter"),
        ("YOLOv3, DarkNet53, 416", "#Parameter"),
        ("YOLOv3, DarkNet53, 320", "#Parameter"),
        ("PRN, DarkNet Ref., 416", "#Parameter"),
        ("YOLOv3-tiny-PRN, 416", "#Parameter"),
    }
    assert all(cell.note for sheet in sheets.values() for _, cell in sheet.deviations())


@pytest.mark.parametrize("number", SCORES)
def test_every_printed_figure_of_a_row_is_shown(sheets: dict[int, Sheet], number: int) -> None:
    lines = sheets[number].lines
    assert len(lines) == len(TABLES[number])
    for row, line in zip(TABLES[number], lines, strict=True):
        shown = {cell.paper.removesuffix(f"x{row.crops}") for cell in line.cells}
        costs = (row.parameters, row.bflops, row.change) if number != 2 else (row.bflops,)
        printed = {*costs, row.top1, row.top5, row.ap, row.ap50, row.ap75, row.ap_s, row.fps, row.cpu_fps}
        assert {text for text in printed if text} <= shown, line.labels


def test_costs_of_rows_with_a_network_are_never_taken_from_the_paper(sheets: dict[int, Sheet]) -> None:
    for sheet in sheets.values():
        for line in sheet.lines:
            for column in ("#Parameter", "BFLOPs"):
                cell = line.cell(column)
                assert not (line.cfg and cell.paper and not cell.here), (line.labels, column)


def test_quoted_rows_are_not_held_against_anything(sheets: dict[int, Sheet]) -> None:
    quoted = [line for sheet in sheets.values() for line in sheet.lines if line.quoted]
    assert len(quoted) > 20
    assert not any(cell.counted for line in quoted for cell in line.cells)


def test_accuracies_and_speeds_stand_beside_the_papers() -> None:
    found = Found(
        speeds={("yolov3-tiny", 416): 10.0, ("cspdensenetb-ref-prn", 320): 20.0, ("cspdensenet-ref-efm-sam", 320): 5.0},
        accuracies={("cspdensenetb-ref-prn", 320, 1): {"ap50": 33.96}},
    )
    sheet = table(5, found)
    lines = {line.cfg: line for line in sheet.lines if line.cfg}
    accuracy = lines["cspdensenetb-ref-prn"].cell("AP50")
    assert (accuracy.paper, accuracy.here, accuracy.verdict) == ("34.2", "34.0", Verdict.BESIDE)
    ratio = lines["cspdensenetb-ref-prn"].cell("FPS / YOLOv3-tiny")
    assert (ratio.paper, ratio.here, ratio.difference) == ("1.89", "2.00", "+0.11")
    # The paper leaves the CPU cells of the EFM rows empty.
    assert lines["cspdensenet-ref-efm-sam"].cell("FPS / YOLOv3-tiny").paper == ""
    assert lines["cspdensenet-ref-efm-sam"].cell("FPS / YOLOv3-tiny").here == "0.50"
    assert sheet.score == table(5).score


def test_what_was_measured_elsewhere_has_no_difference() -> None:
    measured = {("csppeleenet", 224, 1): {"top1": 50.0}}
    cell = next(
        line for line in table(1, Found(accuracies=measured, comparable=False)).lines if line.cfg == "csppeleenet"
    )
    assert (cell.cell("Top-1").here, cell.cell("Top-1").difference) == ("50.0", "")


def test_ten_crops_are_measured_apart() -> None:
    accuracies = {("csresnext50", 256, 1): {"top1": 77.0}, ("csresnext50", 256, 10): {"top1": 78.0}}
    lines = [line for line in table(3, Found(accuracies=accuracies)).lines if line.cfg == "csresnext50"]
    assert [line.cell("Top-1").here for line in lines] == ["77.0%", "78.0%"]


def test_speed_is_measured_with_the_baseline_and_without_quoted_rows() -> None:
    rows = speed_rows(5, {"cspdensenetb-ref-prn"})
    assert [row.cfg for row in rows] == ["yolov3-tiny", "cspdensenetb-ref-prn"]
    assert all(row.cfg and not row.quoted for row in speed_rows(3, None))
