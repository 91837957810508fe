"""``csptrain export onnx`` and ``csptrain verify``: files, words on the terminal, exit codes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from csptrain.cli.main import main
from csptrain.formats import verify
from csptrain.formats.onnx_runtime import Ran
from csptrain.formats.weights import save_weights
from tests.formats.networks import from_text

onnx = pytest.importorskip("onnx", reason="needs the package onnx")
pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")

NETWORK = """
[net]
width=32
height=32
channels=3
[convolutional]
batch_normalize=1
filters=14
size=3
stride=4
pad=1
activation=leaky
[convolutional]
filters=14
activation=linear
[yolo]
mask=0,1
anchors=4,6, 9,7
num=2
classes=2
"""


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    weights = tmp_path / "net.weights"
    save_weights(from_text(tmp_path, NETWORK), weights)
    return str(tmp_path / "net.cfg"), str(weights)


def wrong(model: object, images: object) -> Ran:
    ran = real(model, images)  # type: ignore[arg-type]
    return Ran(ran.version, {name: array + 1 for name, array in ran.outputs.items()})


real = verify.run_onnxruntime


def test_a_checked_file_beside_the_weights(pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "onnx", *pair]) == 0
    model = onnx.load(Path(pair[1]).with_suffix(".onnx"))
    assert [value.name for value in model.graph.output] == ["boxes", "scores"]
    said = capsys.readouterr().out
    assert "agrees on random images" in said and "outputs: boxes, scores" in said


def test_options_reach_the_file(pair: tuple[str, str], tmp_path: Path) -> None:
    names, place = tmp_path / "x.names", tmp_path / "out" / "x.onnx"
    names.write_text("cat\ndog\n")
    words = ["--nms", "--dynamic-batch", "--size", "64", "--opset", "17", "--names", str(names), "-o", str(place)]
    assert main(["export", "onnx", *pair, *words]) == 0
    model = onnx.load(place)
    assert [axis.dim_param or axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim] == [
        "N",
        3,
        64,
        64,
    ]
    assert [value.name for value in model.graph.output] == ["detections"]
    assert model.opset_import[0].version == 17
    assert {entry.key: entry.value for entry in model.metadata_props}["names"] == '["cat", "dog"]'


def test_a_difference_leaves_nothing(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify, "run_onnxruntime", wrong)
    assert main(["export", "onnx", *pair]) == 1
    assert "onnxruntime differs" in capsys.readouterr().err
    assert not Path(pair[1]).with_suffix(".onnx").exists()


def test_without_onnxruntime_it_says_so(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["export", "onnx", *pair]) == 0
    assert "not verified: onnxruntime is not installed" in capsys.readouterr().out


def test_without_onnx_nothing_is_written(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", "onnx", *pair]) == 1
    assert "pip install 'csptrain[onnx]'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--nms", "--output", "raw"], ["--output", "boxen"]])
def test_words_that_cannot_be(pair: tuple[str, str], words: list[str]) -> None:
    assert main(["export", "onnx", *pair, *words]) == 2


def test_verify_prints_each_head(pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *pair, "--runtimes", "onnxruntime,opencv"]) == 0
    said = capsys.readouterr().out
    assert "onnxruntime" in said and "opencv 4." in said
    assert said.count("yolo") == 3 + 5


def test_verify_fails_and_names_the_layer(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify, "run_onnxruntime", wrong)
    assert main(["verify", *pair, "--runtimes", "onnxruntime"]) == 1
    assert "parts from csptrain at layer 0 [convolutional]" in capsys.readouterr().out


def test_a_named_runtime_must_be_there(pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *pair, "--runtimes", "opencv5"]) == 1
    assert "not there" in capsys.readouterr().out
    assert main(["verify", *pair, "--runtimes", "tensorrt"]) == 2


def test_the_matrix_goes_into_a_page(pair: tuple[str, str], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Runtimes\n")
    words = ["--matrix", "--runtimes", "onnxruntime", "--size", "64", "--markdown", str(page)]
    assert main(["verify", pair[0], *words]) == 0
    assert page.read_text().startswith("# Runtimes\n\n<!-- matrix begins -->\n| cfg | input | onnxruntime")
    assert "| net.cfg | 64x64 |" in page.read_text()
