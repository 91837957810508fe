"""`csptrain classifier ...` from the command line to its files."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import pytest

from csptrain.cfg import text
from csptrain.cli.main import main
from csptrain.cli.progress import Display
from csptrain.formats.darknet import load
from csptrain.train.log import Record, read_results
from tests import tiny_classes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with ``classes.data`` and ``classes.cfg`` in it."""
    monkeypatch.chdir(tmp_path)
    tiny_classes.write_set(tmp_path)
    return tmp_path


def train(*words: str) -> int:
    files = ["classes.data", "classes.cfg"]
    return main(["classifier", "train", *files, "--workers", "0", "--device", "cpu", *words])


def trained(folder: Path) -> list[str]:
    return ["classes.data", "backup/classes.cfg", "backup/classes_final.weights", "--device", "cpu"]


def value(path: Path, section: int, key: str) -> str:
    option = text.read(path)[section].get(key)
    assert option is not None
    return option.value


def test_it_learns_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("-topk", "-dont_show", "--iterations", "60", "--topk-every", "20", "--seed", "1") == 0
    out = capsys.readouterr().out
    assert "override: layer 3 [convolutional] filters=3" in out
    assert "images: 12 to train, 6 to validate" in out
    assert "6: top 1: 1.000000, top 2: 1.000000" in out and "iteration 60: top-1 = 1.0000, top-2 = 1.0000" in out
    rows = read_results(folder / "backup" / "results.csv")
    assert [row["iteration"] for row in rows if "top1" in row] == [20, 40, 60]
    assert (rows[-1]["top1"], rows[-1]["topk"]) == (1, 1) and rows[-1]["loss"] < 0.5 < rows[0]["loss"]
    assert rows[29]["rate"] == pytest.approx(0.05 * (1 - 30 / 60) ** 4)
    names = {path.name for path in (folder / "backup").iterdir()}
    assert {"chart.png", "classes.cfg", "classes.state", "classes_best.weights", "classes_final.weights"} <= names
    assert value(folder / "backup" / "classes.cfg", 4, "filters") == "3"
    assert load(folder / "backup" / "classes.cfg", folder / "backup" / "classes_final.weights").seen == 240

    assert main(["classifier", "valid", *trained(folder), "--json", "--split", "train", "-out", "all.json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["top1"], told["top2"], told["balanced"]) == (12, 1, 1, 1)
    assert [one["right"] for one in told["classes"]] == [4, 4, 4]
    each = json.loads((folder / "all.json").read_text())["guesses"]
    assert [one["truth"] for one in each] == [one["classes"][0]["name"] for one in each]
    for verb in ("valid10", "validfull"):
        assert main(["classifier", verb, *trained(folder), "-t", "1"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert "6: top 1: 1.000000, top 1: 1.000000" in lines
        assert "class_id = 0, name = red, accuracy = 100.00% (2 of 2), precision = 100.00%" in lines


def test_predictions(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert train("--iterations", "2") == 0
    capsys.readouterr()
    (folder / "val" / "red" / "bad.jpg").write_bytes(b"no image")
    words = ["classifier", "predict", *trained(folder), "val/red", "val/blue/00.png", "-t", "3", "-out", "out.json"]
    assert main([*words, "--batch", "2"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    files = ["val/red/00.png", "val/red/01.png", "val/blue/00.png"]
    assert [line.split(": ")[0] for line in lines[::4]] == files
    shares = [float(line.split(": ")[1]) for line in lines[1:4]]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1, abs=1e-5)
    assert {line.split(": ")[0] for line in lines[1:4]} == set(tiny_classes.COLOURS)
    assert "skipped: val/red/bad.jpg" in err
    told = json.loads((folder / "out.json").read_text())
    assert [one["filename"] for one in told] == files and len(told[0]["classes"]) == 3

    monkeypatch.setattr("sys.stdin", io.StringIO("val/red/00.png\n\n"))
    assert main(["classifier", "predict", *trained(folder)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3, "top=2 of the data file"
    assert main(["classifier", "predict", *trained(folder), "val/red/bad.jpg"]) == 1
    assert "bad.jpg: is not an image that can be decoded" in capsys.readouterr().err


def test_a_resumed_run_is_bit_identical(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "classes.cfg").write_text(tiny_classes.cfg(net="cutmix=1\nmosaic=1\nblur=3\nlabel_smooth_eps=.1"))
    assert train("-topk", "--topk-every", "4", "--backup", "whole", "--save-last", "5") == 0
    halves = ("-topk", "--topk-every", "4", "--backup", "halves", "--save-last", "5", "--workers", "1")
    iteration = Display.iteration

    def interrupted(self: Display, record: Record, hours_left: float) -> None:
        iteration(self, record, hours_left)
        if record.iteration == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(Display, "iteration", interrupted)
    assert train(*halves) == 130
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert train(*halves, "--resume") == 0
    for word in ("classes_final.weights", "classes_best.weights", "classes.state"):
        assert (folder / "halves" / word).read_bytes() == (folder / "whole" / word).read_bytes(), word
    kept = ("iteration", "loss", "avg_loss", "rate", "top1", "topk")
    rows, expected = (
        [[row.get(key) for key in kept] for row in read_results(folder / name / "results.csv")]
        for name in ("halves", "whole")
    )
    assert rows == expected


def test_size_and_crops_follow(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--iterations", "1", "--size", "48") == 0
    out = capsys.readouterr().out
    for line in ("width=48 height=48", "min_crop=48", "max_crop=64"):
        assert f"override: {line}" in out
    kept = folder / "backup" / "classes.cfg"
    assert [value(kept, 0, key) for key in ("width", "min_crop", "max_crop")] == ["48", "48", "64"]


def test_darknets_lists_and_labels(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "labels.txt").write_text("n1\nn2\nn3\n")
    (folder / "long.names").write_text("red\nblue\ngreen\nand more\n")
    lines = []
    for number, name in enumerate(tiny_classes.COLOURS, start=1):
        for path in sorted((folder / "train" / name).iterdir()):
            lines.append(str(path.rename(folder / f"n{number}_{path.name}")))
    (folder / "list.txt").write_text("".join(f"{line}\n" for line in lines))
    data = "classes=3\ntrain=list.txt\nvalid=list.txt\nlabels=labels.txt\nnames=long.names\nbackup=backup\n"
    (folder / "classes.data").write_text(data)
    assert train("-map", "--iterations", "2") == 0
    out = capsys.readouterr().out
    assert "name = blue, accuracy" in out and "12: top 1: " in out


def test_samples_are_shown(folder: Path) -> None:
    assert train("--iterations", "1", "-show_imgs") == 0
    assert cv2.imread(str(folder / "backup" / "aug_1_3.jpg")).shape == (24, 24, 3)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["train", "classes.cfg"], 2, "no data file is given, and there is no data/imagenet/train"),
        (["valid", "classes.data", "classes.cfg"], 2, "classifier valid needs weights"),
        (["train", "classes.data", "detector.cfg"], 1, "layer 1 [yolo]: predicts boxes, so this is no classifier"),
        (["train", "classes.data", "open.cfg"], 1, "has no [softmax] or [cost], so it cannot be trained"),
        (["train", "classes.data", "many.cfg"], 1, "gives 27 values, but classes.data has 3 classes"),
        (["train", "nothing.data", "classes.cfg"], 1, "nothing.data: has neither labels= nor names="),
        (["validmulti"], 2, "Darknet's 'classifier validmulti' is not supported"),
    ],
)
def test_what_cannot_be_run(
    folder: Path, words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    net = "[net]\nwidth=24\nheight=24\nchannels=3\nmax_batches=9\n"
    (folder / "detector.cfg").write_text(net + "[convolutional]\nfilters=8\n[yolo]\nclasses=3\nanchors=1,1\nmask=0\n")
    (folder / "open.cfg").write_text(net + "[convolutional]\nfilters=3\n[avgpool]\n")
    (folder / "many.cfg").write_text(net + "[convolutional]\nfilters=3\nsize=3\nstride=8\n[softmax]\n")
    (folder / "nothing.data").write_text("classes=3\ntrain=list.txt\n")
    assert main(["classifier", *words]) == code
    assert message in capsys.readouterr().err


def test_connected_layers_cannot_run_at_another_size(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "classes.cfg").write_text(
        tiny_classes.cfg()
        .replace("[avgpool]", "")
        .replace("[convolutional]\nfilters=10\nsize=1\nstride=1\npad=1", "[connected]\noutput=10")
    )
    assert train("--iterations", "1") == 0
    assert "override: layer 2 [connected] output=3" in capsys.readouterr().out
    assert main(["classifier", "valid", *trained(folder)]) == 0
    capsys.readouterr()
    assert main(["classifier", "validfull", *trained(folder)]) == 1
    assert "runs at one size only" in capsys.readouterr().err
