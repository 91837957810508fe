"""``csptrain bench`` from the command line, on networks of a few layers."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from csptrain.cli.main import main
from csptrain.zoo.rows import table5
from tests.tiny import cfg, write_images


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "tiny.cfg"
    path.write_text(cfg())
    monkeypatch.chdir(tmp_path)
    return path


def test_inference_is_compared_and_written(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(Path("images"), 2)
    Path("page.md").write_text("# Page\n\n<!-- bench infer begins -->\nold\n<!-- bench infer ends -->\nend\n")
    words = "--size 32 --runtimes opencv,csptrain --amp off --threads 1 --repeats 2 --quick --images images"
    files = "--markdown page.md --csv sides.csv --png speeds.png --json"
    assert main(["bench", "infer", str(tiny), *words.split(), *files.split()]) == 0
    found = json.loads(capsys.readouterr().out)
    (comparison,) = found["comparisons"]
    assert (comparison["key"], comparison["baseline"], comparison["threads"]) == ("infer/tiny", "opencv", 1)
    opencv, own = comparison["sides"]
    assert (opencv["side"], own["side"]) == ("opencv", "csptrain fp32")
    assert opencv["speed"] == 1 and own["speed"] > 0 and own["turns"] == 2
    assert float(own["max error"]) < 1e-3 and opencv["version"] == cv2.__version__
    assert 0 < own["start_bytes"] < own["peak_bytes"]
    page = Path("page.md").read_text()
    assert page.startswith("# Page\n") and page.endswith("end\n") and "| opencv |" in page and "old" not in page
    assert len(Path("sides.csv").read_text().splitlines()) == 3
    assert cv2.imread("speeds.png") is not None


def test_a_runtime_that_is_not_there_is_left_out(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--runtimes opencv5,csptrain --amp off --threads 1 --quick --size 32"
    assert main(["bench", "infer", str(tiny), *words.split()]) == 0
    out, err = capsys.readouterr()
    assert "opencv5 is left out: OpenCV 5 is not given" in out
    assert "csptrain fp32" in out and "turn 2 of 2" in err


def test_training_is_compared(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--amp off --threads 1 --quick --size 32 --batch 2 --json"
    assert main(["bench", "train", str(tiny), *words.split()]) == 0
    (comparison,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert (comparison["key"], comparison["amount"]) == ("train/tiny", 2)
    assert [side["side"] for side in comparison["sides"]] == ["plain PyTorch", "csptrain fp32"]
    assert all(side["seconds"] > 0 for side in comparison["sides"])


def test_table5_stands_beside_the_paper(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row for row in table5.ROWS if row.cfg in ("yolov3-tiny", "cspdensenetb-ref-prn")]
    monkeypatch.setattr(table5, "ROWS", rows)
    assert main(["bench", "table5", "--threads", "1", "--quick", "--json"]) == 0
    (comparison,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert (comparison["key"], comparison["baseline"]) == ("table5/opencv", "YOLOv3-tiny")
    assert [side["paper's ratio"] for side in comparison["sides"]] == ["1.00", "1.89"]
    assert comparison["sides"][1]["speed"] > 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["infer"], 2, "no cfg is given"),
        (["train"], 2, "no cfg is given"),
        (["infer", "a.cfg", "b.cfg", "--weights", "a.weights"], 2, "--weights is for one cfg"),
        (["infer", "tiny.cfg", "--runtimes", "tensorrt"], 2, "unknown runtime 'tensorrt'"),
        (["train", "tiny.cfg", "--batch", "0"], 2, "no integer from 1 on"),
        (["all", "tiny.cfg"], 2, "tiny.cfg"),
    ],
)
def test_mistakes(tiny: Path, words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *words]) == code
    assert said in capsys.readouterr().err
