"""`csptrain detector train` from the command line to its files; killing and resuming is tests/train/test_resume.py."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from csptrain.cfg import text
from csptrain.cli.main import main
from csptrain.formats.darknet import load
from csptrain.train.log import read_results
from tests import tiny


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with ``tiny.data`` and ``tiny.cfg`` in it."""
    monkeypatch.chdir(tmp_path)
    tiny.write_set(tmp_path)
    (tmp_path / "tiny.cfg").write_text("# mine\n" + tiny.cfg())
    return tmp_path


def train(*words: str) -> int:
    return main(["detector", "train", "tiny.data", "tiny.cfg", "--workers", "0", "--device", "cpu", *words])


def value(path: Path, section: int, key: str) -> str:
    option = text.read(path)[section].get(key)
    assert option is not None
    return option.value


def test_every_file_of_a_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("-map", "-dont_show", "--json-log", "log.json", "--save-every", "5") == 0
    out = capsys.readouterr().out
    names = sorted(path.name for path in (folder / "backup").iterdir())
    assert names == [
        "chart.png", "report.html", "results.csv", "tiny.cfg", "tiny.state", "tiny_10.weights", "tiny_5.weights",
        "tiny_best.weights", "tiny_final.weights", "tiny_last.weights",
    ]  # fmt: skip
    assert "run: cpu, " in out and "seed 0, 0 worker(s), batch 4 = 2 x 2" in out
    assert " 12: " in out.replace("\n", " ") and out.rstrip().endswith("tiny_final.weights")
    rows = read_results(folder / "backup" / "results.csv")
    records = [json.loads(line) for line in (folder / "log.json").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [record["iteration"] for record in records] == list(range(1, 13))
    assert [row["rate"] for row in rows][:3] == pytest.approx([0.01 / 81, 0.01 * 16 / 81, 0.01])
    assert [row["rate"] for row in rows][8:10] == pytest.approx([0.001, 0.001])
    assert rows[-1]["map"] == records[-1]["map"] and set(records[0]["heads"]) == {"4"}
    assert cv2.imread(str(folder / "backup" / "chart.png")) is not None
    assert load(folder / "backup" / "tiny.cfg", folder / "backup" / "tiny_final.weights").seen == 48


def test_a_run_is_the_same_again_and_another_with_another_seed(folder: Path) -> None:
    found = {}
    # What is kept for the backward pass is no matter of numbers; the pictures are too small to be reduced.
    ways = "", "--workers 1", "--seed 1", "--checkpoint-activations", "--reduced-decoding"
    for name, words in zip("abcde", ways, strict=True):
        assert train("--backup", name, "--iterations", "4", *words.split()) == 0
        found[name] = (folder / name / "tiny_final.weights").read_bytes()
    assert found["a"] == found["b"] == found["d"] == found["e"] != found["c"]


def test_overrides_are_printed_and_kept_with_the_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--size", "64x32", "--iterations", "6") == 0
    out = capsys.readouterr().out
    for line in ("override: width=64 height=32", "override: max_batches=6", "override: burn_in=2", "override: steps=4"):
        assert line in out, line
    kept = folder / "backup" / "tiny.cfg"
    assert [value(kept, 0, key) for key in ("width", "height", "max_batches", "steps")] == ["64", "32", "6", "4"]
    assert (folder / "tiny.cfg").read_text().startswith("# mine\n"), "the cfg that was given is left alone"


def test_heads_follow_the_classes_of_the_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "tiny.names").write_text("red\nblue\ngreen\n")
    data = folder / "tiny.data"
    data.write_text(data.read_text().replace("classes=2", "classes=3"))
    assert train("--iterations", "2") == 0
    assert "override: layer 4 [yolo] classes=3, layer 3 filters=16" in capsys.readouterr().out
    kept = folder / "backup" / "tiny.cfg"
    assert (value(kept, 4, "filters"), value(kept, 5, "classes")) == ("16", "3")


def test_the_backup_folder_may_be_the_cfgs_own(folder: Path) -> None:
    assert train("--backup", ".", "--iterations", "2") == 0
    assert (folder / "tiny.cfg").read_text().startswith("# mine\n")
    assert (folder / "tiny_final.weights").is_file()


def test_start_weights_count_on_unless_cleared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--iterations", "3", "--backup", "first") == 0
    start = str(folder / "first" / "tiny_final.weights")
    assert train(start, "--iterations", "5", "--backup", "second") == 0
    assert "seen 12 images" in capsys.readouterr().out
    assert [row["iteration"] for row in read_results(folder / "second" / "results.csv")] == [4, 5]
    assert train(start, "-clear", "--iterations", "2", "--backup", "third") == 0
    assert [row["iteration"] for row in read_results(folder / "third" / "results.csv")] == [1, 2]


def test_one_file_that_is_no_image_is_passed_over_and_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = folder / "images" / "bad.jpg"
    bad.write_bytes(cv2.imencode(".jpg", cv2.imread(str(folder / "images" / "00.png")))[1].tobytes()[:-20])
    bad.with_suffix(".txt").write_text("0 .5 .5 .4 .4\n")
    listed = folder / "list.txt"
    listed.write_text(f"{bad}\n" + listed.read_text())
    assert train("-map", "--iterations", "6", "--workers", "1") == 0
    out = capsys.readouterr().out
    assert out.count("cannot be decoded") == 1
    assert f"warning: {bad}: cannot be decoded and is left out (1 so far, listed in" in out
    assert (folder / "backup" / "bad.list").read_text() == f"{bad}\n"


def test_corrected_labels_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label = folder / "images" / "00.txt"
    label.write_text("0 .5 .5 1.5 .4\n1 .5 1.5 .2 .2\n")
    assert train("--iterations", "1") == 0
    assert "2 label lines were corrected or left out" in capsys.readouterr().out
    lines = (folder / "backup" / "bad_label.list").read_text().splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{label}:1", f"{label}:2"]
