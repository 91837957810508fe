"""`csptrain cfg info`: the table and its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from csptrain.cli.main import main
from tests import tiny


@pytest.fixture
def cfg(tmp_path: Path) -> str:
    (tmp_path / "tiny.cfg").write_text(tiny.cfg())
    return str(tmp_path / "tiny.cfg")


def test_the_table(cfg: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cfg", "info", cfg]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:6]] == [
        ["0", "convolutional"], ["1", "convolutional"], ["2", "convolutional"], ["3", "convolutional"], ["4", "yolo"],
    ]  # fmt: skip
    assert lines[6] == "Total BFLOPS 0.000"


def test_json_is_all_there_is_on_stdout(cfg: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cfg", "info", cfg, "--json", "--size", "64x96"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["layers"][4]["output"] == [8, 12, 14]
    assert found["parameters"]["weights"] == 27 * 8 + 72 * 16 + 144 * 24 + 24 * 14
    assert found["parameters"]["all"] == found["parameters"]["weights"] + 4 * (8 + 16 + 24) + 14
    assert found["operations"] == round(sum(layer["bflops"] or 0 for layer in found["layers"]) * 1e9)


def test_a_mistake_is_an_error_and_when_lenient_a_note(cfg: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(cfg).write_text(tiny.cfg(net="hua=.1\n"))
    assert main(["cfg", "info", cfg]) == 1
    assert capsys.readouterr().err.endswith("tiny.cfg:15: unknown key hua= in [net] (did you mean hue?)\n")
    assert main(["cfg", "info", cfg, "--lenient"]) == 0
    assert capsys.readouterr().out.startswith(f"note: {cfg}:15: unknown key hua= in [net]")
    assert main(["cfg", "info", cfg, "--lenient", "--json"]) == 0
    json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("words", [[], ["a.cfg", "b.cfg"], ["a.cfg", "--size", "0"], ["a.cfg", "--jason"]])
def test_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cfg", "info", *words]) == 2
    assert capsys.readouterr().err.startswith("csptrain: error: ")
