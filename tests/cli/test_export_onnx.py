"""``csptrain export onnx`` and ``csptrain verify``: files, words on the terminal, exit codes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from csptrain import graph
from csptrain.cli.main import main
from csptrain.formats import runtimes
from csptrain.formats.onnx_model import OnnxModel
from csptrain.formats.onnx_runtime import Session
from csptrain.formats.weights import save_weights
from tests import tiny_classes
from tests.formats.networks import from_graph, from_text

onnx = pytest.importorskip("onnx", reason="needs the package onnx")
pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")

MAP01 = Path(__file__).parents[1] / "golden_cases" / "map01_resize"
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


real = runtimes.open_onnxruntime


def wrong(model: OnnxModel) -> Session:
    session = real(model)
    return Session(session.version, lambda images: {name: array + 1 for name, array in session.run(images).items()})


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
    monkeypatch.setattr(runtimes, "open_onnxruntime", wrong)
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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nms", "--output", "raw"], "exclude each other"),
        (["--output", "boxen"], "boxen"),
        (["--precision", "int8"], "needs --calibrate LIST"),
        (["--precision", "fp16", "--calibrate", "a.txt"], "for --precision int8 alone"),
        (["--precision", "bf16"], "bf16"),
        (["--nms", "--data", "x.data"], "--output boxes"),
    ],
)
def test_words_that_cannot_be(
    pair: tuple[str, str], words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "onnx", *pair, *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_cost_of_a_precision_is_printed(tmp_path: Path, precision: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list.txt").write_text("".join(f"{image}\n" for image in sorted(MAP01.glob("*.png"))))
    data = tmp_path / "x.data"
    data.write_text(f"classes=3\nvalid=list.txt\nnames={MAP01 / 'names'}\n")
    words = ["--precision", precision, "--data", str(data), "-o", str(tmp_path / "out" / "net.onnx")]
    words += ["--calibrate", str(tmp_path / "list.txt")] if precision == "int8" else []
    assert main(["export", "onnx", str(MAP01 / "net.cfg"), str(MAP01 / "net.weights"), *words]) == 0
    said = capsys.readouterr().out
    found = re.search(r"AP50 on valid in onnxruntime: (?:fp32 ([\d.]+), \w+ )?([\d.]+)", said)
    assert found is not None
    exact, measured = (float(figure or found[2]) for figure in found.groups())
    assert exact == pytest.approx(0.570695, abs=1e-4)
    assert measured == pytest.approx(exact, abs={"fp32": 0, "fp16": 0.02, "int8": 0.2}[precision])
    assert ("changes the outputs by at most" in said) == (precision != "fp32")
    files = ["README.md", "detect.cpp", "detect.py", "net.onnx"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == files
    names = {entry.key: entry.value for entry in onnx.load(tmp_path / "out" / "net.onnx").metadata_props}["names"]
    assert names == '["obj0", "obj1", "obj2"]'


def test_the_cost_to_a_classifier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tiny_classes.write_set(tmp_path)
    cfg, weights = tmp_path / "classes.cfg", tmp_path / "net.weights"
    save_weights(from_graph(graph.load(cfg)), weights)
    words = ["export", "onnx", str(cfg), str(weights), "--data", str(data), "--precision", "int8", "--calibrate"]
    assert main([*words, str(tmp_path / "train")]) == 1
    assert "gives 10 values, but" in capsys.readouterr().err
    cfg.write_text(cfg.read_text().replace("filters=10", "filters=3"))
    save_weights(from_graph(graph.load(cfg)), weights)
    assert main([*words, str(tmp_path / "train")]) == 0
    said = capsys.readouterr().out
    found = re.search(r"top-1 on valid in onnxruntime: fp32 ([\d.]+), int8 ([\d.]+)", said)
    assert found is not None
    assert main(["classifier", "valid", str(data), str(cfg), str(weights), "--json"]) == 0
    assert float(found[1]) == pytest.approx(json.loads(capsys.readouterr().out)["top1"], abs=1e-6)
    assert (tmp_path / "classify.py").exists()


def test_data_of_other_classes(pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "x.data"
    data.write_text("classes=3\nvalid=list.txt\n")
    assert main(["export", "onnx", *pair, "--data", str(data)]) == 1
    assert "classes=2, but" in capsys.readouterr().err


def test_verify_prints_each_head(pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *pair, "--runtimes", "onnxruntime,opencv"]) == 0
    said = capsys.readouterr().out
    assert "onnxruntime" in said and "opencv 4." in said
    assert said.count("yolo") == 3 + 5


def test_verify_fails_and_names_the_layer(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runtimes, "open_onnxruntime", wrong)
    assert main(["verify", *pair, "--runtimes", "onnxruntime"]) == 1
    assert "parts from csptrain at layer 0 [convolutional]" in capsys.readouterr().out


def test_a_named_runtime_must_be_there(pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *pair, "--runtimes", "opencv5"]) == 1
    assert "not there" in capsys.readouterr().out
    assert main(["verify", *pair, "--runtimes", "tensorrt"]) == 2


def test_the_matrix_goes_into_a_page(pair: tuple[str, str], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Runtimes\n")
    words = ["--matrix", "--runtimes", "onnxruntime", "--size", "16", "--markdown", str(page)]
    assert main(["verify", pair[0], *words]) == 0
    assert page.read_text().startswith("# Runtimes\n\n<!-- matrix begins -->\n| cfg | input | onnxruntime")
    assert "| net.cfg | 16x16 |" in page.read_text()
