"""`csptrain paper`: sheets, files, exit codes, and the scripts that call it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from csptrain.cli import paper
from csptrain.cli.main import main
from csptrain.datasets.shapes import ensure_shapes
from csptrain.paper import runs, smoke, tables

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_table_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper", "table2", "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == "matched 10 of 10"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "table2.csv", "table2.html", "table2.json", "table2.md",
    ]  # fmt: skip
    assert json.loads((tmp_path / "table2.json").read_text())["matched"] == 10


def test_an_unexplained_difference_is_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tables, "bflops", lambda row: 1.0)
    assert main(["paper", "table2", "-o", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "matched 0 of 10"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["table6"], 2, "did you mean table"),
        (["figure7", "--speed"], 2, "figure7 is about costs alone"),
        (["table1", "--smoke", "--train"], 2, "--smoke has a course of its own"),
        (["table5", "--speed", "--rows", "yolov9"], 1, "yolov9 is no network of table5"),
        (["table1", "--train", "--data", "no.data"], 1, "no.data: there is no such data set"),
        (["table2", "--valid", "--data", "no.data"], 1, "no.data: there is no such data set"),
    ],
)
def test_mistakes(
    words: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["paper", *words, "-o", str(tmp_path)]) == code
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_smoke_trains_the_three_ways_to_fuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(smoke, "ensure_shapes", lambda folder: ensure_shapes(folder, train=8, val=4))
    called: list[list[str]] = []

    def run(words: list[str], log: Path) -> str:
        called.append(words)
        if words[1] == "train":
            (log.parent / f"{Path(words[3]).stem}_final.weights").write_bytes(b"")
        return '{"top1": 0.5}'

    monkeypatch.setattr(runs, "_run", run)
    assert main(["paper", "table1", "--smoke", "--iterations", "7"]) == 0
    trained = [Path(words[3]).stem for words in called if words[1] == "train"]
    assert trained == ["csppeleenet-first", "csppeleenet-last", "csppeleenet"]
    found = json.loads((paper.FOLDER / "table1.json").read_text())
    cells = [cell for line in found["lines"] for cell in line["cells"] if cell["column"] == "Top-1" and cell["here"]]
    assert [cell["here"] for cell in cells] == ["50.0"] * 3
    assert "their accuracies are none of the paper's" in capsys.readouterr().out


def test_valid_measures_what_has_weights_and_names_what_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "x.data").write_text("classes=80\ntrain=images\nvalid=images\n")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/yolov3-tiny.weights").write_bytes(b"")
    monkeypatch.setattr(runs, "_run", lambda words, log: '{"coco": {"AP50": 0.331}}')
    assert main(["paper", "table5", "--valid", "--data", "x.data", "--rows", "yolov3-tiny,yolov3-tiny-prn"]) == 0
    out = capsys.readouterr().out
    assert "no weights yet: yolov3-tiny-prn" in out
    row = next(line for line in out.splitlines() if line.startswith("YOLOv3-tiny "))
    assert row.split()[-5:-2] == ["33.1", "33.1", "="]


@pytest.mark.parametrize("sheet", paper.SHEETS)
def test_every_sheet_has_a_thin_script(sheet: str) -> None:
    script = ROOT / f"scripts/{sheet}.sh"
    lines = script.read_text().splitlines()
    assert os.access(script, os.X_OK)
    assert 5 <= len(lines) <= 10
    assert lines[-1] == f'exec .venv/bin/csptrain paper {sheet} "$@"'


@pytest.mark.parametrize("sheet", ["figure4", "figure7", "figure8"])
def test_figures_are_drawn(sheet: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper", sheet, "-o", str(tmp_path)]) == 0
    assert (tmp_path / f"{sheet}.png").stat().st_size > 10000
    assert capsys.readouterr().out.splitlines()[-1].startswith("matched ")
