"""`csptrain cfg new`: what is written and printed, and how mistakes are answered."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from csptrain import graph
from csptrain.cli.main import main

CFG = Path(__file__).parents[2] / "cfg"
NEW = ["cfg", "new"]
EFM = ["--backbone", "csppeleenet", "--gamma", "0.5", "--head", "efm", "--attention", "sam", "--size", "416"]


def test_a_detector_is_written_and_its_cost_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.cfg"
    assert main([*NEW, *EFM, "--classes", "80", "-o", str(file)]) == 0
    said = capsys.readouterr()
    assert said.out == f"wrote {file}\n"
    assert said.err == "csppeleenet-50-efm-sam: 4.31M weights, 5.068 BFLOPs at 416x416, as the paper counts\n"
    assert [head.classes for head in graph.load(file).box_heads] == [80, 80, 80]


def test_it_is_printed_and_the_command_in_its_header_writes_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--backbone cspdarknet53 --activation mish --fusion last --gamma .25 --split route --head prn --classes 3"
    assert main([*NEW, *words.split()]) == 0
    content = capsys.readouterr().out
    command = next(line for line in content.splitlines() if "csptrain cfg new" in line).partition("csptrain ")[2]
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out == content


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "say which backbone: --backbone NAME"),
        (["--backbone"], 2, "needs a value"),
        (["--backbone", "csppeleenet", "--size", "big"], 2, "--size"),
        (["--backbone", "vgg"], 1, "there is no backbone vgg (legal: peleenet, "),
        (["--backbone", "csppeleenet", "--head", "ssd"], 1, "there is no head ssd (legal: classifier, "),
        (["--backbone", "peleenet", "--gamma", ".5"], 1, "peleenet has no cross-stage partial form to choose: gamma"),
        (["--backbone", "csppeleenet", "--gamma", "nan"], 1, "gamma=nan"),
    ],
)
def test_mistakes_are_one_line(words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*NEW, *words]) == code
    said = capsys.readouterr()
    assert message in said.err
    assert (said.err.count("\n"), said.out) == (1, "")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main([*NEW, "--backbone", "resnet10", "-o", str(tmp_path / "file" / "x.cfg")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_network_of_the_folder_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("cfg/yolov4-tiny.cfg")
    assert main(["cfg", "info", str(file)]) == 1
    hint = f"csptrain cfg new yolov4-tiny -o {file} writes that network"
    assert capsys.readouterr().err == f"csptrain: error: {file}: no such cfg file ({hint})\n"
    assert main(shlex.split(hint)[1:-3]) == 0
    assert file.read_bytes() == (CFG / "yolov4-tiny.cfg").read_bytes()
    assert "6.05M weights, 6.910 BFLOPs at 416x416" in capsys.readouterr().err
    assert main([*NEW, "yolov4-tiny", "--size", "320x256", "--classes", "3", "-o", str(file)]) == 0
    written = graph.load(file)
    assert (written.net.width, written.net.height, written.box_heads[0].classes) == (320, 256, 3)


def test_a_named_network_is_not_composed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*NEW, "yolov4-tiny", "--gamma", "0.5"]) == 2
    assert "--gamma is for a network that is composed" in capsys.readouterr().err
    assert main([*NEW, "yolov4-tinny"]) == 1
    assert "there is no network yolov4-tinny in the zoo (did you mean yolov4-tiny?)" in capsys.readouterr().err
    for missing in ("mine.cfg", "yolov4-tiny.cfg"):
        assert main(["cfg", "info", str(tmp_path / missing)]) == 1
        assert capsys.readouterr().err.endswith(f"{missing}: no such cfg file\n")
