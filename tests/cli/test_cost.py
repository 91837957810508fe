"""`csptrain cost`: tables, CSV, JSON, page and picture."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import pytest

from csptrain.cli.main import main
from tests import tiny


@pytest.fixture
def cfgs(tmp_path: Path) -> list[str]:
    for name, middle in (("one", ""), ("<two>", "[maxpool]\nsize=2\nstride=1\n")):
        (tmp_path / f"{name}.cfg").write_text(tiny.cfg(middle=middle))
    return [str(tmp_path / "one.cfg"), str(tmp_path / "<two>.cfg")]


def test_a_table_for_each_network_and_their_totals(cfgs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", *cfgs]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(("/", "layer"))][::2] == [f"{cfg}, 32x32" for cfg in cfgs]
    assert lines[2].split()[:5] == ["0", "convolutional", "8", "3x3/2", "16x16x8"]
    totals = {line[:21].strip(): line[21:].split() for line in lines[-10:]}
    assert totals["input"] == ["32x32", "32x32"]
    assert totals["CIO"] == ["0.01M", "0.01M"]


def test_totals_alone(cfgs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", cfgs[0], "--totals", "--size", "64"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 11


def test_json_and_csv_say_the_same(cfgs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", *cfgs, "--json", "--csv", str(tmp_path / "c.csv")]) == 0
    found = json.loads(capsys.readouterr().out)["networks"]
    with (tmp_path / "c.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [network["cfg"] for network in found] == cfgs
    layers = [(network["cfg"], layer) for network in found for layer in network["layers"]]
    assert len(rows) == len(layers) == 11
    for row, (cfg, layer) in zip(rows, layers, strict=True):
        assert (row["cfg"], int(row["layer"]), row["kind"]) == (cfg, layer["index"], layer["kind"])
        for name in ("parameters", "read", "written", "cio", "traffic_bytes", "held_bytes"):
            assert int(row[name]) == layer[name]
        assert float(row["bflops"]) == layer["bflops"]
        assert [float(row["field_columns"]), float(row["field_rows"])] == layer["field"]


def test_page_and_picture(cfgs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    html, png = tmp_path / "c.html", tmp_path / "c.png"
    assert main(["cost", *cfgs, "--totals", "--html", str(html), "--png", str(png), "--show", "memory"]) == 0
    text = html.read_text()
    assert "&lt;two&gt;" in text and "<two>" not in text
    assert "Memory held while each layer runs" in text and "Operations of each layer" not in text
    picture = cv2.imread(str(png))
    assert picture is not None and picture.min() < 100 < picture.mean()
    capsys.readouterr()


def test_nothing_to_cost_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost"]) == 2
    assert "no cfg is given" in capsys.readouterr().err


def test_cfgs_of_one_name_stay_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.cfg").write_text(tiny.cfg())
    words = [str(tmp_path / "a/net.cfg"), str(tmp_path / "b/net.cfg")]
    assert main(["cost", *words, "--totals"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == words
    assert main(["cost", words[0], words[0], "--totals", "--png", str(tmp_path / "c.png")]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == [words[0], "(1)", words[0], "(2)"]
