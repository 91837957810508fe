"""One sheet in five forms."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from csptrain.paper import layout
from csptrain.paper.cell import Cell, Verdict, held_against, only_here, only_paper
from csptrain.paper.sheet import Line, Sheet, Statement
from csptrain.report.picture import Box, Picture

SHEET = Sheet(
    "table9",
    "Table 9: <a> | b",
    ("model", "size"),
    ("BFLOPs", "AP", "CIO", "empty"),
    (
        Line(
            ("one", "416"), (held_against("BFLOPs", "1.0", 1.02), only_paper("AP", "20.1"), only_here("CIO", "3M")), "x"
        ),
        Line(
            ("two", "320"),
            (held_against("BFLOPs", "2.0", 2.2, "2.2", "why | so"), only_paper("AP", "30")),
            "y",
            note="n",
        ),
        Line(("three", ""), (only_paper("BFLOPs", "3.0"),), quoted=True),
    ),
    (Statement("a sentence", held_against("section 1", "44%", 43.7)),),
    ("a note",),
    (Picture(40, 30, [Box(5, 5, 10, 10, "#2f6fb3")]),),
)


def test_lines_end_with_the_score() -> None:
    lines = list(layout.lines(SHEET))
    assert lines[-1] == "matched 2 of 3"
    assert lines[2].split() == ["model", "size", "BFLOPs", "AP", "CIO"]
    assert lines[3].split() == ["paper", "here", "difference", "paper", "here"]
    assert lines[5].split() == ["two", "320", "2.0", "2.2", "+0.2", "(+10.0%)", "30"]
    assert "two, 320: BFLOPs: paper 2.0, here 2.2, off by +0.2 (+10.0%): why | so" in lines
    assert "quoted as the paper has them: three" in lines
    assert "section 1: a sentence: paper 44%, here 44%  =" in lines


def test_all_forms_are_written(tmp_path: Path) -> None:
    paths = layout.write(SHEET, tmp_path / "new")
    assert [path.name for path in paths] == ["table9.md", "table9.csv", "table9.json", "table9.html", "table9.png"]
    assert all(path.stat().st_size for path in paths)


def test_markdown_rows_have_one_width() -> None:
    text = layout.markdown(SHEET)
    rows = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows[:5]} == {8}
    assert "why | so" in text and text.endswith("**matched 2 of 3**\n")


def test_csv_has_a_line_for_each_figure() -> None:
    rows = list(csv.DictReader(io.StringIO(layout.comma_separated(SHEET))))
    assert len(rows) == 7
    assert rows[3] == {
        "sheet": "table9", "model": "two", "size": "320", "cfg": "y", "column": "BFLOPs", "paper": "2.0", "here": "2.2",
        "difference": "+0.2 (+10.0%)", "verdict": "known", "note": "why | so",
    }  # fmt: skip


def test_json_counts() -> None:
    found = json.loads(json.dumps(SHEET.as_dict()))
    assert (found["matched"], found["compared"], found["unexplained"]) == (2, 3, 0)
    assert found["lines"][0]["cells"][0]["verdict"] == "match"


def test_html_marks_verdicts_and_escapes() -> None:
    html = layout.html(SHEET)
    assert "Table 9: &lt;a&gt; | b" in html and "<a>" not in html
    assert 'class="number known"' in html and 'class="number match"' in html
    assert "<svg" in html


def test_a_figure_without_a_reason_is_said_to_have_none() -> None:
    line = Line(("one", ""), (Cell("BFLOPs", "1.0", "1.5", "+0.5", Verdict.DEVIATES),))
    sheet = Sheet("s", "t", ("model", "size"), ("BFLOPs",), (line,))
    assert sheet.unexplained == 1
    assert any("no reason is known" in text for text in layout.lines(sheet))
